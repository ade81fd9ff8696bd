import { AlternatingSets } from "../alternating.js";
import { removedFlags } from "../parts.js";
import type { LossFunction, Posterior } from "../predictor.js";
import { Random } from "../random.js";
import { averageOfSizes, type SeenSize } from "./size-average.js";

export interface ShiftedWindowOptions {
	/** Most blocks' worth that will be removed, at least 1. */
	readonly kmax: number;
	readonly seed: number | string;
	/** Blocks that stay as a whole: frozen and critical ones, and those that a rule ties to others. @default none */
	readonly keep?: Iterable<number>;
	/** Backgrounds to average over, in equal shares for 0..kmax-1 removed blocks. @default 200 */
	readonly count?: number;
	/** Games drawn from the posterior, for the errors. @default 10 */
	readonly draws?: number;
	readonly pause?: (() => Promise<void>) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** What a shifted pair contributes. */
export interface ShiftedContribution {
	/** i + 0.5 for the feed-forward part of block i with the attention part of block i + 1. */
	readonly position: number;
	/** Mean of v(S) - v(S without the pair); NaN if no background keeps both parts. */
	readonly value: number;
	/** Covers the surrogate and the sample of backgrounds; NaN if a size has no background that keeps both parts. */
	readonly standardError: number;
}

/**
 * The window semivalue of every shifted pair between two neighbors, by a surrogate over parts: mean over t = 0..kmax-1 of
 * v(S) - v(S without the pair). S lacks t blocks' worth, uniform over the sets with half-block cuts, and has both parts.
 * @throws RangeError for a surrogate over whole blocks, or an option out of range
 */
export async function shiftedContributions(model: Posterior, options: ShiftedWindowOptions): Promise<ShiftedContribution[]> {
	const { kmax, seed, count = 200, draws = 10 } = options;
	if (model.granularity !== "half-block")
		throw new RangeError("shifted pairs need a surrogate over parts: fit it with granularity half-block");
	for (const [name, value, least] of [
		["kmax", kmax, 1],
		["count", count, 1],
		["draws", draws, 0],
	] as const)
		if (!Number.isInteger(value) || value < least) throw new RangeError(`${name} must be an integer of at least ${least}, got ${value}`);
	const random = new Random(seed);
	const keep = new Set(options.keep);
	const positions = Array.from({ length: model.players - 1 }, (_, block) => block + 0.5).filter(
		(position) => !keep.has(position - 0.5) && !keep.has(position + 0.5),
	);
	const over = { positions, backgrounds: backgroundsOf(model.players, options, random, Math.ceil(count / kmax)) };
	const mean = await averages(model, model.mean(), over, options);
	const drawn: ReturnType<typeof averageOfSizes>[][] = [];
	for (let d = 0; d < draws; d++)
		drawn.push(
			await averages(
				model,
				model.draw(() => random.normal()),
				over,
				options,
			),
		);
	return positions.map((position, i) => {
		const { mean: value, variance } = mean[i]!;
		const spread = drawn.reduce((sum, game) => sum + (game[i]!.mean - value) ** 2, 0) / Math.max(1, draws);
		return { position, value, standardError: Math.sqrt(spread + variance) };
	});
}

/** For each number of removed blocks, random sets of removed parts. */
function backgroundsOf(players: number, { kmax, keep }: ShiftedWindowOptions, random: Random, each: number): Uint8Array[][] {
	const stays = new Set(keep);
	const sets = new AlternatingSets(
		players,
		Array.from({ length: players }, (_, block) => block).filter((block) => !stays.has(block)),
	);
	return Array.from({ length: kmax }, (_, size) =>
		Array.from({ length: size === 0 ? 1 : each }, () => sets.draw(size, random)).flatMap((positions) =>
			positions ? [removedFlags(players, positions)] : [],
		),
	);
}

/** One average for each position. */
async function averages(
	model: Posterior,
	loss: LossFunction,
	{ positions, backgrounds }: { readonly positions: readonly number[]; readonly backgrounds: readonly (readonly Uint8Array[])[] },
	{ pause, signal }: ShiftedWindowOptions,
) {
	const seen = positions.map((): SeenSize[] => []);
	for (const [size, sets] of backgrounds.entries()) {
		const marginals = positions.map((): number[] => []);
		for (const removed of sets) {
			const here = model.toValue(loss.of(removed));
			for (const [i, position] of positions.entries()) {
				const first = 2 * position;
				if (removed[first] === 1 || removed[first + 1] === 1) continue;
				removed.fill(1, first, first + 2);
				marginals[i]!.push(here - model.toValue(loss.of(removed)));
				removed.fill(0, first, first + 2);
			}
		}
		for (const [i, values] of marginals.entries()) seen[i]!.push({ values, whole: size === 0 });
		await pause?.();
		signal?.throwIfAborted();
	}
	return seen.map(averageOfSizes);
}
