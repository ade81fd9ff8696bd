import type { Coalition } from "../coalition.js";
import type { BatchOptions } from "../game.js";
import type { LossMeter } from "../loss-meter.js";
import type { AdjacentPair, Granularity } from "../pairs.js";

// The options and the result of every search.

/** Options of every search. */
export interface SearchOptions extends BatchOptions {
	/** Most blocks to remove, 1..number of blocks that are not frozen. All smaller sizes are answered too. */
	readonly kmax: number;
	/** Sets of blocks that a rule of the model ties together; they are removed together, other blocks alone. They may overlap. @default none */
	readonly units?: readonly (readonly number[])[];
	/** `half-block`: shifted pairs may go too, as far as the game allows them. @default "block" */
	readonly granularity?: Granularity | undefined;
	/** Shifted pairs measured alone at most, with `half-block`: those whose two blocks cost least alone. @default all */
	readonly shiftedSingles?: number | undefined;
	/** A block whose removal alone adds more nats per token than this is critical and kept. Infinity means that none is critical. @default ln 2 */
	readonly criticalLoss?: number;
	/** Called after each step of a search with its choice. */
	readonly onStep?: (step: SearchStep) => void;
	/** Measures through this meter, so that several searches share what they measured and are counted together. @default one of its own */
	readonly meter?: LossMeter;
}

/** A set to remove. */
export interface FoundSet {
	/** Ascending: i for block i, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	/** Mean loss, nats per token; Infinity if the model broke down. */
	readonly loss: number;
	/** Loss minus that of the original model. */
	readonly addedLoss: number;
}

export interface SearchStep {
	/** Blocks removed after the step. */
	readonly count: number;
	readonly removed: readonly number[];
	readonly addedLoss: number;
	/** Coalitions that the step compared. */
	readonly tried: number;
}

/** A block (or unit) whose removal alone is costly. */
export interface CriticalBlock {
	readonly blocks: readonly number[];
	/** Nats per token added by its removal alone. */
	readonly addedLoss: number;
	/** Nats per token and block beyond which a removal is critical. */
	readonly limit: number;
	/** False if it had to be set free because too few other blocks remained. */
	readonly frozen: boolean;
}

export interface SearchResult {
	/** For example `greedy`, `lazy-greedy`, `leave-one-out`, `contiguous`, `rank-and-cut`, `swap`, `active`. */
	readonly method: string;
	/** Mean loss of the original model, nats per token. */
	readonly originalLoss: number;
	/** The set of each number of removed blocks. A number is missing if units or rules do not allow it. */
	readonly byCount: ReadonlyMap<number, FoundSet>;
	readonly trace: readonly SearchStep[];
	/** Distinct coalitions measured by this search, the original model among them; those that a shared meter knew before do not count. */
	readonly measured: number;
	readonly critical: readonly CriticalBlock[];
	/** Notes for people: what was set free, which sizes were not reached and why. */
	readonly notes: readonly string[];
}

/** A set that is one move larger than another. @internal */
export interface Removal {
	/** Index of the move among {@link Search.moves}; of a pair that is no block of the original, a number beyond them that is its own. */
	readonly move: number;
	/** Blocks' worth that the move removes. */
	readonly length: number;
	readonly coalition: Coalition;
	/** Where it is no whole block. */
	readonly pair?: AdjacentPair;
}
