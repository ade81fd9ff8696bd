// The parts of a report that say how a set was found: blocks, curve, pairs, surrogate.
import { keptParts } from "../../game/parts.js";
import { fewestWindows } from "../../game/sources.js";
import type { Finalist } from "../race/race.js";
import type { Report, ReportBlock, ReportCurve, ReportSurrogate } from "../../report/report-data.js";
import { errorOf } from "./quality.js";
import { finite } from "../../game/statistics.js";
import type { Plan, PlanImportance, PlanSplit } from "../../storage/plan.js";
import { costAt } from "../planning/context.js";
import type { Choices } from "../methods/selection-context.js";
import type { RunFacts } from "./facts.js";
import type { PlanOrigin } from "../planning/origin.js";

type Reasoned = Plan["frozen"];

/** Standard deviations of a normal distribution on either side of the middle 95 % and 90 %. */
const normal95 = 1.95996;
const normal90 = 1.64485;

/** Every block: what became of it, why, and how important it is. */
export function blocksData(parts: {
	readonly blocks: number;
	readonly removed: readonly number[];
	readonly critical: Reasoned;
	readonly frozen: Reasoned;
	readonly importance: readonly PlanImportance[] | undefined;
	readonly shiftedPairs?: Plan["shiftedPairs"];
	readonly origin: PlanOrigin;
}): Report["blocks"] {
	const { removed, critical, frozen, importance = [], shiftedPairs = [], origin } = parts;
	const keeps = keptParts(parts.blocks, removed);
	const reasons = new Map([...critical, ...frozen].map(({ block, reason }) => [block, reason]));
	const never = new Set(frozen.map(({ block }) => block));
	const known = new Map(importance.map((one) => [one.block, one]));
	const stateOf = (block: number): ReportBlock["state"] => {
		const [attention, feedForward] = [keeps[2 * block], keeps[2 * block + 1]];
		if (!attention) return feedForward ? "feed-forward" : "removed";
		if (!feedForward) return "attention";
		return never.has(block) ? "frozen" : reasons.has(block) ? "critical" : "kept";
	};
	const list = Array.from({ length: parts.blocks }, (_, block): ReportBlock => {
		const reason = reasons.get(block);
		const its = known.get(block);
		return {
			...{ block, state: stateOf(block) },
			...(reason === undefined ? {} : { reason }),
			...(its ? { importance: its.value, ...intervalOf(its, origin) } : {}),
		};
	});
	const [first] = importance;
	const { weights } = origin.machine;
	const where = weights === undefined || weights === "own" ? "" : `, on a copy of type ${weights}`;
	const of = origin.granularity?.used === "attention" ? ", of attention parts alone" : "";
	const pairs = shiftedPairs.map(({ removed, added, standardError }) => {
		const { interval } = errorOf(added, standardError, splitWindows(origin.calibration.search));
		return { removed: [...removed], added, ...(interval ? { interval } : {}) };
	});
	return {
		...(first ? { estimator: `${first.estimator}${of}${where}`, unit: first.unit } : {}),
		list,
		...(pairs.length > 0 ? { shiftedPairs: pairs } : {}),
	};
}

/** Errors of single removals are those of a mean over windows; others are deviations of a posterior, or of many draws. */
function intervalOf({ value, standardError, unit }: PlanImportance, { calibration }: PlanOrigin): Pick<ReportBlock, "interval"> {
	if (standardError === undefined) return {};
	if (unit === "nats") {
		const { interval } = errorOf(value, standardError, splitWindows(calibration.search));
		return interval ? { interval } : {};
	}
	return { interval: { low: value - normal95 * standardError, high: value + normal95 * standardError } };
}

/** Windows behind an error on a split. */
function splitWindows(split: PlanSplit | undefined): number {
	return split ? fewestWindows(split.count, split.sources) : 0;
}

/** What every method proposed: its own sets on the text that it searched, and all sets that were raced. */
export function curveData({ choices, decided, metric, sizes, origin, at }: RunFacts, chosen: readonly number[]): ReportCurve {
	const cost = (removed: readonly number[]) => ({ bytes: sizes(removed).bytes, ...(at ? costAt(at, removed) : {}) });
	const windows = splitWindows(origin.calibration.validation);
	const isChosen = (removed: readonly number[]) => removed.length > 0 && removed.join() === chosen.join();
	const start = (loss: number) => ({ removed: [], loss: finite(loss), added: 0, ...cost([]) });
	const raced = new Map<string, Finalist[]>();
	for (const finalist of decided.finalists) raced.set(finalist.method, [...(raced.get(finalist.method) ?? []), finalist]);
	const series: ReportCurve["series"] = [];
	if (choices) {
		const { found } = choices;
		const points = [...found.byCount.values()].map(({ removed, loss, addedLoss }) => ({
			...{ removed: [...removed], loss: finite(loss), added: finite(addedLoss), ...cost(removed) },
		}));
		series.push({ method: found.method, split: "search", points: [start(found.originalLoss), ...bySize(points)] });
	}
	for (const [method, finalists] of raced) {
		const points = finalists.map(({ removed, loss, added, standardError }) => ({
			...{ removed: [...removed], loss: finite(loss), added: finite(added), ...cost(removed) },
			...errorOf(finite(added), standardError === undefined ? undefined : finite(standardError), windows),
			...(isChosen(removed) ? { chosen: true } : {}),
		}));
		series.push({ method, split: "validation", points: [start(decided.race.originalLoss), ...bySize(points)] });
	}
	return { metric, ...(at ? { context: at.context } : {}), series };
}

function bySize<P extends { removed: number[] }>(points: P[]): P[] {
	return points.sort((a, b) => a.removed.length - b.removed.length);
}

/** Pairs of blocks, where a surrogate was asked about them. */
export function interactionsOf(choices: Choices | undefined): Report["interactions"] {
	const pairs = choices?.evidence?.interactions ?? [];
	if (pairs.length === 0) return undefined;
	return pairs.map(({ blocks: [a, b], units, value, standardError }) => ({
		...{ blocks: [a, b] as [number, number], value },
		...(units ? { units: [[...units[0]], [...units[1]]] as [number[], number[]] } : {}),
		...(standardError === undefined ? {} : { standardError }),
	}));
}

/** How good the surrogate was, and its forecasts in nats per token. */
export function surrogateData(choices: Choices | undefined): ReportSurrogate | undefined {
	const surrogate = choices?.surrogate;
	if (!surrogate) return undefined;
	const { name, trainCandidates, heldOutCandidates, r2, spearman, details = {} } = surrogate;
	const { forecasts = [], trusted, beside = { blocks: 0, added: 0 } } = choices.evidence ?? {};
	// The surrogate forecasts log(1 + added loss).
	const added = (forecast: number) => beside.added + Math.expm1(forecast);
	const known = forecasts
		.filter(({ addedLoss }) => Number.isFinite(addedLoss))
		.map(({ coalition, mean, sd, addedLoss }) => ({
			...{ removed: beside.blocks + coalition.removals, forecast: added(mean) },
			...{ low: added(mean - normal90 * sd), high: added(mean + normal90 * sd), measured: beside.added + addedLoss },
		}));
	return {
		...{ name, trainCandidates, heldOutCandidates, r2, spearman, details },
		...(trusted === undefined ? {} : { trusted }),
		...(known.length > 0 ? { forecasts: known } : {}),
	};
}
