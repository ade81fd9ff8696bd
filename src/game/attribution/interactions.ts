import type { LossFunction, Posterior } from "../predictor.js";
import { Random } from "../random.js";
import { changeOf, checkOverBlocks, drawBackgrounds, moveSpace, type MoveSpace } from "./background.js";
import type { PosteriorOptions } from "./posterior.js";

/** How two blocks (or units) interact. */
export interface PairInteraction {
	/** The first block, if it is a unit. */
	readonly blocks: readonly [number, number];
	/** All blocks of both, if one of them is a unit. */
	readonly units?: readonly [readonly number[], readonly number[]];
	/** What removing both costs beyond the two alone, in log(1 + added loss). Above 0 they are redundant, below 0 they need each other. */
	readonly value: number;
	/** Deviation over drawn games; absent without draws. */
	readonly standardError?: number;
}

/**
 * The mean second difference of every pair of blocks (or units) that may go, over backgrounds of 0..kmax-2 other removed blocks, largest first.
 * @param options `count` backgrounds (default 60) and `draws` (default 10)
 * @throws RangeError for an option out of range
 */
export async function pairInteractions(model: Posterior, options: PosteriorOptions): Promise<PairInteraction[]> {
	const { kmax, seed, count = 60, draws = 10 } = options;
	const { players } = model;
	checkOverBlocks(model);
	const space = moveSpace(players, options);
	const { moves, movable } = space;
	const random = new Random(seed);
	const sets = drawBackgrounds(movable, Math.max(1, kmax - 1), count, random).flatMap((sized) => sized.sets);
	const differences = (loss: LossFunction) => secondDifferences(loss, space, sets, options);
	const mean = await differences(model.mean());
	const drawn: Float64Array[] = [];
	for (let d = 0; d < draws; d++) drawn.push(await differences(model.draw(() => random.normal())));
	const pairs: PairInteraction[] = [];
	for (const j of movable) {
		for (const i of movable) {
			const at = i * moves.length + j;
			if (i >= j || Number.isNaN(mean[at])) continue;
			const value = mean[at] as number;
			const spread = drawn.reduce((sum, values) => sum + ((values[at] as number) - value) ** 2, 0) / Math.max(1, draws);
			const [a, b] = [moves[i] as readonly number[], moves[j] as readonly number[]];
			const units = a.length + b.length > 2 ? { units: [a, b] as const } : {};
			pairs.push({ blocks: [a[0] as number, b[0] as number], ...units, value, ...(draws > 0 ? { standardError: Math.sqrt(spread) } : {}) });
		}
	}
	return pairs.sort((a, b) => b.value - a.value);
}

/** Shape moves x moves; NaN for a pair that no background keeps. */
async function secondDifferences(
	loss: LossFunction,
	{ players, moves, movable }: MoveSpace,
	sets: readonly (readonly number[])[],
	options: PosteriorOptions,
): Promise<Float64Array> {
	const count = moves.length;
	const sums = new Float64Array(count * count);
	const counts = new Float64Array(count * count);
	for (const set of sets) {
		const removed = new Uint8Array(players);
		const gone = new Set(set);
		for (const move of set) for (const block of moves[move] as readonly number[]) removed[block] = 1;
		const alone = Float64Array.from(moves, (move) => changeOf(loss, removed, move));
		for (const i of movable) {
			if (gone.has(i)) continue;
			for (const block of moves[i] as readonly number[]) removed[block] = 1;
			for (const j of movable) {
				if (gone.has(j) || j === i) continue;
				sums[i * count + j]! += changeOf(loss, removed, moves[j] as readonly number[]) - (alone[j] as number);
				counts[i * count + j]! += 1;
			}
			for (const block of moves[i] as readonly number[]) removed[block] = 0;
			await options.pause?.();
			options.signal?.throwIfAborted();
		}
	}
	return sums.map((sum, at) => sum / (counts[at] as number));
}
