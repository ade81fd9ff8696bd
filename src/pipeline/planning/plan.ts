import { basename } from "node:path";
import type { BlockImportance, JobOptions, ShiftedPairCost } from "../../api/index.js";
import type { Attribution } from "../../game/attribution/attribution.js";
import { metricFigures, textFigures } from "./figures.js";
import type { Finalist, Race } from "../race/race.js";
import type { Standing } from "../race/standing.js";
import type { Session } from "../session/session.js";
import { finite } from "../../game/statistics.js";
import { type ImportanceUnit, PLAN_FORMAT, PLAN_VERSION, type Plan, parsePlan } from "../../storage/plan.js";
import { reasonedBlocks } from "../methods/critical.js";
import type { Choices } from "../methods/selection-context.js";
import { amountsOf } from "../../notation.js";
import { planOrigin } from "./origin.js";
import type { AskedSettings, MetricSettings } from "../../api/options/settings.js";

/** What making a plan reads. */
export type PlanningSettings = AskedSettings & Pick<MetricSettings, "questions"> & JobOptions;

/** What a plan is of. */
export interface PlanParts {
	readonly output: string | undefined;
	readonly chosen: Finalist;
	/** What a method found, where one searched. */
	readonly choices: Choices | undefined;
	readonly decided: Standing;
}

/** Writes down what was decided, why, and what it cost. Measures the chosen set and the original model on every split. */
export async function makePlan(
	session: Session,
	{ output, chosen, choices, decided }: PlanParts,
	options: PlanningSettings,
): Promise<Plan> {
	const { disagreements } = decided.race;
	const { model } = session;
	const { blocks } = model.facts;
	const origin = planOrigin(session, output, options.asked, choices?.granularity);
	const losses = await textFigures(session, chosen.removed, options);
	const metric = await metricFigures(session, chosen.removed, options);
	return parsePlan({
		format: PLAN_FORMAT,
		version: PLAN_VERSION,
		created: new Date().toISOString(),
		model: { name: basename(model.path), sha256: session.sha256, architecture: model.facts.architecture, blocks },
		removed: [...chosen.removed],
		kept: blocks - amountsOf(chosen.removed).blocks,
		method: chosen.method,
		options: origin.options,
		seed: origin.seed,
		calibration: origin.calibration,
		losses,
		...(metric ? { metric } : {}),
		...(disagreements.length > 0 ? { disagreements: planDisagreements(disagreements) } : {}),
		...(choices?.contributions ? { importance: importanceOf(choices.contributions) } : {}),
		...(choices?.shiftedPairs?.length ? { shiftedPairs: shiftedPairsOf(choices.shiftedPairs) } : {}),
		...(choices?.surrogate ? { surrogate: choices.surrogate } : {}),
		critical: reasonedBlocks(choices?.found.critical ?? [], choices?.attentions, session.metric),
		frozen: [...model.blocks.frozen].map(([block, reason]) => ({ block, reason })),
		alternatives: alternativesOf(choices, decided),
		...raceFacts(session, decided),
		...(chosen.tied ? { tied: chosen.tied.map((set) => ({ ...set, removed: [...set.removed] })) } : {}),
		versions: origin.versions,
		backend: origin.backend,
		machine: origin.machine,
		timings: { ...session.timings },
		command: origin.command,
	});
}

/** What decided between sets of the same size; nothing where there were no two. */
function raceFacts({ races }: Session, { race: { further, byDivergence }, winners, finalists }: Standing): Pick<Plan, "finalComparison"> {
	const sizeOfSet = new Map(finalists.map(({ removed }) => [removed.join(), removed.length]));
	const raced = [...sizeOfSet.values()].filter((size) => winners.has(size));
	if (raced.length === new Set(raced).size) return {};
	const parts = further.map((sets, part) => ({ sha256: races.hashOf(part), sets: sets.length }));
	return { finalComparison: { by: byDivergence ? "divergence" : "metric", further: parts } };
}

function planDisagreements(disagreements: Race["disagreements"]): NonNullable<Plan["disagreements"]> {
	return disagreements.map(({ chosen, better, ...rest }) => ({ ...rest, chosen: [...chosen], better: [...better] }));
}

/** As a plan lists them. */
export function importanceOf(contributions: Attribution): NonNullable<Plan["importance"]> {
	return importanceRows(contributions).map(({ standardError, ...rest }) => ({
		...rest,
		estimator: contributions.estimator,
		...(standardError === undefined ? {} : { standardError }),
	}));
}

/** As a plan lists them. */
export function shiftedPairsOf(pairs: readonly ShiftedPairCost[]): NonNullable<Plan["shiftedPairs"]> {
	return pairs.map(({ removed, added, standardError }) => ({
		...{ removed: [...removed], added },
		...(standardError === undefined ? {} : { standardError }),
	}));
}

const units = { loss: "nats", value: "value", "log-loss": "log-nats", score: "score" } as const satisfies Record<
	Attribution["scale"],
	ImportanceUnit
>;

/** One row a block that is no frozen one. An error of the asking alone would pass for that of the contribution: it is left out. */
export function importanceRows({ contributions, standardErrors, errorsOf, scale }: Attribution): BlockImportance[] {
	const errors = errorsOf === "asking" ? undefined : standardErrors;
	return Array.from(contributions, (value, block) => ({
		block,
		value,
		standardError: known(errors?.[block]),
		unit: units[scale],
	})).filter(({ value }) => Number.isFinite(value));
}

function alternativesOf(choices: Choices | undefined, decided: Standing): Plan["alternatives"] {
	const sizes = new Set([...(choices?.found.byCount.keys() ?? []), ...decided.winners.keys()]);
	return [...sizes]
		.sort((a, b) => a - b)
		.map((count) => {
			const winner = decided.winners.get(count);
			const removed = winner?.removed ?? choices!.found.byCount.get(count)!.removed;
			const own = choices?.found.byCount.get(count);
			const found = own?.removed.join() === removed.join() ? own : undefined;
			return {
				count,
				removed: [...removed],
				...(found ? { searchLoss: finite(found.loss) } : {}),
				...(winner ? { validationLoss: finite(winner.loss), validationStandardError: finite(winner.standardError ?? Number.NaN) } : {}),
			};
		});
}

function known(value: number | undefined): number | undefined {
	return Number.isFinite(value) ? value : undefined;
}
