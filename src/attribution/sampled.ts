import { Coalition } from "../game/coalition.js";
import type { Game, MeasureOptions } from "../game/game.js";
import { LossMeter } from "../game/loss-meter.js";
import { disjointMovesOf } from "../game/moves.js";
import { Random } from "../game/random.js";
import { type Attribution, perBlock } from "./attribution.js";
import { solveSymmetric } from "./linear.js";

export interface SampledOptions extends MeasureOptions {
	/** Distinct coalitions to measure at most, the full model among them. */
	readonly masks: number;
	readonly seed: number | string;
	/** Blocks that go together and count as one player. @default each block alone */
	readonly units?: readonly (readonly number[])[];
}

/** Draws in vain after which no more are made: the game is small and nearly all its sets are drawn. */
const PATIENCE = 2000;

/**
 * The weighted Banzhaf value by sampling: each player is removed on its own with chance k / players, and the value is the best additive
 * fit under these draws. Repeated draws cost nothing and count as often as they were drawn.
 * @param options.k number of players that will be removed, above 0 and below their number
 * @throws RangeError for an option out of range, or where the game refuses a coalition
 */
export async function weightedBanzhafContributions(game: Game, options: SampledOptions & { readonly k: number }): Promise<Attribution> {
	const { k, masks, seed } = options;
	const moves = disjointMovesOf(game, options.units);
	const players = moves.length;
	if (!(k > 0 && k < players)) throw new RangeError(`k must be above 0 and below ${players}, got ${k}`);
	if (!Number.isInteger(masks) || masks < players + 2)
		throw new RangeError(`masks must be an integer of at least ${players + 2}, got ${masks}`);
	const random = new Random(seed);
	const counts = new Map<string, number>([["1".repeat(players), 0]]);
	for (let idle = 0; counts.size < masks && idle < PATIENCE; ) {
		const key = Array.from({ length: players }, () => (random.uniform() < k / players ? "0" : "1")).join("");
		idle = counts.has(key) ? idle + 1 : 0;
		counts.set(key, (counts.get(key) ?? 0) + 1);
	}
	const drawn = [...counts].filter(([, count]) => count > 0).map(([key, count]) => ({ set: Coalition.parse(key), count }));
	const meter = new LossMeter(game, { phase: "weighted Banzhaf", ...options });
	const values = await valuesOf(
		meter,
		moves,
		drawn.map(({ set }) => set),
	);
	const { slopes, errors } = additiveSlopes(drawn, values, players);
	return {
		estimator: "weighted-banzhaf-sampled",
		contributions: perBlock(game.players, moves, slopes),
		standardErrors: perBlock(game.players, moves, errors),
		scale: "value",
		masks: meter.measured,
		seed,
		settings: { k, drawn: drawn.reduce((sum, { count }) => sum + count, 0) },
	};
}

function additiveSlopes(drawn: readonly { set: Coalition; count: number }[], values: Float64Array, players: number) {
	const size = players + 1;
	const gram = new Float64Array(size * size);
	const moment = new Float64Array(size);
	const active = drawn.map(({ set }) => [0, ...set.kept().map((player) => player + 1)]);
	for (const [r, { count }] of drawn.entries()) {
		for (const p of active[r] as readonly number[]) {
			moment[p]! += count * (values[r] as number);
			for (const q of active[r] as readonly number[]) gram[p * size + q]! += count;
		}
	}
	const { solution, inverse } = solveSymmetric(gram, moment);
	const errors = new Float64Array(players);
	for (const [r, { count }] of drawn.entries()) {
		const features = active[r] as readonly number[];
		const residual = (values[r] as number) - features.reduce((sum, p) => sum + (solution[p] as number), 0);
		for (let i = 0; i < players; i++) {
			const pull = features.reduce((sum, p) => sum + (inverse[(i + 1) * size + p] as number), 0);
			errors[i]! += count * (residual * pull) ** 2;
		}
	}
	return { slopes: solution.slice(1), errors: errors.map(Math.sqrt) };
}

/**
 * The window semivalue from common sets (CMCS): for a random set S all single flips are measured, so that every player's marginal
 * contribution is seen on the same background; players are then compared more exactly than each is known. Backgrounds miss 0 to `kmax`
 * players in turn; a player that S lacks is seen joining it.
 * @param options.kmax most players that will be removed, 1..players
 * @throws RangeError for an option out of range, or where the game refuses a coalition
 */
export async function commonSetContributions(game: Game, options: SampledOptions & { readonly kmax: number }): Promise<Attribution> {
	const { kmax, masks, seed } = options;
	const moves = disjointMovesOf(game, options.units);
	const players = moves.length;
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > players) throw new RangeError(`kmax must be an integer in 1..${players}, got ${kmax}`);
	if (!Number.isInteger(masks) || masks < players + 1)
		throw new RangeError(`masks must be an integer of at least ${players + 1}, got ${masks}`);
	const backgrounds = drawFamilies(players, kmax, masks, new Random(seed));
	const meter = new LossMeter(game, { phase: "common sets", ...options });
	const wanted = new Map(backgrounds.flatMap((set) => familyOf(set, kmax)).map((set) => [set.key, set]));
	const list = [...wanted.values()];
	const measured = await valuesOf(meter, moves, list);
	const values = new Map(list.map((set, i) => [set.key, measured[i] as number]));
	/** Marginals by player and number of other players removed. */
	const seen = Array.from({ length: players }, () => Array.from({ length: kmax }, (): number[] => []));
	const counted = new Set<string>();
	for (const set of backgrounds) {
		const here = values.get(set.key) as number;
		for (let i = 0; i < players; i++) {
			const there = values.get(set.flip(i).key);
			// Two backgrounds that are neighbours see the same step.
			const step = `${set.without(i)} ${i}`;
			if (there === undefined || counted.has(step)) continue;
			counted.add(step);
			const others = players - set.size - (set.has(i) ? 0 : 1);
			seen[i]?.[others]?.push(set.has(i) ? here - there : there - here);
		}
	}
	const estimates = seen.map(estimate);
	return {
		estimator: "common-sets",
		contributions: perBlock(
			game.players,
			moves,
			estimates.map(({ value }) => value),
		),
		standardErrors: perBlock(
			game.players,
			moves,
			estimates.map(({ error }) => error),
		),
		scale: "value",
		masks: meter.measured,
		seed,
		settings: { kmax, families: backgrounds.length },
	};
}

/** Backgrounds as far as their families fit `masks`. */
function drawFamilies(players: number, kmax: number, masks: number, random: Random): Coalition[] {
	const all = Array.from({ length: players }, (_, i) => i);
	const full = Coalition.full(players);
	const chosen = new Map([[full.key, full]]);
	const needed = new Set(familyOf(full, kmax).map((set) => set.key));
	for (let turn = 1, idle = 0; idle < 500; turn++) {
		const set = Coalition.ofRemoved(players, random.sample(all, turn % (kmax + 1)));
		const fresh = familyOf(set, kmax).filter(({ key }) => !needed.has(key));
		if (chosen.has(set.key) || needed.size + fresh.length > masks) {
			idle++;
			continue;
		}
		for (const { key } of fresh) needed.add(key);
		chosen.set(set.key, set);
		idle = 0;
	}
	return [...chosen.values()];
}

function familyOf(set: Coalition, kmax: number): Coalition[] {
	const flips = Array.from({ length: set.players }, (_, i) => set.flip(i));
	return [set, ...flips.filter((flip) => flip.players - flip.size <= kmax)];
}

/** Every size counts the same; one that was not seen is left out. */
function estimate(bySize: readonly (readonly number[])[]): { value: number; error: number } {
	const sizes = bySize.filter((list) => list.length > 0);
	const means = sizes.map((list) => list.reduce((a, b) => a + b, 0) / list.length);
	let variance = 0;
	for (const [s, list] of sizes.entries()) {
		if (list.length > 1) variance += list.reduce((sum, x) => sum + (x - (means[s] as number)) ** 2, 0) / (list.length - 1) / list.length;
	}
	return { value: means.reduce((a, b) => a + b, 0) / means.length, error: Math.sqrt(variance) / means.length };
}

async function valuesOf(meter: LossMeter, moves: readonly (readonly number[])[], sets: readonly Coalition[]): Promise<Float64Array> {
	const { game } = meter;
	const coalitions = sets.map((set) =>
		Coalition.ofRemoved(
			game.players,
			set.removed().flatMap((move) => moves[move] as readonly number[]),
		),
	);
	const refused = coalitions.find((coalition) => !game.allows(coalition));
	if (refused) throw new RangeError(`the game refuses coalition ${refused}; give the tied blocks as units`);
	return (await meter.addedLosses(coalitions)).map((loss) => Math.exp(-loss));
}
