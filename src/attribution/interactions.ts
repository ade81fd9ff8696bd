import type { LossFunction, Posterior } from "../game/predictor.js";
import { Random } from "../game/random.js";
import { drawBackgrounds, movableBlocks } from "./background.js";
import type { PosteriorOptions } from "./posterior.js";

/** How two blocks stand to each other. */
export interface PairInteraction {
	readonly blocks: readonly [number, number];
	/** What losing both costs beyond the two alone, in log(1 + added loss): above 0 they stand in for one another, below 0 they need each other. */
	readonly value: number;
	/** Deviation over drawn games; absent without draws. */
	readonly standardError?: number;
}

/**
 * The mean second difference of every pair of blocks that may go, over backgrounds of 0..kmax-2 other removed blocks, largest first.
 * @param options `count` backgrounds (default 60) and `draws` (default 10)
 * @throws RangeError for an option out of range
 */
export async function pairInteractions(model: Posterior, options: PosteriorOptions): Promise<PairInteraction[]> {
	const { kmax, seed, count = 60, draws = 10 } = options;
	const { players } = model;
	const movable = movableBlocks(players, new Set([...(options.frozen ?? []), ...(options.keep ?? [])]), kmax);
	const random = new Random(seed);
	const sets = drawBackgrounds(movable, Math.max(1, Math.min(kmax, movable.length) - 1), count, random).flatMap((sized) => sized.sets);
	const mean = await secondDifferences(model.mean(), players, movable, sets, options);
	const drawn: Float64Array[] = [];
	for (let d = 0; d < draws; d++)
		drawn.push(
			await secondDifferences(
				model.draw(() => random.normal()),
				players,
				movable,
				sets,
				options,
			),
		);
	const pairs: PairInteraction[] = [];
	for (const j of movable) {
		for (const i of movable) {
			const at = i * players + j;
			if (i >= j || Number.isNaN(mean[at])) continue;
			const value = mean[at] as number;
			const spread = drawn.reduce((sum, values) => sum + ((values[at] as number) - value) ** 2, 0) / Math.max(1, draws);
			pairs.push({ blocks: [i, j], value, ...(draws > 0 ? { standardError: Math.sqrt(spread) } : {}) });
		}
	}
	return pairs.sort((a, b) => b.value - a.value);
}

/** Shape players x players; NaN for a pair that no background leaves whole. */
async function secondDifferences(
	loss: LossFunction,
	players: number,
	movable: readonly number[],
	sets: readonly (readonly number[])[],
	options: PosteriorOptions,
): Promise<Float64Array> {
	const sums = new Float64Array(players * players);
	const counts = new Float64Array(players * players);
	for (const set of sets) {
		const removed = new Uint8Array(players);
		for (const block of set) removed[block] = 1;
		const alone = Float64Array.from({ length: players }, (_, i) => loss.flip(removed, i));
		for (const i of movable) {
			if (removed[i] === 1) continue;
			removed[i] = 1;
			for (const j of movable) {
				if (removed[j] === 1) continue;
				sums[i * players + j]! += loss.flip(removed, j) - (alone[j] as number);
				counts[i * players + j]! += 1;
			}
			removed[i] = 0;
		}
		await options.pause?.();
		options.signal?.throwIfAborted();
	}
	return sums.map((sum, at) => sum / (counts[at] as number));
}
