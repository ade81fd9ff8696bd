// How much is measured by how much was asked for.
import type { Effort } from "../../api/index.js";
import { factsOf, type Method } from "../../api/methods.js";
import { HALF_SHARE } from "../../game/search/auto-method.js";
import { RACED_HALVES } from "../../game/search/rivals.js";
import { TIED_SETS } from "../../game/search/tied.js";
import { defaultWindowLength, defaultWindows } from "../session/calibration-windows.js";
import type { BudgetSettings, EffortSettings } from "../../api/options/settings.js";

/** Masks that an effort spends, by the number of blocks and how many of them go at most. Lazy greedy alone takes about `blocks + 8 kmax`. */
const budgets: Readonly<Record<Effort, (blocks: number, kmax: number) => number>> = {
	quick: (blocks, kmax) => Math.max(40, blocks + 6 * kmax),
	standard: (blocks, kmax) => Math.max(100, 2 * blocks + 8 * kmax),
	thorough: (blocks) => Math.max(300, Math.min(800, 26 * blocks)),
};

/**
 * Masks beside those of whole blocks, where an effort says how many. Attention parts are measured on longer windows, of twice as many
 * tokens: half as many masks as with half-block cuts take as many tokens as those.
 */
const shareOf = (granularity: BudgetSettings["granularity"] = "block") =>
	({ block: 1, "half-block": 1 + HALF_SHARE, attention: (1 + HALF_SHARE) / 2 })[granularity];

/** Tied sets of each size that are raced at most where there are several sizes, as for a curve, or the time is limited. */
const RACED_OF_EACH = 8;

/**
 * Most sets of one size, its own among them, that the race decides between if they are tied in the search. The best set that a search has measured is
 * often not its own: in replays of made-up games sixteen finalists, the best four of them on further text, had a fifth less regret than four that all got it
 * (docs/research/decisions.md).
 */
export function racedSets(effort: Effort, { sizes, limited }: { readonly sizes: number; readonly limited: boolean }): number {
	const most = { quick: 4, standard: TIED_SETS, thorough: TIED_SETS }[effort];
	return sizes > 1 || limited ? Math.min(most, RACED_OF_EACH) : most;
}

/**
 * Runs of neighboring blocks that race in any case. A search of few candidates may not have measured one, and its own best set looks better on the
 * searched text than it is: without them three of eight runs on SmolLM2 took sets that are 0.02 to 0.16 nats worse on other text of the model's own
 * (docs/research/decisions.md). Attention parts have no such runs.
 */
export function racedRuns(
	effort: Effort,
	{ sizes, granularity = "block" }: Pick<BudgetSettings, "granularity"> & { readonly sizes: number },
): number {
	return sizes > 1 || effort === "quick" || granularity === "attention" ? 0 : 3;
}

/**
 * Sets of each size that a method's race holds at most; of auto greedy's, runs of neighbors and leave-one-out's beside its own. With
 * half-block cuts the best ones of auto, and of other methods leave-one-out's and the best set of whole blocks.
 */
export function raceField(
	method: Method,
	{
		effort,
		sizes,
		limited = false,
		granularity = "block",
	}: Pick<BudgetSettings, "granularity"> & { readonly effort: Effort; readonly sizes: number; readonly limited?: boolean },
): number {
	const runs = Math.max(1, racedRuns(effort, { sizes, granularity }));
	if (method === "auto") return racedSets(effort, { sizes, limited }) + 2 + runs + (granularity === "half-block" ? RACED_HALVES : 0);
	if (granularity === "half-block") return 3;
	return factsOf(method).raced ? 2 : 1;
}

/**
 * Masks that a method measures at most that takes any number: auto, swap, evolutionary, random. Time or tokens that are given alone are
 * meant to be spent: as the effort `thorough`.
 * @param kmax most blocks that go
 * @param tokens that a mask runs; those of the windows where it is not given
 */
export function searchBudget(blocks: number, kmax: number, options: BudgetSettings, tokens?: number): number {
	const { granularity, maxEvaluations } = options;
	const limit = evaluationLimit(options, tokens);
	return maxEvaluations === undefined
		? Math.min(limit, Math.round(shareOf(granularity) * budgets[effortOf(options)](blocks, kmax)))
		: limit;
}

/** Evaluations that are allowed at most; Infinity if nothing limits them. @param tokens as in {@link searchBudget} */
export function evaluationLimit(
	{ maxEvaluations = Number.POSITIVE_INFINITY, maxTokens, windows = defaultWindows, windowLength = defaultWindowLength }: BudgetSettings,
	tokens = windows * windowLength,
): number {
	return maxTokens === undefined ? maxEvaluations : Math.min(maxEvaluations, Math.floor(maxTokens / tokens));
}

/** Time or tokens that are given alone are meant to be spent. */
export function effortOf({ effort, maxTime, maxTokens }: EffortSettings): Effort {
	return effort ?? ((maxTime ?? maxTokens) === undefined ? "standard" : "thorough");
}
