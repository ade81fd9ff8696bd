// Estimators of contributions that `rank` offers beside the methods that choose sets: they measure sets of a design of their own.
import type { Attribution } from "../../game/attribution/attribution.js";
import { exactShapley, exactWeightedBanzhaf, exactWindowSemivalue, MAX_EXACT_PLAYERS } from "../../game/attribution/exact.js";
import { windowLeastSquares } from "../../game/attribution/least-squares.js";
import { permutationContributions } from "../../game/attribution/permutation.js";
import { commonSetContributions, weightedBanzhafContributions } from "../../game/attribution/sampled.js";
import { InvalidOptionError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import { windowDesign } from "../../game/designs.js";
import type { Game, Measurement } from "../../game/game.js";
import { LossMeter } from "../../game/loss-meter.js";
import { disjointMovesOf, mostMoves } from "../../game/moves.js";
import { Random } from "../../game/random.js";
import { binomial } from "../../game/strata.js";
import type { Estimator } from "../../api/methods.js";
import { Search, type CriticalBlock } from "../../game/search/search.js";
import { reasonedBlocks } from "./critical.js";
import { searchBudget } from "./budget.js";
import type { BudgetSettings } from "../../api/options/settings.js";

/** What an estimator says. */
export interface Estimated {
	readonly attribution: Attribution;
	readonly originalLoss: number;
	/** Blocks that stay in every set but their own: they have no contribution. */
	readonly critical: readonly CriticalBlock[];
	/** Distinct sets measured. */
	readonly masks: number;
	/** Blocks that may go and that no set compared: they have no contribution. */
	readonly unseen: readonly number[];
}

export interface EstimateOptions {
	/** Most blocks that will be removed. */
	readonly kmax: number;
	/** Distinct sets at most. */
	readonly masks: number;
	readonly seed: number;
	readonly units?: readonly (readonly number[])[];
	readonly signal?: AbortSignal | undefined;
}

/** Masks of an estimator where nothing is said: as the effort `thorough`. */
export function estimatorMasks(blocks: number, kmax: number, { maxEvaluations }: Pick<BudgetSettings, "maxEvaluations">): number {
	return searchBudget(blocks, kmax, { maxEvaluations, effort: "thorough" });
}

/**
 * Contributions by one estimator. All but `shapley`, whose definition needs every set, first measure the single removals and keep critical
 * blocks in every further set. Enumerates where the budget holds all sets that the value is made of, else samples.
 * @throws InvalidOptionError for a budget or a model that the estimator cannot do with
 */
export async function estimate(estimator: Estimator, given: Game, options: EstimateOptions): Promise<Estimated> {
	const game = new Counting(given);
	const { units, signal } = options;
	const single = disjointMovesOf(game, units);
	// Before anything is measured; critical blocks that are found then make it fewer.
	checkMasks(estimator, single, estimator === "shapley" ? 1 : single.length + 1, options);
	const meter = new LossMeter(game, { signal });
	const kept = estimator === "shapley" ? [] : await criticalBlocks(game, meter, options);
	const reasons = reasonedBlocks(kept).map(({ block, reason }) => [block, reason] as const);
	const board = new Counting(game, new Map([...game.frozen, ...reasons]));
	const moves = disjointMovesOf(board, units);
	const players = moves.length;
	const kmax = Math.max(1, mostMoves(moves, options.kmax));
	const spent = Math.max(1, game.asked.size);
	checkMasks(estimator, moves, spent, options);
	try {
		const attribution = await estimators[estimator](board, { ...options, kmax, players, meter, spent });
		const unseen = moves.flat().filter((block) => Number.isNaN(attribution.contributions[block]));
		return { attribution, originalLoss: await meter.originalLoss(), critical: kept, masks: game.asked.size, unseen };
	} catch (error) {
		// What the estimators say of options out of range, and of sets that the model's rules forbid.
		if (error instanceof RangeError) throw new InvalidOptionError(`${estimator}: ${error.message}`);
		throw error;
	}
}

/**
 * A budget that an estimator cannot work with is refused.
 * @param spent masks of the original model and the single removals
 * @throws InvalidOptionError that names the least
 */
function checkMasks(estimator: Estimator, moves: readonly (readonly number[])[], spent: number, { kmax, masks }: EstimateOptions): void {
	const window = Math.max(1, mostMoves(moves, kmax));
	const least = fewest[estimator]({ players: moves.length, kmax: window, spent });
	if (masks >= least) return;
	throw new InvalidOptionError(`${estimator} needs at least ${least} evaluations here, has ${masks}: give more --max-evaluations`);
}

/** The fewest masks with which an estimator says anything. */
const fewest: Readonly<Record<Estimator, (given: { players: number; kmax: number; spent: number }) => number>> = {
	shapley: ({ players, spent }) => Math.min(2 ** players, spent + 2 * players),
	"window-semivalue": ({ players, kmax, spent }) => Math.min(allSets(players, kmax) + spent - players - 1, spent + 2 * kmax),
	"weighted-banzhaf": ({ players, spent }) => Math.min(2 ** players + spent - players - 1, spent + players + 1),
	permutation: ({ kmax, spent }) => spent + 2 * kmax,
	"common-sets": ({ spent }) => spent,
	// Two sets of every size beyond the single removals: of fewer the errors are unknown.
	"least-squares": ({ players, kmax, spent }) => Math.min(allSets(players, kmax) + spent - players - 1, spent + 2 * (kmax - 1)),
};

/** Sets that miss at most `kmax` players. */
function allSets(players: number, kmax: number): number {
	return Array.from({ length: kmax + 1 }, (_, removed) => binomial(players, removed)).reduce((a, b) => a + b, 0);
}

async function criticalBlocks(game: Game, meter: LossMeter, { kmax, units, signal }: EstimateOptions): Promise<CriticalBlock[]> {
	const search = await Search.start(game, "single removals", { kmax, meter, signal, ...(units ? { units } : {}) });
	return search.critical().filter(({ frozen }) => frozen);
}

interface Work extends EstimateOptions {
	readonly players: number;
	/** Of the game with critical blocks free. */
	readonly meter: LossMeter;
	/** Distinct sets measured so far. */
	readonly spent: number;
}

const estimators: Readonly<Record<Estimator, (game: Game, work: Work) => Promise<Attribution>>> = {
	shapley: (game, work) => {
		const all = 2 ** work.players;
		return all <= work.masks && work.players <= MAX_EXACT_PLAYERS
			? exactShapley(game, work)
			: permutations(game, { ...work, kmax: work.players });
	},
	"window-semivalue": (game, work) => {
		const { players, kmax, masks, spent } = work;
		const all = allSets(players, kmax);
		// The original model and the single removals are known.
		return all + spent - players - 1 <= masks && all <= 2 ** MAX_EXACT_PLAYERS
			? exactWindowSemivalue(game, work)
			: permutations(game, work);
	},
	"weighted-banzhaf": (game, work) => {
		const { players, kmax, masks, spent } = work;
		const k = Math.min(kmax, players - 1);
		return 2 ** players + spent - players - 1 <= masks && players <= MAX_EXACT_PLAYERS
			? exactWeightedBanzhaf(game, { ...work, k })
			: weightedBanzhafContributions(game, { ...work, masks: masks - spent + 1, k });
	},
	permutation: permutations,
	"common-sets": (game, work) => commonSetContributions(game, { ...work, masks: work.masks - work.spent + work.players + 1 }),
	"least-squares": leastSquares,
};

/** As many walks as the masks hold. */
function permutations(game: Game, work: Work): Promise<Attribution> {
	const walks = Math.floor((work.masks - work.spent) / work.kmax);
	return permutationContributions(game, { ...work, walks });
}

async function leastSquares(game: Game, { kmax, masks, seed, spent, units, signal }: Work): Promise<Attribution> {
	if (units?.length)
		throw new RangeError("this model's rules tie blocks together, but this estimator removes each block alone: take another estimator");
	const frozen = [...game.frozen.keys()];
	const movable = Array.from({ length: game.players }, (_, i) => i).filter((block) => !game.frozen.has(block));
	const singles = movable.map((block) => Coalition.ofRemoved(game.players, [block]));
	const drawn =
		kmax < 2
			? []
			: windowDesign(game, {
					...{ kmin: 2, kmax, count: Math.max(0, masks - spent), random: new Random(seed) },
					exclude: new Set(singles.map(({ key }) => key)),
				});
	const meter = new LossMeter(game, { signal, phase: "least squares" });
	await meter.addedLosses([...singles, ...drawn]);
	return windowLeastSquares(await meter.samples(), { kmax, frozen });
}

/**
 * A game with further frozen blocks that remembers which sets it was asked for. No model runs without any block: that set is worth nothing,
 * which the values that need every set are told without measuring.
 */
class Counting implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	readonly asked = new Set<string>();
	readonly #game: Game;

	constructor(game: Game, frozen: Game["frozen"] = game.frozen) {
		this.players = game.players;
		this.frozen = frozen;
		this.#game = game;
	}

	allows(coalition: Coalition): boolean {
		return coalition.size === 0 || this.#game.allows(coalition);
	}

	async measure(...[coalitions, options]: Parameters<Game["measure"]>): Promise<Measurement[]> {
		const real = coalitions.filter(({ size }) => size > 0);
		for (const { key } of real) this.asked.add(key);
		const measured = (await this.#game.measure(real, options)).values();
		return coalitions.map((coalition) =>
			coalition.size === 0 ? { coalition, losses: Float64Array.of(Number.POSITIVE_INFINITY) } : measured.next().value!,
		);
	}
}
