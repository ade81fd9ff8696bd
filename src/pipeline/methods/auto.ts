// The automatic method on the search split of a session.
import { setImmediate } from "node:timers/promises";
import { ranking } from "../../game/attribution/attribution.js";
import { Coalition } from "../../game/coalition.js";
import type { Game } from "../../game/game.js";
import { auto, type SurrogateReport, WHOLE_SHARE } from "../../game/search/auto-method.js";
import { nearHalves, nearRivals } from "../../game/search/rivals.js";
import { logger } from "../../api/logger.js";
import type { ShiftedPairImportance } from "../../api/measure.js";
import type { ShiftedContribution } from "../../game/attribution/shifted-window.js";
import { timeLimit } from "../../game/search/time-limit.js";
import type { PlanSurrogate } from "../../storage/plan.js";
import type { Judgement } from "../../game/surrogate/judge.js";
import type { Choices, SelectionContext } from "./selection-context.js";
import { effortOf, racedRuns, racedSets, searchBudget } from "./budget.js";

/** Tied sets of each size below the asked ones that are measured where a verdict names fewer blocks. */
const SMALLER = 4;

/** Sets for every size by the surrogate's active search, its contributions and how good it was. */
export async function chooseAuto({ session, game, search, counts, options, ranking: asked }: SelectionContext): Promise<Choices> {
	const budget = searchBudget(game.players, search.kmax, options, session.tokens.search);
	const log = logger(options);
	const half = options.granularity === "half-block";
	const within = (seconds: number | undefined) =>
		timeLimit(
			seconds,
			() => session.secondsPerMask,
			() => performance.now() / 1000,
		);
	const { maxTime } = options;
	const result = await session.timed("search", () =>
		auto(game, {
			...search,
			budget,
			seed: session.seed,
			counts,
			...(effortOf(options) === "thorough" ? { patience: 0 } : {}),
			...within(half && maxTime !== undefined ? WHOLE_SHARE * maxTime : maxTime),
			halves: within(maxTime),
			shiftedContributions: asked,
			pause: () => setImmediate(),
			onBatch: ({ phase, measured }) => log("debug", `${phase}: ${measured} candidates`),
		}),
	);
	const { found, contributions, surrogate, interactions, halfBlocks, shifted } = result;
	const singles = await session.singleRemovals(found.originalLoss, options.signal, game);
	const raced = racedSets(effortOf(options), { sizes: counts.length, limited: maxTime !== undefined });
	// The verdict may name smaller sizes: the best few of each are enough.
	const tied = [...found.tied]
		.flatMap(([size, sets]) => sets.slice(0, counts.includes(size) ? raced : SMALLER))
		.map(({ removed }) => ({ removed: [...removed], method: "auto" }));
	return {
		found: { ...found, notes: [...found.notes, ...distrust(surrogate)] },
		rivals: [
			...tied,
			...nearRivals(game, found, counts, racedRuns(effortOf(options), { sizes: counts.length, granularity: options.granularity })),
			...(halfBlocks ? nearHalves(found, halfBlocks, counts) : []),
			// If a rule ties blocks, they have no contribution alone: a search that was stopped early has only these.
			...found.ranked
				.filter((removed) => !found.byCount.has(removed.length))
				.map((removed) => ({ removed: [...removed], method: "leave-one-out" })),
			...rankedByContribution(game, found, counts, { order: ranking(singles.contributions), method: "leave-one-out" }),
		],
		contributions: contributions ?? singles,
		masks: found.measured + (halfBlocks?.measured ?? 0),
		evidence: { interactions, forecasts: found.forecasts, trusted: found.trusted },
		...(shifted ? { shiftedImportance: shifted.flatMap(importanceOf) } : {}),
		...planSurrogate(surrogate),
	};
}

function importanceOf({ position, value, standardError }: ShiftedContribution): ShiftedPairImportance[] {
	if (!Number.isFinite(value)) return [];
	return [{ removed: [position], value, unit: "value", ...(Number.isFinite(standardError) ? { standardError } : {}) }];
}

function distrust(surrogate: SurrogateReport | undefined): string[] {
	if (surrogate?.trusted !== false) return [];
	const rank = surrogate.decisions?.within.spearman;
	const measured = rank === undefined || Number.isNaN(rank) ? "" : ` (Spearman ${rank.toFixed(2)})`;
	return [`predictions near the best candidates were too poor${measured}, so the search measured single exchanges instead`];
}

/** By random masks of all sizes, or where the budget left room for too few of these by the masks that a choice depends on. */
function planSurrogate(surrogate: SurrogateReport | undefined): Pick<Choices, "surrogate"> {
	const judgement = surrogate?.random ?? surrogate?.decisions;
	if (!judgement) return {};
	const details = { spearmanOfDecisions: surrogate!.decisions?.within.spearman };
	return { surrogate: surrogateOf(surrogate!.name, surrogate!.trainCandidates, judgement, details) };
}

/**
 * The sets that a ranking would cut, of the sizes found and of those asked for, which a small budget may not have come to: they cost no
 * search mask, and are at times better on unseen text.
 */
export function rankedByContribution(
	game: Pick<Game, "players" | "allows">,
	found: Choices["found"],
	counts: readonly number[],
	{ order, method }: { readonly order: readonly number[]; readonly method: string },
): Choices["rivals"] {
	const frozen = new Set(found.critical.filter((block) => block.frozen).flatMap((block) => block.blocks));
	const free = order.filter((block) => !frozen.has(block));
	return [...new Set([...found.byCount.keys(), ...counts])]
		.map((size) => ({ size, removed: free.slice(0, size).sort((a, b) => a - b), method }))
		.filter(({ size, removed }) => removed.length === size && game.allows(Coalition.ofRemoved(game.players, removed)))
		.map(({ removed }) => ({ removed, method }));
}

/** What a plan says of a surrogate. */
export function surrogateOf(
	name: string,
	trainCandidates: number,
	judgement: Judgement,
	details: Readonly<Record<string, number | undefined>>,
): PlanSurrogate {
	const all: Record<string, number | undefined> = {
		r2WithinStrata: judgement.within.r2,
		spearmanWithinStrata: judgement.within.spearman,
		stratumMeanR2: judgement.baselines.stratumMean.r2,
		stratumMeanSpearman: judgement.baselines.stratumMean.spearman,
		criticalKeptR2: judgement.baselines.criticalKept?.r2,
		criticalKeptSpearman: judgement.baselines.criticalKept?.spearman,
		coverage90: judgement.coverage90,
		...details,
	};
	const known = Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, Number.isFinite(value) ? value : null]]));
	return {
		name,
		trainCandidates,
		heldOutCandidates: judgement.masks,
		r2: Number.isFinite(judgement.r2) ? judgement.r2 : null,
		spearman: Number.isFinite(judgement.spearman) ? judgement.spearman : null,
		details: Object.fromEntries(known),
	};
}
