import type { MeasureOptions, ModelSummary } from "./api.js";
import type { Method } from "./methods.js";

// Options and results of `compareMethods`.

export interface CompareOptions
	extends Omit<
		MeasureOptions,
		"method" | "effort" | "maxTime" | "strata" | "attributionMasks" | "epochs" | "rounds" | "objective" | "questions" | "limit"
	> {
	/** Methods to compare, each once. @default auto, greedy, leave-one-out, contiguous, block-influence, angular, random, paper, paper-repaired */
	readonly methods?: readonly Method[] | undefined;
	/** Numbers of blocks to remove. @default about 10, 20 and 33 % of the blocks */
	readonly removeBlocks?: readonly number[] | undefined;
	/** The same as shares of the blocks, each above 0 and below 1. */
	readonly removeFraction?: readonly number[] | undefined;
	/** Masks that each method may ask for, the race's among them. @default 26 a block, 300 to 800 */
	readonly masks?: number | undefined;
	/** The same in tokens: each mask counts all tokens of its windows. The smaller of the two holds. @default none */
	readonly maxTokens?: number | undefined;
	/** Texts to score the sets on (plain, or JSON Lines); none may be a calibration file. @default the report fold */
	readonly eval?: readonly string[] | undefined;
	/** Windows of each text of `eval`, at least 2. @default 24 */
	readonly evalWindows?: number | undefined;
	/** Tokens in such a window, at least 8. @default 256, at most the model's context */
	readonly evalWindowLength?: number | undefined;
	/** Where the result is written as JSON. @default nowhere */
	readonly output?: string | undefined;
	/** Replace an existing output. @default false */
	readonly overwrite?: boolean | undefined;
}

/** What a method would have needed alone, whatever others measured before it. */
export interface MethodCost {
	/** Distinct masks that it asked for: on the search fold, and on the validation fold where its sets are raced. */
	readonly masks: number;
	/** Of these masks, each counting all tokens of its windows, and of passes of the full model that are no masks. */
	readonly tokens: number;
	/** Blocks run over all windows, with leading blocks shared among the masks of a batch where the architecture allows it. */
	readonly blockExecutions: number;
	/** Its own computing, and its block executions at the speed of this run. */
	readonly seconds: number;
}

/** A difference of losses, nats per token, with its standard error, paired by window. null where a model broke down. */
export interface Difference {
	readonly mean: number | null;
	/** null also where one window says nothing of it. */
	readonly standardError: number | null;
}

/** What one method found of one size. */
export interface CompareRow {
	readonly method: Method;
	/** Blocks, ascending; null where it found no set of that size. */
	readonly removed: readonly number[] | null;
	/** Who of the race proposed the set: the method itself, or for example `leave-one-out`. */
	readonly proposedBy?: string | undefined;
	/** Loss added on each text, in the order of `texts`. */
	readonly added: readonly Difference[];
	/** Mean over the texts, each counting the same. */
	readonly mean: Difference;
	/** Mean loss above that of the row's best method; 0 for itself. */
	readonly above: Difference;
	/** Whether that difference is at most 1.96 of its standard errors. */
	readonly withinBest: boolean;
}

export interface CompareResult {
	readonly model: ModelSummary;
	readonly seed: number;
	/** What each method might spend. */
	readonly budget: { readonly masks: number; readonly tokens: number };
	/** Text that was searched. */
	readonly search: CompareText;
	/** Texts that the sets are scored on. */
	readonly texts: readonly (CompareText & { readonly loss: number | null })[];
	readonly methods: readonly { readonly method: Method; readonly cost: MethodCost; readonly notes: readonly string[] }[];
	readonly sizes: readonly {
		readonly removed: number;
		/** Method of the lowest mean; null where every model broke down. */
		readonly best: Method | null;
		/** In the order of `methods`. */
		readonly rows: readonly CompareRow[];
	}[];
	readonly seconds: number;
}

export interface CompareText {
	readonly name: string;
	readonly windows: number;
	readonly length: number;
	/** SHA-256 of the windows' tokens. */
	readonly sha256: string;
}
