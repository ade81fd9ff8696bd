// Options and results of `pruneGguf`.
import type { HealKind } from "../model/fitting/kinds.js";
import type { HealType } from "../model/fitting/kinds.js";
import type { FileType } from "../model/runtime/file-type-names.js";
import type { StepName } from "../model/runtime/job-options.js";
import type { Report } from "../report/report-data.js";
import type { Plan } from "../storage/plan.js";
import type { LimitedOptions } from "./gate.js";
import type { GranularityUsed, MeasureOptions, ModelSummary, Metric } from "./measure.js";

/** A share of the blocks, above 0 % and below 100 %. */
export type Percentage = `${number}%`;

/** What the written model is quantized to, and whose weights are. */
export interface QuantizeTo {
	/** As llama.cpp names it. Missing if only `quantizedAlternatives` quantizes. */
	readonly type?: FileType | undefined;
	/** F16, BF16 or F32 file of the same model, whose weights are quantized instead of those of the model. @default those of the model */
	readonly from?: string | undefined;
}

export interface QuantizeOutputOptions {
	/**
	 * Type that llama.cpp's quantizer gives the pruned model, as it names it. The pruned model is written and verified beside the
	 * output first; the quantized one is then measured as written. With `{ type, from }` the weights of another file are quantized.
	 * @default not quantized
	 */
	readonly quantize?: FileType | QuantizeTo | undefined;
}

/** How cuts are healed. */
export interface HealOptions {
	/** Tokens of self-generated text to fit to, from 1024 to 16 million; more heal better and take longer. @default 25600 */
	readonly tokens?: number | undefined;
	/**
	 * Instead of a number of tokens: seconds that healing may take, sampling included, as predicted from the speed of this machine; at least
	 * 1,024 tokens. The number of tokens is kept for the next run and in the plan. For a frontier: the time for all candidates together.
	 */
	readonly time?: number | undefined;
	/**
	 * Type of the healed matrices. `auto` is the file's own if it has 8 bits a weight or more, else Q8_0 (F16 if rows do not fit it).
	 * `same` is the file's own. Or name a type. @default "auto"
	 */
	readonly type?: HealType | undefined;
	/**
	 * How matrices are changed. `refit` fits the whole matrix anew. `map` puts a square map on what the matrix gives; its equations are
	 * only as large as the model is wide. `auto` takes what is better on the search split. If the equations of both do not fit in memory, it
	 * takes the one that fits.
	 * @default "auto"
	 */
	readonly kind?: HealKind | undefined;
	/**
	 * Also fit two factors for each attention head after the first cut, one for its queries and one for its output. The divergence from the
	 * original model decides, with each factor a little lower and higher. Adds no bytes; takes at most 100 times as long as reading 8,192 tokens.
	 * @default false
	 */
	readonly heads?: boolean | undefined;
}

export interface HealingOptions {
	/**
	 * Recover part of the loss at each cut by a least-squares fit of one matrix beside it, on self-generated text: no training, and no extra
	 * files. Kept only if the validation split says that it helps. An object heals, and says how. With a plan: whether to heal as the plan
	 * says (`true` is not needed). @default false; with a plan as it says
	 */
	readonly heal?: boolean | HealOptions | undefined;
}

/** A speed-up of generation, or of what is named: reading the prompt, or generating tokens after it. */
export type TargetSpeedup = number | { readonly prompt: number } | { readonly generation: number };

export interface PruneOptions extends MeasureOptions, QuantizeOutputOptions, LimitedOptions, HealingOptions {
	/** How many blocks to remove: a number of at least 1, or a share of the blocks such as "25%". Which ones is chosen automatically. */
	readonly removeBlocks?: number | Percentage | undefined;
	/**
	 * Blocks to remove. Blocks are numbered from 0: `[3, 7]`, or text such as `"3, 6-9a, 12f-15a"`. There `6-9a` is attention parts alone and `12f-15a` is a half-block cut; in a list 6.25 is `6a` and 12.5 is `12f-13a`.
	 */
	readonly remove?: readonly number[] | string | undefined;
	/**
	 * How many attention parts to remove, at least 1. Which ones is chosen automatically. Granularity `attention` is the default then. For
	 * architectures like llama.
	 */
	readonly removeAttention?: number | undefined;
	/** Bytes that the written file may have at most: the fewest blocks that reach it are removed. */
	readonly targetSize?: number | undefined;
	/**
	 * Share of the KV cache that may be left, above 0 and below 1: the fewest attention parts that reach it are removed. Granularity
	 * `attention` is the default then.
	 */
	readonly targetKv?: number | undefined;
	/**
	 * Granularity `attention`: tokens of context that the model is used at, at least 256 and at most its training context. Time and KV
	 * cache are counted there, and the search sees windows as long as its budget of tokens allows. @default 4096, or the model's own if
	 * that is smaller
	 */
	readonly context?: number | undefined;
	/**
	 * Target speed-up, above 1: removes the fewest blocks that reach it, as measured on this machine before the search, in memory. A plain
	 * number is about generation.
	 */
	readonly targetSpeedup?: TargetSpeedup | undefined;
	/**
	 * Also measure the original model quantized to about the pruned one's size, and say which is better. Quantizes twice, which takes
	 * seconds for a small model and many minutes and the disk of a copy for a large one. @default false
	 */
	readonly quantizedAlternatives?: boolean | undefined;
	/**
	 * Measure speed and memory before and after, in turns; about 15 s for a small model. @default if a model is written, or with
	 * `targetSpeedup`
	 */
	readonly speed?: boolean | undefined;
	/**
	 * Prompts that both models write on, beside a chat turn, at most 64; 0 for no texts. Loops and the like that are new are warned of.
	 * @default 4 if a model is written, otherwise 0
	 */
	readonly samples?: number | undefined;
	/** Where the plan is written. @default `OUTPUT.plan.json`, without an output in the cache */
	readonly plan?: string | undefined;
	/**
	 * Where the report is written, an HTML page; its JSON goes beside it. `false`: nowhere. @default `OUTPUT.report.html`, nowhere without
	 * an output
	 */
	readonly report?: string | false | undefined;
	/** Where a short model card is written, Markdown. @default nowhere */
	readonly modelCard?: string | undefined;
	/** Replace the files that are there; the model itself never. @default false */
	readonly overwrite?: boolean | undefined;
	/** Say what would be measured and how long it would take; nothing is written but the cache. @default false */
	readonly dryRun?: boolean | undefined;
}

export interface CurvePoint {
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	readonly loss: number | null;
	readonly added: number | null;
	readonly standardError?: number | null | undefined;
	/** Further means by name: `loss` and `agreement` (metric `kl`), `accuracy` and `normalizedAccuracy` (metric `accuracy`); all but the first 0..1. */
	readonly figures?: Readonly<Record<string, number | null>> | undefined;
	/** Candidates that are tied with this one. */
	readonly tied?: readonly TiedCandidate[] | undefined;
}

/** A candidate that is tied with the chosen one: 0 is in the 95 % interval of the difference, paired by window, or it is ahead. */
export interface TiedCandidate {
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	/** Who proposed it. */
	readonly method: string;
	/**
	 * Loss above that of the chosen candidate, in the metric's nats. It is below 0 for one that is ahead on this text. The chosen one is better by
	 * all that was measured then, or is taken since a half-block cut is not better by more than the error.
	 */
	readonly above: number;
	readonly standardError: number;
	/** Windows (or questions) on which both were measured: those of the validation split, and further text of its kind. */
	readonly windows: number;
	/** If candidates were compared by their divergence from the original model (on self-generated text), which `above` then is. */
	readonly by?: "divergence" | undefined;
}

/** A calibration text on which another candidate is better than the one that was chosen for its size. */
export interface Disagreement {
	/** Name of the text. */
	readonly source: string;
	/** The chosen candidate, and the one that is better on this text: removed blocks as in `TiedCandidate`. */
	readonly chosen: readonly number[];
	readonly better: readonly number[];
	/** By how much, in the metric's nats, on the windows of this text in the final comparison; and the standard error, paired by window. */
	readonly by: number;
	readonly standardError: number;
	/** By how much the better one on this text is worse on all of them, as they are weighted. */
	readonly worseOverall: number;
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
	/** Missing if nothing said how much to remove. */
	readonly plan?: Plan | undefined;
	readonly planPath?: string | undefined;
	/** Missing after a dry run, and if no output was named. */
	readonly output?: WrittenFile | undefined;
	/** All that the run has to say; missing after a dry run. */
	readonly report?: Report | undefined;
	/** The page that was written; missing if none was asked for, or it could not be written (which is a warning). */
	readonly reportPath?: string | undefined;
	readonly modelCardPath?: string | undefined;
	/**
	 * Whether the signal ended the job after the model was written and verified: what was not measured by then is missing (`plan.speed`,
	 * `plan.quantizedAlternatives`, samples of the report). The same call measures it. Missing otherwise.
	 */
	readonly interrupted?: true | undefined;
	/** Whether half-block cuts are searched too, and why. Missing if the blocks to remove were named. */
	readonly granularity?: GranularityUsed | undefined;
	/** In the unit of the metric. */
	readonly curve: readonly CurvePoint[];
	readonly metric: Metric;
	/** Calibration texts on which another candidate is better; empty if they agree, or there is only one. */
	readonly disagreements: readonly Disagreement[];
	/** A sensible choice if none was asked for; it may be to remove nothing. `removed` is as in `CurvePoint`. */
	readonly suggestion?: { readonly removed: readonly number[]; readonly reason: string } | undefined;
	/** After a dry run: what the run would do, and how long that would take. */
	readonly estimate?: Estimate | undefined;
	/** Commands that go on from here. */
	readonly commands: readonly string[];
	readonly seconds: number;
}

/** What a run has to do, and how long that takes: the same command, started now. */
export interface Estimate {
	/** Candidates to evaluate on the search split that are not known yet, at most. */
	readonly evaluations: number;
	/** Candidates that were evaluated before and are used again. */
	readonly known: number;
	/** Tokens of all splits to evaluate, about. */
	readonly tokens: number;
	/** Sum of the steps whose time is known, by the speed measured on this machine. */
	readonly seconds: number;
	/** Tokens of a prompt that the original model reads in `seconds` on this machine, measured as `llama-bench` does. Missing if that failed. */
	readonly promptTokens?: number | undefined;
	/**
	 * The steps of the run in their order; `seconds` is missing if that step cannot be estimated. Healing has an entry of its own, also if it
	 * happens while finalists are compared.
	 */
	readonly steps: readonly { readonly name: StepName; readonly seconds?: number | undefined }[];
	/** What `search.maxTime` leaves out; missing if that is nothing. */
	readonly leftOut?: readonly LeftOutPart[] | undefined;
}

/**
 * A part of a run that is left out if its time is short, in this order. Some of the further finalists may still be compared. Without a search there
 * is more time for samples and speed.
 */
export type LeftOutPart = "samples" | "speed" | "further text" | "further finalists" | "search";
