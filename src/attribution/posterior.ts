import type { LossFunction, Posterior } from "../game/predictor.js";
import { Random } from "../game/random.js";
import type { Attribution } from "./attribution.js";
import { type Backgrounds, drawBackgrounds, movableBlocks } from "./background.js";

export interface PosteriorOptions {
	/** Most blocks that will be removed, 1..blocks that may go. */
	readonly kmax: number;
	readonly seed: number | string;
	/** Blocks that stay in every background: frozen and critical ones. @default none */
	readonly keep?: Iterable<number>;
	/** Blocks that are no players and get NaN. @default none */
	readonly frozen?: Iterable<number>;
	/** Backgrounds to average over, in equal shares of 0..kmax-1 removed blocks; sizes of few are listed whole. @default 600 */
	readonly count?: number;
	/** Games drawn from the posterior, for the intervals. @default 30 */
	readonly draws?: number;
	readonly pause?: (() => Promise<void>) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Contributions with the games they were drawn from: intervals, and chances of being among the lowest, come from these. */
export interface PosteriorAttribution extends Attribution {
	/** One list a drawn game. */
	readonly drawn: readonly Float64Array[];
}

/**
 * The window semivalue of a surrogate and how sure it is: mean over t = 0..kmax-1 of v(S) - v(S without i), where S misses t other
 * blocks, none of them in `keep`. The standard error is the deviation over drawn games, and that of sampling backgrounds.
 * A block in `keep` gets its mean over backgrounds too, which is what its removal would cost on top of them.
 * @throws RangeError for an option out of range
 */
export async function posteriorContributions(model: Posterior, options: PosteriorOptions): Promise<PosteriorAttribution> {
	const { kmax, seed, count = 600, draws = 30 } = options;
	const { players } = model;
	const frozen = new Set(options.frozen);
	const movable = movableBlocks(players, new Set([...frozen, ...(options.keep ?? [])]), kmax);
	if (!Number.isInteger(draws) || draws < 0) throw new RangeError(`draws must be a non-negative integer, got ${draws}`);
	const random = new Random(seed);
	const backgrounds = drawBackgrounds(movable, kmax, count, random);
	const mean = await averageMarginals(model, model.mean(), backgrounds, options);
	const drawn: Float64Array[] = [];
	for (let d = 0; d < draws; d++) {
		const game = model.draw(() => random.normal());
		drawn.push((await averageMarginals(model, game, backgrounds, options)).means);
	}
	const standardErrors = mean.means.map((centre, i) => {
		const spread = drawn.reduce((sum, values) => sum + ((values[i] as number) - centre) ** 2, 0) / Math.max(1, draws);
		return Math.sqrt(spread + (mean.variances[i] as number));
	});
	for (const list of [mean.means, standardErrors, ...drawn]) for (const block of frozen) list[block] = Number.NaN;
	return {
		estimator: "posterior-window",
		contributions: mean.means,
		...(draws > 0 ? { standardErrors } : {}),
		scale: "value",
		masks: backgrounds.reduce((sum, { sets }) => sum + sets.length, 0),
		seed,
		settings: { kmax, draws },
		drawn,
	};
}

async function averageMarginals(model: Posterior, loss: LossFunction, backgrounds: readonly Backgrounds[], options: PosteriorOptions) {
	const { players } = model;
	const means = new Float64Array(players);
	const variances = new Float64Array(players);
	for (const { sets, listed } of backgrounds) {
		const sums = new Float64Array(players);
		const squares = new Float64Array(players);
		const counts = new Float64Array(players);
		for (const set of sets) {
			const removed = new Uint8Array(players);
			for (const block of set) removed[block] = 1;
			// All flips first: some losses find them together with the value.
			const flips = Float64Array.from({ length: players }, (_, i) => loss.flip(removed, i));
			const here = loss.of(removed);
			const value = model.toValue(here);
			for (let i = 0; i < players; i++) {
				if (removed[i] === 1) continue;
				const marginal = value - model.toValue(here + (flips[i] as number));
				sums[i]! += marginal;
				squares[i]! += marginal * marginal;
				counts[i]! += 1;
			}
		}
		for (let i = 0; i < players; i++) {
			const n = counts[i] as number;
			const mean = n > 0 ? (sums[i] as number) / n : 0;
			means[i]! += mean / backgrounds.length;
			if (!listed && n > 1) variances[i]! += Math.max(0, (squares[i] as number) / n - mean * mean) / (n - 1) / backgrounds.length ** 2;
		}
		await options.pause?.();
		options.signal?.throwIfAborted();
	}
	return { means, variances };
}
