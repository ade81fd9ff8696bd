// What a report says, from what a run measured and decided. Nothing is measured here.
import { cpus } from "node:os";
import * as v from "valibot";
import type { WrittenFile } from "../../api/index.js";
import { fewestWindows } from "../../game/sources.js";
import { architectureWithout } from "../../model/architectures/attention.js";
import { splitNames } from "../../model/calibration/index.js";
import { reasonedBlocks } from "../methods/critical.js";
import { importanceOf, shiftedPairsOf } from "../planning/plan.js";
import { alternativesOf } from "./alternatives.js";
import { healData } from "./healing.js";
import { blocksData, curveData, interactionsOf, surrogateData } from "./evidence.js";
import { errorOf, qualityOf, writtenLosses } from "./quality.js";
import { REPORT_FORMAT, REPORT_VERSION, type Report, type ReportExtras, reportSchema } from "../../report/report-data.js";
import { worseTexts } from "../../report/trade.js";
import type { Sizes } from "../preflight/model-sizes.js";
import { disagreementText } from "../race/by-source.js";
import type { Plan } from "../../storage/plan.js";
import type { PlanLimit } from "../../storage/plan-limits.js";
import { suggestionVerdict, removalVerdict } from "./verdict.js";
import type { RunFacts, RunOutcome } from "./facts.js";
import type { PlanOrigin } from "../planning/origin.js";

/** The report of a run. */
export function makeReport(facts: RunFacts, outcome: RunOutcome): Report {
	const { model, choices, decided, origin, warnings } = facts;
	const { plan, suggestion, output, timings, seconds, extras } = outcome;
	const chosen = plan?.removed ?? suggestion?.removed;
	const disagreements = decided.race.disagreements.map(({ chosen: set, better, ...rest }) => ({
		...rest,
		chosen: [...set],
		better: [...better],
	}));
	const said = new Set(decided.race.disagreements.map(disagreementText));
	const notes = [...(choices?.found.notes ?? []), ...decided.race.notes];
	const surrogate = surrogateData(choices);
	const interactions = interactionsOf(choices);
	const critical = plan?.critical ?? reasonedBlocks(choices?.found.critical ?? [], choices?.attentions, facts.metric);
	const alternatives = plan && alternativesOf(plan);
	const curve = curveData(facts, chosen ?? []);
	const importance = plan?.importance ?? (choices?.contributions && importanceOf(choices.contributions));
	return v.parse(reportSchema, {
		format: REPORT_FORMAT,
		version: REPORT_VERSION,
		created: plan?.created ?? new Date().toISOString(),
		verdict: plan ? verdictOn(plan, origin, { curve, extras, output, speeds: facts.speeds }) : suggestionVerdict(suggestion!),
		model: {
			...{ name: model.name, sha256: origin.sha256, architecture: model.architecture },
			...{ blocks: model.blocks, parameters: model.parameters, bytes: model.size },
		},
		...(output
			? {
					output: {
						...{ name: output.path.replace(/^.*[\\/]/, ""), parameters: output.parameters },
						...{ bytes: output.size, verification: output.verification },
					},
				}
			: {}),
		...(plan ? { removal: removalOf(plan) } : {}),
		blocks: blocksData({
			blocks: model.blocks,
			removed: plan?.removed ?? [],
			critical,
			frozen: facts.frozen,
			importance,
			shiftedPairs: plan?.shiftedPairs ?? (choices?.shiftedPairs && shiftedPairsOf(choices.shiftedPairs)),
			origin,
		}),
		...(plan ? qualityOf(plan, sizesOf(facts, plan, output)) : {}),
		curve,
		...(interactions ? { interactions } : {}),
		...(surrogate ? { surrogate } : {}),
		disagreements,
		warnings: warnings.filter((warning) => !said.has(warning)),
		...(notes.length > 0 ? { notes } : {}),
		...(alternatives ? { alternatives } : {}),
		...(plan ? furtherOf(plan) : {}),
		...extras,
		reproduce: reproduceOf(origin),
		timings: Object.entries(timings).map(([phase, took]) => ({ phase, seconds: took })),
		seconds,
	});
}

function removalOf({ model, removed, kept, method, finalComparison, tied }: Plan): NonNullable<Report["removal"]> {
	const { by, further = [] } = finalComparison ?? {};
	const decided = by && { finalComparison: { by, further: further.map(({ sets }) => ({ sets })) } };
	const becomes = architectureWithout(model.architecture, removed);
	const changed = becomes === model.architecture ? {} : { architecture: becomes };
	return { removed, kept, ...changed, method, ...decided, ...(tied ? { tied } : {}) };
}

/** What a plan says beside the removal and its cost. */
function furtherOf({ heal, removed, limits, context }: Plan): Partial<Pick<Report, "heal" | "limits" | "context">> {
	return {
		...(heal ? { heal: healData(heal, removed) } : {}),
		...(limits ? { limits: limits.figures.map(limitFigure) } : {}),
		...(context ? { context: contextData(context) } : {}),
	};
}

function contextData({ times, ...rest }: NonNullable<Plan["context"]>): NonNullable<Report["context"]> {
	if (!times) return rest;
	const { measuredAt, attention, feedForward } = times;
	return { ...rest, times: { measuredAt, attention, feedForward } };
}

function limitFigure({ standardError, ...figure }: PlanLimit): NonNullable<Report["limits"]>[number] {
	return { ...figure, ...(standardError === null ? {} : { standardError }) };
}

/** Sizes before and after: of the file that was written, else as they would be. */
function sizesOf({ model, sizes }: RunFacts, plan: Plan, output: WrittenFile | undefined): { before: Sizes; after: Sizes } {
	const after = output ? { bytes: output.size, parameters: output.parameters } : sizes(plan.removed);
	return { before: { bytes: model.size, parameters: model.parameters }, after };
}

/** What the verdict reads besides the plan. */
type VerdictParts = Pick<Report, "curve"> &
	Pick<RunFacts, "speeds"> & { readonly extras: ReportExtras | undefined; readonly output: WrittenFile | undefined };

function verdictOn(plan: Plan, { options }: PlanOrigin, { curve, extras, output, speeds }: VerdictParts): Report["verdict"] {
	const heldOut = plan.losses.heldOut && writtenLosses(plan, plan.losses.heldOut);
	const split = plan.calibration.heldOut;
	const { interval } = errorOf(heldOut?.difference ?? null, heldOut?.standardError, split ? fewestWindows(split.count, split.sources) : 0);
	const refused = options.heal === false || plan.quantized?.from !== undefined;
	return removalVerdict({
		...{ removed: plan.removed, blocks: plan.model.blocks, written: output !== undefined, curve, speeds },
		...{ healed: plan.heal?.applied, healable: plan.heal === undefined && !refused },
		...{ quantized: plan.quantized?.type, hasAlternatives: plan.quantizedAlternatives !== undefined },
		quantizingCosts: quantizingCosts(plan),
		targetSize: typeof options.targetSize === "number" ? options.targetSize : undefined,
		added: heldOut?.difference ?? null,
		standardError: heldOut?.standardError ?? null,
		interval,
		worseTexts: extras && worseTexts(extras),
		limits: plan.limits && (plan.limits.met ? "met" : "missed"),
	});
}

/** Types that hold a weight as a float: more bits than theirs are no help. */
const floatTypes: ReadonlySet<string> = new Set(["F32", "F16", "BF16"]);

/** Whether quantizing adds more to the loss than the errors of both measurements explain. */
function quantizingCosts({ quantized, ...plan }: Plan): boolean {
	const alone = plan.losses.heldOut && writtenLosses(plan, plan.losses.heldOut);
	if (!quantized || floatTypes.has(quantized.type) || !alone) return false;
	const { mean, standardError } = quantized.added;
	if (mean === null || alone.difference === null) return false;
	return mean - alone.difference > 2 * Math.hypot(standardError ?? 0, alone.standardError ?? 0);
}

function reproduceOf({
	command,
	asked,
	seed,
	options,
	granularity,
	calibration,
	versions,
	backend,
	machine,
}: PlanOrigin): Report["reproduce"] {
	const splits = splitNames.flatMap((split) => {
		const facts = calibration[split];
		if (!facts) return [];
		const { source, sha256, count, length, kinds, drawn } = facts;
		return [
			{
				...{ split, source, sha256, windows: count, length },
				...(kinds ? { kinds: kinds.map(({ kind, count: windows }) => ({ kind, windows })) } : {}),
				...(drawn ? { drawn: { ...drawn } } : {}),
			},
		];
	});
	const processors = cpus();
	return {
		...{ command, ...(asked === command ? {} : { asked }), seed, options, calibration: splits, backend, machine },
		...(granularity ? { granularity } : {}),
		versions: { ...versions, "Node.js": process.versions.node },
		system: {
			platform: `${process.platform} ${process.arch}`,
			processor: processors[0]?.model.trim() || "unknown processor",
			cores: processors.length,
		},
	};
}
