import type { LossFunction, Posterior } from "../predictor.js";
import { Random } from "../random.js";
import { type Attribution, perBlock } from "./attribution.js";
import { type Backgrounds, changeOf, checkOverBlocks, drawBackgrounds, moveSpace, type MoveSpace } from "./background.js";
import { averageOfSizes, type SeenSize } from "./size-average.js";

export interface PosteriorOptions {
	/** Most blocks that will be removed (units, where blocks are tied), 1..those that may be removed. */
	readonly kmax: number;
	readonly seed: number | string;
	/** Blocks that stay in every background: frozen and critical ones. @default none */
	readonly keep?: Iterable<number>;
	/** Blocks that are no players and get NaN. @default none */
	readonly frozen?: Iterable<number>;
	/** Blocks that are removed together and count as one player; they share its contribution. @default each block alone */
	readonly units?: readonly (readonly number[])[] | undefined;
	/** Backgrounds to average over, in equal shares for 0..kmax-1 removed blocks; sizes with few sets are listed completely. @default 600 */
	readonly count?: number;
	/** Games drawn from the posterior, for the intervals. @default 30 */
	readonly draws?: number;
	readonly pause?: (() => Promise<void>) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Contributions with the games they were drawn from, which give intervals and the probability of being among the lowest. */
export interface PosteriorAttribution extends Attribution {
	/** One list per drawn game. */
	readonly drawn: readonly Float64Array[];
}

/**
 * The window semivalue of a surrogate and its uncertainty: mean over t = 0..kmax-1 of v(S) - v(S without i), where S lacks t other
 * blocks, none of them in `keep`. The standard error combines the deviation over drawn games with that of sampling backgrounds.
 * A block in `keep` has its mean over backgrounds too: what its removal would cost on top of them.
 * If `count` is too small for a block to be kept in a background of each size, its mean is over the sizes that have one. Its error is NaN.
 * @throws RangeError for an option out of range
 */
export async function posteriorContributions(model: Posterior, options: PosteriorOptions): Promise<PosteriorAttribution> {
	const { kmax, seed, count = 600, draws = 30 } = options;
	const { players } = model;
	checkOverBlocks(model);
	const space = moveSpace(players, options);
	if (!Number.isInteger(draws) || draws < 0) throw new RangeError(`draws must be a non-negative integer, got ${draws}`);
	const random = new Random(seed);
	const backgrounds = drawBackgrounds(space.movable, kmax, count, random);
	const over = { moves: space.moves, backgrounds };
	const mean = await averageMarginals(model, model.mean(), over, options);
	const drawn: Float64Array[] = [];
	for (let d = 0; d < draws; d++) {
		const game = model.draw(() => random.normal());
		drawn.push((await averageMarginals(model, game, over, options)).means);
	}
	const standardErrors = mean.means.map((center, i) => {
		const spread = drawn.reduce((sum, values) => sum + ((values[i] as number) - center) ** 2, 0) / Math.max(1, draws);
		return Math.sqrt(spread + (mean.variances[i] as number));
	});
	const blocks = (perMove: Float64Array) => perBlock(players, space.moves, perMove);
	return {
		estimator: "posterior-window",
		contributions: blocks(mean.means),
		...(draws > 0 ? { standardErrors: blocks(standardErrors) } : {}),
		scale: "value",
		masks: backgrounds.reduce((sum, { sets }) => sum + sets.length, 0),
		seed,
		settings: { kmax, draws },
		drawn: drawn.map(blocks),
	};
}

/** One number a move: mean over the sizes in which it was kept, and its sampling variance; NaN if a size is missing. */
async function averageMarginals(
	model: Posterior,
	loss: LossFunction,
	{ moves, backgrounds }: Pick<MoveSpace, "moves"> & { readonly backgrounds: readonly Backgrounds[] },
	options: PosteriorOptions,
) {
	const seen = moves.map((): SeenSize[] => []);
	for (const { sets, listed } of backgrounds) {
		const marginals = moves.map((): number[] => []);
		for (const set of sets) {
			const removed = new Uint8Array(model.players);
			for (const move of set) for (const block of moves[move] as readonly number[]) removed[block] = 1;
			// All flips first: some losses compute them together with the value.
			const flips = Float64Array.from(moves, (move) => changeOf(loss, removed, move));
			const here = loss.of(removed);
			const value = model.toValue(here);
			for (const [i, move] of moves.entries()) {
				if (removed[move[0] as number] === 1) continue;
				marginals[i]!.push(value - model.toValue(here + (flips[i] as number)));
			}
		}
		for (const [i, values] of marginals.entries()) seen[i]!.push({ values, whole: listed });
		await options.pause?.();
		options.signal?.throwIfAborted();
	}
	const averages = seen.map(averageOfSizes);
	return { means: Float64Array.from(averages, ({ mean }) => mean), variances: Float64Array.from(averages, ({ variance }) => variance) };
}
