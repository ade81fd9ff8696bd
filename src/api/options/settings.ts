// Options as jobs read them: flat, by the names of the table, whatever shape they have for people.
import type { JobOptions } from "../job.js";
import type { Speedup } from "../speed.js";
import type { CommandOptions, OptionCommand } from "./row.js";
import type { OptionTable, SettingName } from "./table.js";

type Taken<Row> = Row extends { readonly commands: readonly (infer Command)[] }
	? Command | (Row extends { readonly api: readonly (infer More)[] } ? More : never)
	: never;

/** What is found at a path; of two steps in the object that the first one may hold. */
type At<Options, Path> = Path extends keyof Options
	? Options[Path]
	: Path extends `${infer Group}.${infer Field}`
		? Group extends keyof Options
			? FieldOf<Exclude<Options[Group], undefined>, Field>
			: never
		: never;
type FieldOf<Value, Field> = Value extends object ? (Field extends keyof Value ? Value[Field] : never) : never;

/** Settings that have another type than what stands at their path, which holds several options. */
interface Split<Command> {
	readonly removeBlocks: Command extends "compare" | "rank" ? readonly number[] : number;
	readonly removeFraction: Command extends "compare" ? readonly number[] : number;
	readonly targetSpeedup: number;
	readonly speedupOf: Speedup;
	readonly heal: boolean;
	/** Ascending positions. */
	readonly remove: readonly number[];
}

/** What a command's options say, each by the name of its row. */
export type Settings<Command extends OptionCommand> = {
	readonly [Name in SettingName as Command extends Taken<OptionTable[Name]> ? Name : never]?:
		| (Name extends keyof Split<Command> ? Split<Command>[Name] : At<CommandOptions[Command], OptionTable[Name]["path"]>)
		| undefined;
};

type Of<Names extends keyof Settings<"prune">> = Pick<Settings<"prune">, Names>;

// What single steps read.

export type MachineSettings = Of<"threads" | "gpuLayers" | "devices" | "splitMode" | "rpc">;
export type UnknownSettings = Of<"allowUnknownArchitecture">;
export type TextSettings = Of<"calibration" | "selfText" | "windows" | "windowLength" | "seed">;
export type MetricSettings = Of<"metric" | "questions" | "maxQuestions" | "scoreShare">;
export type ReferenceSettings = Of<"referenceBytes">;
/** How many candidates of how many tokens a search may measure. */
export type BudgetSettings = Of<"granularity" | "maxEvaluations" | "effort" | "maxTime" | "maxTokens" | "windows" | "windowLength">;
/** How a search runs on this machine. */
export type SweepSettings = MachineSettings & Of<"workingWeights" | "ubatch" | "stateType" | "stateBytes" | "racing">;
/** What the methods read, one or the other. */
export type MethodSettings = BudgetSettings & Of<"method" | "strata" | "strataPreset" | "attributionSamples" | "epochs" | "rounds">;
/** How much is spent. */
export type EffortSettings = Of<"effort" | "maxTime" | "maxTokens">;
/** An amount that methods know beforehand. */
export type CountSettings = Of<"removeBlocks" | "removeFraction" | "removeAttention">;
/** What choosing blocks reads. */
export type ChoosingSettings = MethodSettings & CountSettings & JobOptions;
export type AmountSettings = CountSettings & Of<"remove" | "targetSize" | "targetSpeedup" | "speedupOf" | "targetKv">;
export type LimitSettings = Of<"maxPplRatio" | "maxKl" | "minAccuracy" | "limitQuestions" | "ignoreLimits">;
export type HealSettings = Of<"heal" | "healTokens" | "healTime" | "healKind" | "healType" | "healHeads">;
/** What healing a set of blocks reads. */
export type HealingSettings = HealSettings & TextSettings & ReferenceSettings & MachineSettings & JobOptions;
export type QuantizeSettings = Of<"quantize" | "quantizeFrom">;
/** What loading a model reads. */
export type LoadSettings = MachineSettings & UnknownSettings & JobOptions;
/** What making the original model's distributions, which others are held against, reads. */
export type ComparedSettings = ReferenceSettings & LoadSettings;
/** Files that a run reads beside the model. */
export type InputSettings = Of<"calibration" | "questions" | "quantizeFrom" | "limitQuestions">;
/** Where the files of a report go, if any are written. */
export type ReportSettings = Of<"report" | "modelCard" | "dryRun">;
export type OverwriteSettings = Of<"overwrite">;
export interface AskedSettings {
	/** What was given, without what is filled in: for what is written down and printed. */
	readonly asked: Settings<"prune">;
}

/** At which context the model is used. */
export type ContextSettings = Of<"context">;
/** What a session measures of its windows: found for the context, never given. */
export interface ScoredSettings {
	/** First position of a window whose next token counts on the search and validation splits. @default 0 */
	readonly scoreFrom?: number | undefined;
	/** Whether the same holds for the held-out split. No text must prove a file then. @default false */
	readonly scoreHeldOut?: boolean | undefined;
}

/** What a session measures, on what, and how. */
export type SessionSettings = ScoredSettings &
	TextSettings &
	MetricSettings &
	ReferenceSettings &
	SweepSettings &
	UnknownSettings &
	JobOptions;
