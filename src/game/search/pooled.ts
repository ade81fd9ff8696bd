// What is known of candidates after they were measured on several texts: one estimate of each, with its error. Pure.
import { bySource, type SourceShare } from "../sources.js";
import { average } from "../statistics.js";
import { Cholesky } from "../surrogate/cholesky.js";

/** Candidates on one text, on the same windows. */
export interface PooledText {
	/** One number per window (nats per token), by candidate; undefined for those that were not measured on it. Finite. A single window counts as one with an error of 1 nat. */
	readonly losses: readonly (ArrayLike<number> | undefined)[];
	/** Where the windows come from; without it all windows count alike. */
	readonly sources?: readonly SourceShare[] | undefined;
	/** Standard deviation of what the measurement adds to each candidate by itself, nats per token: of a search on a copy, for example. @default 0 */
	readonly ownError?: number | undefined;
	/** What its precision counts, above 0 and at most 1: less than all where candidates were chosen for what they measured on it. @default 1 */
	readonly trust?: number | undefined;
}

/** What was expected of a candidate before it was measured: nats per token, up to a number that all candidates share. */
export interface ExpectedLoss {
	readonly mean: number;
	/** Above 0. */
	readonly sd: number;
}

/** Candidates as they are known. Only differences mean something: each text has a level of its own. */
export interface Pooled {
	/** Posterior means, nats per token; the least is 0. */
	readonly means: Float64Array;
	/** Index of the least one; the first of those that are as low. */
	readonly best: number;
	/** Standard deviation of the difference between two candidates, nats per token; Infinity if nothing compares them. */
	error(a: number, b: number): number;
}

/**
 * Pools texts and expectations by their precision. The windows of a text are paired: what they add to all candidates drops out, and candidates
 * that go up and down together have a small error of their difference. With few windows the covariance is drawn towards equal and independent errors.
 * @param expected one a candidate; undefined for those of which nothing is expected
 * @throws RangeError for losses that are not finite, or a candidate with another number of windows
 */
export function pool(candidates: number, texts: readonly PooledText[], expected: readonly (ExpectedLoss | undefined)[] = []): Pooled {
	const information = new Float64Array(candidates * candidates);
	const weighted = new Float64Array(candidates);
	const add = (members: readonly number[], values: Float64Array, covariance: Float64Array) =>
		addContrasts({ information, weighted, candidates }, members, values, covariance);
	for (const text of texts) {
		const members = Array.from({ length: candidates }, (_, i) => i).filter((i) => text.losses[i] !== undefined);
		if (members.length < 2) continue;
		const { means, covariance } = meansOf(
			members.map((i) => text.losses[i]!),
			text,
		);
		add(members, means, covariance);
	}
	const known = expected.flatMap((one, i) => (one ? [{ i, ...one }] : []));
	if (known.length > 1) {
		const covariance = new Float64Array(known.length ** 2);
		for (const [at, { sd }] of known.entries()) covariance[at * known.length + at] = sd * sd;
		const members = known.map(({ i }) => i);
		add(
			members,
			Float64Array.from(known, ({ mean }) => mean),
			covariance,
		);
	}
	return solved(information, weighted, candidates);
}

/** Variance that keeps what is never apart from being known without an error, nats² per token². */
const LEAST_VARIANCE = 1e-12;
/** Information of the level and of what nothing compares, which no difference of compared candidates depends on. */
const FAINT = 1e-9;

interface Sums {
	readonly information: Float64Array;
	readonly weighted: Float64Array;
	readonly candidates: number;
}

/** Adds what values say about differences: the precision without the direction in which all go up together. */
function addContrasts(
	{ information, weighted, candidates }: Sums,
	members: readonly number[],
	values: Float64Array,
	covariance: Float64Array,
): void {
	const size = members.length;
	const factor = new Cholesky(covariance, size);
	const columns = members.map((_, j) => factor.solve(Float64Array.from(members, (_, i) => (i === j ? 1 : 0))));
	const level = factor.solve(new Float64Array(size).fill(1));
	const total = level.reduce((sum, x) => sum + x, 0);
	for (let i = 0; i < size; i++) {
		for (let j = 0; j < size; j++) {
			const precision = columns[j]![i]! - (level[i]! * level[j]!) / total;
			information[members[i]! * candidates + members[j]!]! += precision;
			weighted[members[i]!]! += precision * values[j]!;
		}
	}
}

/** Mean of each candidate, and the covariance of the means without what the windows share. */
function meansOf(losses: readonly ArrayLike<number>[], { sources, ownError = 0, trust = 1 }: PooledText) {
	const size = losses.length;
	const windows = losses[0]!.length;
	const rows = losses.map((values) => Float64Array.from(values));
	if (rows.some((row) => row.length !== windows || !row.every(Number.isFinite)))
		throw new RangeError(
			`candidates must have finite losses on the same ${windows} windows of a text: leave out those that break the model`,
		);
	const shares = sources ?? [{ name: "", count: windows, weight: 1 }];
	const total = shares.reduce((sum, { weight }) => sum + weight, 0);
	const means = new Float64Array(size);
	const covariance = new Float64Array(size * size);
	for (const [s, { count, weight }] of shares.entries()) {
		const own = rows.map((row) => bySource(row, shares)[s]!);
		const share = weight / total;
		for (const [i, values] of own.entries()) means[i]! += share * average(values);
		const spread = residualCovariance(own);
		for (let at = 0; at < covariance.length; at++) covariance[at]! += (share ** 2 * spread[at]!) / count;
	}
	for (let i = 0; i < size; i++) covariance[i * size + i]! += ownError ** 2 + LEAST_VARIANCE;
	return { means, covariance: covariance.map((x) => x / trust) };
}

/**
 * Covariance of a window's losses after each window's mean over the candidates is taken off. As many windows' worth of the same variance for all,
 * independent, are mixed in as there are candidates: a covariance of few windows has directions of no variance, by chance.
 */
function residualCovariance(rows: readonly Float64Array[]): Float64Array {
	const size = rows.length;
	const windows = rows[0]!.length;
	const centers = rows.map(average);
	const residuals = rows.map((row, i) => row.map((x) => x - centers[i]!));
	for (let w = 0; w < windows; w++) {
		const shared = residuals.reduce((sum, row) => sum + row[w]!, 0) / size;
		for (const row of residuals) row[w]! -= shared;
	}
	const sums = new Float64Array(size * size);
	for (let i = 0; i < size; i++)
		for (let j = 0; j < size; j++) sums[i * size + j] = residuals[i]!.reduce((sum, x, w) => sum + x * residuals[j]![w]!, 0);
	const degrees = windows - 1;
	const trace = residuals.reduce((sum, _, i) => sum + sums[i * size + i]!, 0);
	// Taking a window's mean off takes one candidate's worth of variance.
	const variance = degrees > 0 ? trace / (degrees * (size - 1)) : 1;
	const spread = sums.map((sum) => sum / (degrees + size));
	for (let i = 0; i < size; i++) spread[i * size + i]! += (variance * size) / (degrees + size);
	return spread;
}

function solved(information: Float64Array, weighted: Float64Array, candidates: number): Pooled {
	const scale = Math.max(1, ...Array.from({ length: candidates }, (_, i) => information[i * candidates + i]!));
	const full = information.slice();
	for (let i = 0; i < candidates; i++) full[i * candidates + i]! += FAINT * scale;
	const factor = new Cholesky(full, candidates);
	const inverse = Array.from({ length: candidates }, (_, j) =>
		factor.solve(Float64Array.from({ length: candidates }, (_, i) => (i === j ? 1 : 0))),
	);
	const raw = factor.solve(weighted);
	const best = raw.reduce((least, x, i) => (x < raw[least]! ? i : least), 0);
	const means = raw.map((x) => x - raw[best]!);
	const isKnown = (i: number) => candidates === 1 || information[i * candidates + i]! > 0;
	return {
		means,
		best,
		error: (a, b) => {
			if (a === b) return 0;
			if (!isKnown(a) || !isKnown(b)) return Number.POSITIVE_INFINITY;
			return Math.sqrt(Math.max(0, inverse[a]![a]! + inverse[b]![b]! - 2 * inverse[a]![b]!));
		},
	};
}
