import type { Sample } from "../sample.js";
import { average } from "../statistics.js";
import { binomial } from "../strata.js";
import { additiveFit, type FittedSet } from "./additive-fit.js";
import { type Attribution, perBlock } from "./attribution.js";
import { movableBlocks } from "./background.js";

export interface LeastSquaresOptions {
	/** Most blocks that will be removed, 1..blocks that may be removed. */
	readonly kmax: number;
	/** Blocks that are no players; samples without one are left out. @default none */
	readonly frozen?: Iterable<number>;
}

/**
 * The window semivalue by weighted least squares on measured sets, as KernelSHAP does it for the Shapley value.
 * p_s is the semivalue's weight of one coalition of s players. An additive fit that weighs each coalition of size s by p_(s-1) + p_s has
 * exactly the semivalue's differences between players. Their sum follows from windowed efficiency,
 * players / kmax * (1 - mean v at the smallest size). With `kmax` = all players it is the Shapley value.
 * The sets must be uniform inside each size (a window design and all single removals). If a size was not sampled, or the smallest only
 * once, the errors are NaN and a note says so.
 * @param samples measured sets, the original model may be among them
 * @throws RangeError if fewer sets than players are in the window
 */
export function windowLeastSquares(samples: readonly Sample[], options: LeastSquaresOptions): Attribution {
	const { kmax } = options;
	const players = samples[0]?.coalition.players ?? 0;
	const frozen = new Set(options.frozen);
	const movable = movableBlocks(players, frozen, kmax);
	const strata = strataOf(samples, frozen, kmax);
	const rows = weightedSets(movable.length, kmax, strata);
	if (rows.length < movable.length)
		throw new RangeError(`${rows.length} sets in the window are too few for ${movable.length} players; measure at least ${movable.length}`);
	const smallest = (strata.get(kmax) ?? []).map(({ value }) => value);
	// The sum of the values is known otherwise, so only differences of slopes come from the fit: an error that all share does not count.
	const fit = additiveFit(rows, movable, { centered: smallest.length > 0 });
	const fitted = fit.values.reduce((a, b) => a + b, 0);
	const total = smallest.length > 0 ? (movable.length / kmax) * (1 - average(smallest)) : fitted;
	const lacking = lackingSizes(movable.length, kmax, strata);
	const levelError = lacking.length > 0 ? Number.NaN : errorOfMean(smallest, binomial(movable.length, kmax)) / kmax;
	const spread = (perPlayer: ArrayLike<number>) =>
		perBlock(
			players,
			movable.map((block) => [block]),
			perPlayer,
		);
	return {
		estimator: "window-least-squares",
		contributions: spread(fit.values.map((value) => value + (total - fitted) / movable.length)),
		standardErrors: spread(fit.errors.map((error) => Math.hypot(error, levelError))),
		degrees: spread(fit.degrees),
		...(lacking.length > 0 ? { notes: [lackingNote(lacking)] } : {}),
		scale: "value",
		masks: rows.length + 1,
		settings: { kmax },
	};
}

/** Numbers of removed players with too few measured sets for an error. */
function lackingSizes(players: number, kmax: number, strata: ReadonlyMap<number, readonly Sample[]>): number[] {
	const count = (removed: number) => strata.get(removed)?.length ?? 0;
	// The level rests on the smallest size alone, and one set out of several shows no error.
	const least = (removed: number) => (removed === kmax ? Math.min(2, binomial(players, removed)) : 1);
	return Array.from({ length: kmax }, (_, i) => i + 1).filter((removed) => count(removed) < least(removed));
}

function lackingNote(sizes: readonly number[]): string {
	return `too few sets that miss ${sizes.join(", ")} blocks were measured: the contributions rest on the other sizes, and their errors are unknown; raise --max-evaluations`;
}

/** Distinct sets of 1..kmax removed players, by number removed. */
function strataOf(samples: readonly Sample[], frozen: ReadonlySet<number>, kmax: number): Map<number, Sample[]> {
	const strata = new Map<number, Sample[]>();
	for (const sample of new Map(samples.map((s) => [s.coalition.key, s])).values()) {
		const removed = sample.coalition.removed();
		if (removed.length < 1 || removed.length > kmax || removed.some((block) => frozen.has(block))) continue;
		strata.set(removed.length, [...(strata.get(removed.length) ?? []), sample]);
	}
	return strata;
}

/** Each sampled set with its share of the weight of its size. */
function weightedSets(players: number, kmax: number, strata: ReadonlyMap<number, readonly Sample[]>): FittedSet[] {
	const perCoalition = (kept: number) => (kept >= players - kmax && kept < players ? 1 / kmax / binomial(players - 1, kept) : 0);
	return [...strata].flatMap(([removed, list]) => {
		const kept = players - removed;
		const all = binomial(players, removed);
		const weight = ((perCoalition(kept - 1) + perCoalition(kept)) * all) / list.length;
		return list.map(({ coalition, value }) => ({ coalition, value, weight, draws: 1, missing: 1 - list.length / all }));
	});
}

/** Variance of a mean over some of `all` sets; unknown for one set out of several. */
function errorOfMean(values: readonly number[], all: number): number {
	const missing = 1 - values.length / all;
	if (missing <= 0) return 0;
	const center = average(values);
	const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
	return values.length > 1 ? Math.sqrt((missing * squares) / (values.length - 1) / values.length) : Number.NaN;
}
