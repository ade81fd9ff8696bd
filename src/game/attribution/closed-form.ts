import { binomial } from "../strata.js";
import type { MixedTerms } from "../surrogate/mixed-loss.js";
import type { Attribution } from "./attribution.js";
import { movableBlocks } from "./background.js";

/**
 * A function over sets of removed blocks made of additive, pair and exponential terms, such as Gaussian processes with a Hamming kernel give:
 * sum of `linear` and `pairs` over removed blocks + sum of heights * exp(-sum of `steps` of the blocks in which the set and a center differ).
 */
export type ExponentialGame = Omit<MixedTerms, "parities">;

export interface ClosedFormOptions {
	/** Most blocks that will be removed, 1..blocks that may be removed; with all of them it is the Shapley value. */
	readonly kmax: number;
	/** Blocks that are no players. @default none */
	readonly frozen?: Iterable<number>;
}

/**
 * The window semivalue of such a game without sampling, in log(1 + added loss). An exponential term is a product over blocks, and its mean
 * over all sets of t removed blocks is an elementary symmetric polynomial of what they contribute.
 * @throws RangeError for kmax out of range
 */
export function closedFormContributions(game: ExponentialGame, options: ClosedFormOptions): Attribution {
	const { kmax } = options;
	const { players, linear, pairs } = game;
	const movable = movableBlocks(players, options.frozen ?? [], kmax);
	const chance = movable.length > 1 ? (kmax - 1) / 2 / (movable.length - 1) : 0;
	const contributions = new Float64Array(players).fill(Number.NaN);
	for (const i of movable) {
		let sum = linear[i] as number;
		for (const j of movable) sum += chance * (pairs[i * players + j] as number);
		contributions[i] = sum;
	}
	// Mean over the sets of t of the others, every t counting the same.
	const weights = Float64Array.from({ length: kmax }, (_, t) => 1 / kmax / binomial(movable.length - 1, t));
	const over = { movable, weights };
	for (let m = 0; m < game.heights.length; m++) addCenter(game, m, over, contributions);
	return { estimator: "closed-form-window", contributions, scale: "log-loss", masks: 0, settings: { kmax } };
}

/** Which blocks may be removed, and the weight of a set of t of the others. */
interface Backgrounds {
	readonly movable: readonly number[];
	readonly weights: Float64Array;
}

function addCenter(game: ExponentialGame, m: number, { movable, weights }: Backgrounds, into: Float64Array): void {
	const { players, centers, steps } = game;
	const kmax = weights.length;
	const count = movable.length;
	const gone = (block: number) => centers[m * players + block] === 1;
	const apart = (block: number) => Math.exp(-(steps[block] as number));
	const whenKept = movable.map((block) => (gone(block) ? apart(block) : 1));
	const whenGone = movable.map((block) => (gone(block) ? 1 : apart(block)));
	let height = game.heights[m] as number;
	const free = new Set(movable);
	for (let block = 0; block < players; block++) if (!free.has(block) && gone(block)) height *= apart(block);
	// Polynomials in the number of removed blocks: of the blocks before each one, and of those after it.
	const before = chain(whenKept, whenGone, kmax);
	const after = chain(whenKept.slice().reverse(), whenGone.slice().reverse(), kmax);
	for (let i = 0; i < count; i++) {
		const left = before[i] as Float64Array;
		const right = after[count - 1 - i] as Float64Array;
		let mean = 0;
		for (let s = 0; s < kmax; s++) {
			for (let t = 0; s + t < kmax; t++) mean += (weights[s + t] as number) * (left[s] as number) * (right[t] as number);
		}
		into[movable[i] as number]! += height * ((whenGone[i] as number) - (whenKept[i] as number)) * mean;
	}
}

/** Entry i: coefficients of the product of (kept + gone * z) over the first i blocks, up to z^(kmax - 1). */
function chain(whenKept: readonly number[], whenGone: readonly number[], kmax: number): Float64Array[] {
	const first = new Float64Array(kmax);
	first[0] = 1;
	const list = [first];
	for (let i = 0; i < whenKept.length; i++) {
		const last = list[i] as Float64Array;
		list.push(last.map((value, t) => value * (whenKept[i] as number) + (t > 0 ? (last[t - 1] as number) : 0) * (whenGone[i] as number)));
	}
	return list;
}
