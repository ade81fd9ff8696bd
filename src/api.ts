import type { Plan } from "./storage/plan.js";

// The options and results of the public functions: shared by programs and the command line.

/** Methods that choose or rank blocks. */
export const methods = ["greedy", "leave-one-out", "paper"] as const;
export type Method = (typeof methods)[number];

/** Ways to score a text. */
export const presets = ["llama-perplexity", "full"] as const;
export type Preset = (typeof presets)[number];

export interface ProgressEvent {
	/** What is being done, for people. */
	readonly phase: string;
	readonly done: number;
	readonly total: number;
	readonly unit: "masks" | "bytes" | "tokens" | "percent";
	readonly tokensPerSecond?: number | undefined;
	readonly secondsLeft?: number | undefined;
	readonly blocksDone?: number | undefined;
	readonly blocksSaved?: number | undefined;
}

export interface LogEvent {
	/** Notes and warnings are for people; debug lines are llama.cpp's own. */
	readonly level: "note" | "warning" | "debug";
	readonly message: string;
}

export interface JobOptions {
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
	readonly onLog?: ((event: LogEvent) => void) | undefined;
}

export interface MachineOptions {
	readonly threads?: number | undefined;
	readonly gpuLayers?: number | undefined;
}

export interface MeasureOptions extends JobOptions, MachineOptions {
	readonly method?: Method | undefined;
	readonly masks?: number | undefined;
	readonly calibration?: string[] | undefined;
	readonly windows?: number | undefined;
	readonly windowLength?: number | undefined;
	readonly seed?: number | undefined;
	/** The paper's method: numbers of kept blocks, one stratum each. @default its kept shares, scaled to the model */
	readonly strata?: number[] | undefined;
	/** The paper's method: masks asked of the surrogate for the contributions. @default 80000 */
	readonly attributionMasks?: number | undefined;
	/** The paper's method: passes over the masks. @default 300 */
	readonly epochs?: number | undefined;
}

export interface PruneOptions extends MeasureOptions {
	readonly removeBlocks?: number | undefined;
	/** 0..1 */
	readonly removeFraction?: number | undefined;
	readonly remove?: number[] | undefined;
	/** Where the plan is written. */
	readonly plan?: string | undefined;
	readonly overwrite?: boolean | undefined;
	readonly dryRun?: boolean | undefined;
}

export interface ModelSummary {
	readonly path: string;
	readonly name: string;
	readonly architecture: string;
	readonly blocks: number;
	/** Bytes. */
	readonly size: number;
	readonly parameters: number;
}

export interface CurvePoint {
	readonly removed: readonly number[];
	readonly loss: number | null;
	readonly added: number | null;
	readonly standardError?: number | null | undefined;
}

export interface WrittenFile {
	readonly path: string;
	readonly size: number;
	readonly parameters: number;
	/** What the written file was found to compute, in words. */
	readonly verification: string;
}

export interface PruneResult {
	readonly model: ModelSummary;
	/** Missing where nothing said how much to remove. */
	readonly plan?: Plan | undefined;
	readonly planPath?: string | undefined;
	/** Missing after a dry run, and where no output was named. */
	readonly output?: WrittenFile | undefined;
	readonly curve: readonly CurvePoint[];
	/** A sensible choice where none was asked for; it may be to remove nothing. */
	readonly suggestion?: { readonly removed: readonly number[]; readonly reason: string } | undefined;
	/** What a dry run would measure. */
	readonly estimate?: { readonly masks: number; readonly tokens: number; readonly seconds: number } | undefined;
	/** Commands that go on from here. */
	readonly commands: readonly string[];
	readonly seconds: number;
}

export interface RankResult {
	readonly model: ModelSummary;
	/** Loss of the full model. */
	readonly loss: number;
	readonly estimator: string;
	readonly contributions: readonly { readonly block: number; readonly value: number; readonly standardError?: number | undefined }[];
	/** Blocks never removed, with reasons. */
	readonly frozen: readonly { readonly block: number; readonly reason: string }[];
	readonly surrogate?: Plan["surrogate"];
	readonly masks: number;
	readonly seconds: number;
}

export interface ApplyOptions extends JobOptions, MachineOptions {
	readonly plan?: string | undefined;
	readonly remove?: number[] | undefined;
	readonly overwrite?: boolean | undefined;
}

export interface ApplyResult {
	readonly model: ModelSummary;
	readonly removed: readonly number[];
	readonly output: WrittenFile;
	readonly seconds: number;
}

export interface EvaluateOptions extends JobOptions, MachineOptions {
	readonly text: string;
	readonly preset?: Preset | undefined;
	readonly context?: number | undefined;
	readonly remove?: number[] | undefined;
}

export interface EvaluateResult {
	readonly model: string;
	readonly text: string;
	readonly preset: Preset;
	readonly context: number;
	readonly removed: readonly number[];
	readonly perplexity: number;
	readonly perplexityError: number;
	/** Nats per token. */
	readonly loss: number;
	/** Tokens that were scored. */
	readonly tokens: number;
	readonly windows: number;
	readonly seconds: number;
}

export interface InspectResult extends ModelSummary {
	readonly files: readonly string[];
	readonly support: "exact" | "refused";
	readonly reason?: string | undefined;
	readonly maxRemovable: number;
	readonly frozen: readonly { readonly block: number; readonly reason: string }[];
	/** What this file lost already, where it says so. */
	readonly pruned?: string | undefined;
	/** Tensors by type name. */
	readonly types: Readonly<Record<string, number>>;
}
