import { Coalition } from "../coalition.js";
import type { Game, BatchOptions } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { disjointMovesOf } from "../moves.js";
import { Random } from "../random.js";
import { binomial } from "../strata.js";
import { additiveFit } from "./additive-fit.js";
import { type Attribution, perBlock, shiftedGames } from "./attribution.js";
import { averageOfSizes } from "./size-average.js";

export interface SampledOptions extends BatchOptions {
	/** Most distinct coalitions to measure, the original model among them. */
	readonly masks: number;
	readonly seed: number | string;
	/** Blocks that are removed together and count as one player. @default each block alone */
	readonly units?: readonly (readonly number[])[];
}

/** Draws without a new set after which drawing ends: the game is small and nearly all its sets are drawn. */
const PATIENCE = 2000;

/**
 * The weighted Banzhaf value by sampling: each player is removed independently with probability k / players, and the value is the best
 * additive fit under these draws. Repeated draws cost nothing and count as often as they were drawn. An error is NaN if a single set decides it.
 * @param options.k number of players that will be removed, above 0 and below their number
 * @throws RangeError for an option out of range, or if the game refuses a coalition
 */
export async function weightedBanzhafContributions(game: Game, options: SampledOptions & { readonly k: number }): Promise<Attribution> {
	const { k, masks, seed } = options;
	const moves = disjointMovesOf(game, options.units);
	const players = moves.length;
	if (!(k > 0 && k < players)) throw new RangeError(`k must be above 0 and below ${players}, got ${k}`);
	if (!Number.isInteger(masks) || masks < players + 2)
		throw new RangeError(`the evaluations must be an integer of at least ${players + 2}, got ${masks}`);
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
	const fit = additiveFit(
		drawn.map(({ set, count }, at) => ({ coalition: set, value: values[at] as number, weight: 1, draws: count, missing: 1 })),
		Array.from({ length: players }, (_, i) => i),
	);
	const unknown = fit.errors.filter(Number.isNaN).length;
	return {
		estimator: "weighted-banzhaf-sampled",
		contributions: perBlock(game.players, moves, fit.values),
		standardErrors: perBlock(game.players, moves, fit.errors),
		degrees: perBlock(game.players, moves, fit.degrees, false),
		...(unknown > 0
			? { notes: [`${unknown} of ${players} contributions have an unknown error, since single sets decide them: raise --max-evaluations`] }
			: {}),
		scale: "value",
		masks: meter.measured,
		seed,
		settings: { k, drawn: drawn.reduce((sum, { count }) => sum + count, 0) },
	};
}

/**
 * The window semivalue from common sets (CMCS): all single flips of a random set S are measured, so that every player's marginal
 * contribution is seen on the same background. Differences between players are then more exact than each value. Backgrounds lack 0 to `kmax`
 * players in turn; a player that S lacks is seen joining it.
 * @param options.kmax most players that will be removed, 1..players
 * @throws RangeError for an option out of range, or if the game refuses a coalition
 */
export async function commonSetContributions(game: Game, options: SampledOptions & { readonly kmax: number }): Promise<Attribution> {
	const { kmax, masks, seed } = options;
	const moves = disjointMovesOf(game, options.units);
	const players = moves.length;
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > players) throw new RangeError(`kmax must be an integer in 1..${players}, got ${kmax}`);
	if (!Number.isInteger(masks) || masks < players + 1)
		throw new RangeError(`the evaluations must be an integer of at least ${players + 1}, got ${masks}`);
	const backgrounds = drawFamilies(players, kmax, masks, new Random(seed));
	const meter = new LossMeter(game, { phase: "common sets", ...options });
	const wanted = new Map(backgrounds.flatMap((set) => familyOf(set, kmax)).map((set) => [set.key, set]));
	const list = [...wanted.values()];
	const measured = await valuesOf(meter, moves, list);
	const seen = marginalsOf(backgrounds, new Map(list.map((set, i) => [set.key, measured[i] as number])), kmax);
	const estimates = seen.map((bySize) => estimate(bySize, players));
	const notes = unseenNote(seen);
	const blocks = (of: (estimate: Estimate) => number) => perBlock(game.players, moves, estimates.map(of));
	const contributions = blocks(({ value }) => value);
	// A background affects one player's marginal much as it affects those of the others.
	const shifts = backgrounds.map((_, family) => blocks(({ shifts }) => shifts.get(family) ?? 0));
	const degrees = estimates.map(({ degrees }) => degrees);
	return {
		estimator: "common-sets",
		contributions,
		standardErrors: blocks(({ error }) => error),
		degrees: perBlock(game.players, moves, degrees, false),
		drawn: shiftedGames(contributions, shifts),
		...(notes.length > 0 ? { notes } : {}),
		scale: "value",
		masks: meter.measured,
		seed,
		settings: { kmax, families: backgrounds.length },
	};
}

/** As many backgrounds as have families that fit `masks`. */
function drawFamilies(players: number, kmax: number, masks: number, random: Random): Coalition[] {
	const sizes = spreadSizes(kmax);
	const all = Array.from({ length: players }, (_, i) => i);
	const full = Coalition.full(players);
	const chosen = new Map([[full.key, full]]);
	const needed = new Set(familyOf(full, kmax).map((set) => set.key));
	for (let turn = 1, idle = 0; idle < 500; turn++) {
		const set = Coalition.ofRemoved(players, random.sample(all, sizes[turn % sizes.length] as number));
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

/** 0 to `kmax`, ordered so that any first part of them covers the window: few coalitions would otherwise miss the deep sets. */
function spreadSizes(kmax: number): number[] {
	const bits = Math.ceil(Math.log2(kmax + 1));
	const reversed = (i: number) => Array.from({ length: bits }, (_, bit) => ((i >> bit) & 1) << (bits - 1 - bit)).reduce((a, b) => a + b, 0);
	return Array.from({ length: 2 ** bits }, (_, i) => reversed(i)).filter((size) => size <= kmax);
}

function familyOf(set: Coalition, kmax: number): Coalition[] {
	const flips = Array.from({ length: set.players }, (_, i) => set.flip(i));
	return [set, ...flips.filter((flip) => flip.players - flip.size <= kmax)];
}

interface Marginal {
	readonly value: number;
	/** Number of the background that shows it. */
	readonly family: number;
}

interface Estimate {
	readonly value: number;
	readonly error: number;
	readonly degrees: number;
	/** How far each family moves the value. The squares sum to the part of the squared error that shows in sizes seen more than once. */
	readonly shifts: ReadonlyMap<number, number>;
}

/**
 * Marginals by player and number of other players removed, each seen once: two neighboring backgrounds share a step.
 * @param values by coalition
 */
function marginalsOf(backgrounds: readonly Coalition[], values: ReadonlyMap<string, number>, kmax: number): Marginal[][][] {
	const players = backgrounds[0]!.players;
	const seen = Array.from({ length: players }, () => Array.from({ length: kmax }, (): Marginal[] => []));
	const counted = new Set<string>();
	for (const [family, set] of backgrounds.entries()) {
		const here = values.get(set.key) as number;
		for (let i = 0; i < players; i++) {
			const there = values.get(set.flip(i).key);
			const step = `${set.without(i)} ${i}`;
			if (there === undefined || counted.has(step)) continue;
			counted.add(step);
			const others = players - set.size - (set.has(i) ? 0 : 1);
			seen[i]?.[others]?.push({ value: set.has(i) ? here - there : there - here, family });
		}
	}
	return seen;
}

/** Average of one player; a size of which every set was seen has no error. */
function estimate(bySize: readonly (readonly Marginal[])[], players: number): Estimate {
	const seen = bySize.map((list, others) => ({
		values: list.map(({ value }) => value),
		whole: list.length >= binomial(players - 1, others),
	}));
	const { mean, variance, degrees, means, sizes } = averageOfSizes(seen);
	const shifts = new Map<number, number>();
	for (const [others, list] of bySize.entries()) {
		if (list.length < 2 || seen[others]!.whole) continue;
		const share = 1 / Math.sqrt(list.length * (list.length - 1)) / sizes;
		for (const { value, family } of list) shifts.set(family, (shifts.get(family) ?? 0) + share * (value - (means[others] as number)));
	}
	return { value: mean, error: Math.sqrt(variance), degrees, shifts };
}

/** What the measured coalitions lack. */
function unseenNote(seen: readonly (readonly (readonly Marginal[])[])[]): string[] {
	const lacking = seen.filter((bySize) => bySize.some((list) => list.length === 0)).length;
	if (lacking === 0) return [];
	const never = seen[0]!.flatMap((_, others) => (seen.every((bySize) => bySize[others]!.length === 0) ? [others] : []));
	const what =
		never.length > 0 ? `no sets without ${never.join(", ")} others were measured` : "not every block was measured in sets of every size";
	return [
		`${what}: the contributions are means over the measured sizes, and ${lacking} of ${seen.length} have an unknown error; raise --max-evaluations`,
	];
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
