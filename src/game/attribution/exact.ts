import { Coalition } from "../coalition.js";
import type { Game, BatchOptions } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { disjointMovesOf } from "../moves.js";
import { binomial, subsets } from "../strata.js";
import { type Attribution, perBlock } from "./attribution.js";

export interface ExactOptions extends BatchOptions {
	/** Blocks that are removed together and count as one player. @default each block alone */
	readonly units?: readonly (readonly number[])[];
	/** v of the smallest coalition (no block kept but the frozen ones) in place of a measurement. @default measured */
	readonly emptyValue?: number;
}

/** More players than this would need more than 65,536 measurements. */
export const MAX_EXACT_PLAYERS = 16;

/**
 * Shapley values over all 2^m coalitions of the m movable blocks (or units). They sum to v(all) - v(none).
 * @throws RangeError for more than 16 players, or if the game refuses a coalition
 */
export async function exactShapley(game: Game, options: ExactOptions = {}): Promise<Attribution> {
	return semivalue(game, options, {
		estimator: "shapley",
		settings: {},
		weightsOf: (players) => new Array<number>(players).fill(1 / players),
	});
}

/**
 * The window semivalue: mean marginal contribution over coalitions that miss 1 to `kmax` blocks, every size counting the same.
 * Only coalitions inside the window are measured.
 * @param options.kmax most blocks that will be removed (units, where blocks are tied), 1..players
 * @throws RangeError for a window of more than 65,536 coalitions, or if the game refuses a coalition
 */
export async function exactWindowSemivalue(game: Game, options: ExactOptions & { readonly kmax: number }): Promise<Attribution> {
	const { kmax } = options;
	const weightsOf = (players: number) => {
		if (!Number.isInteger(kmax) || kmax < 1 || kmax > players)
			throw new RangeError(`kmax must be an integer in 1..${players}, got ${kmax}`);
		return Array.from({ length: players }, (_, size) => (size >= players - kmax ? 1 / kmax : 0));
	};
	return semivalue(game, options, { estimator: "window-semivalue", settings: { kmax }, weightsOf });
}

/**
 * The weighted Banzhaf value: every other block is kept with probability 1 - k/players, each on its own.
 * @param options.k number of blocks that will be removed, 0..players
 * @throws as {@link exactShapley}
 */
export async function exactWeightedBanzhaf(game: Game, options: ExactOptions & { readonly k: number }): Promise<Attribution> {
	const { k } = options;
	const weightsOf = (players: number) => {
		if (!(k >= 0 && k <= players)) throw new RangeError(`k must be in 0..${players}, got ${k}`);
		const kept = 1 - k / players;
		return Array.from({ length: players }, (_, size) => binomial(players - 1, size) * kept ** size * (1 - kept) ** (players - 1 - size));
	};
	return semivalue(game, options, { estimator: "weighted-banzhaf", settings: { k }, weightsOf });
}

/** A semivalue: its name, the options, and the weight of every coalition size. */
interface Semivalue {
	readonly estimator: string;
	readonly settings: Record<string, number>;
	readonly weightsOf: (players: number) => number[];
}

/** phi_i = sum over sizes s of w_s * mean of v(S + i) - v(S) over the S of size s without i. */
async function semivalue(game: Game, options: ExactOptions, { estimator, settings, weightsOf }: Semivalue): Promise<Attribution> {
	const moves = disjointMovesOf(game, options.units);
	const weights = weightsOf(moves.length);
	const least = weights.findIndex((weight) => weight !== 0);
	const wanted = coalitionsFrom(moves.length, least);
	const { values, measured } = await measureAll(game, moves, wanted, { phase: `exact ${estimator}`, ...options });
	return {
		estimator,
		contributions: perBlock(game.players, moves, weightedMarginals(values, wanted, weights)),
		scale: "value",
		masks: measured,
		settings: { ...settings, ...(options.emptyValue === undefined ? {} : { emptyValue: options.emptyValue }) },
	};
}

function weightedMarginals(
	values: ReadonlyMap<string, number>,
	coalitions: readonly Coalition[],
	weights: readonly number[],
): Float64Array {
	const players = weights.length;
	const perCoalition = weights.map((weight, size) => weight / binomial(players - 1, size));
	const sums = new Float64Array(players);
	for (const without of coalitions) {
		const weight = perCoalition[without.size] ?? 0;
		if (weight === 0) continue;
		const value = values.get(without.key) as number;
		for (let i = 0; i < players; i++) {
			if (!without.has(i)) sums[i]! += weight * ((values.get(without.with(i).key) as number) - value);
		}
	}
	return sums;
}

/** All coalitions of at least `least` of the players. */
function coalitionsFrom(players: number, least: number): Coalition[] {
	let count = 0;
	for (let size = least; size <= players; size++) count += binomial(players, size);
	if (count > 2 ** MAX_EXACT_PLAYERS) {
		throw new RangeError(
			`${count} coalitions of ${players} players are too many to measure all (at most ${2 ** MAX_EXACT_PLAYERS}); use an estimator`,
		);
	}
	const all = Array.from({ length: players }, (_, i) => i);
	const coalitions: Coalition[] = [];
	for (let removed = 0; removed <= players - least; removed++) {
		for (const subset of subsets(all, removed)) coalitions.push(Coalition.ofRemoved(players, subset));
	}
	return coalitions;
}

/** Values by key of the coalition of moves. */
async function measureAll(game: Game, moves: readonly (readonly number[])[], wanted: readonly Coalition[], options: ExactOptions) {
	const asked = wanted.filter((coalition) => options.emptyValue === undefined || coalition.size > 0);
	const coalitions = asked.map((coalition) =>
		Coalition.ofRemoved(
			game.players,
			coalition.removed().flatMap((move) => moves[move] as readonly number[]),
		),
	);
	const refused = coalitions.find((coalition) => !game.allows(coalition));
	if (refused) throw new RangeError(`the game refuses coalition ${refused}: exact values need all of them; give the tied blocks as units`);
	const meter = new LossMeter(game, options);
	const added = await meter.addedLosses(coalitions);
	const values = new Map(asked.map((coalition, index) => [coalition.key, Math.exp(-(added[index] as number))]));
	if (options.emptyValue !== undefined) values.set(Coalition.empty(moves.length).key, options.emptyValue);
	return { values, measured: meter.measured };
}
