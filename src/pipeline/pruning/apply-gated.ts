// Carrying out a plan under a quality gate: measured as the main job measures, on the text that its figures are of.
import type { ApplyResult } from "../../api/index.js";
import { judge, laterGate, writeModel } from "./deliver.js";
import { healSet, withHealTimeOf } from "../healing/of-session.js";
import { Gate } from "../gate/gate.js";
import type { GateRequest } from "../preflight/gate-limits.js";
import { healAgain, type Healing } from "../healing/heal-model.js";
import { checkHealable } from "../healing/memory.js";
import { restore } from "../../model/fitting/standing.js";
import { logger } from "../../api/logger.js";
import type { Weights } from "../writing/quantize-weights.js";
import { hashWindows } from "../../model/runtime/windows.js";
import { Session, summarize } from "../session/session.js";
import type { Plan } from "../../storage/plan.js";
import { asksToHeal } from "../preflight/heal-options.js";
import { shownText } from "../../storage/shown-text.js";
import type { ApplyJob, PruneJob } from "../preflight/job.js";

/** What to carry out. */
export interface GatedJob {
	readonly model: string;
	readonly output: string;
	readonly removed: readonly number[];
	readonly plan: Plan | undefined;
	/** Whose weights are quantised, where they are not the model's. */
	readonly original: Weights | undefined;
	readonly limits: GateRequest;
}

/**
 * Measures the gate on the report fold, then writes. The windows are those of the plan, as far as its text is at hand: own samples are
 * drawn again with its seed, files must be given again.
 * @throws GateNotMetError, and the errors of measuring and writing
 */
export async function applyGated(job: GatedJob, options: ApplyJob): Promise<Omit<ApplyResult, "seconds">> {
	const { model, output, removed, plan, original, limits } = job;
	const { search } = plan?.calibration ?? {};
	const measuring: PruneJob = {
		...options,
		...{ plan: undefined, remove: [...removed] },
		seed: options.seed ?? plan?.seed ?? undefined,
		windows: options.windows ?? search?.count,
		windowLength: options.windowLength ?? search?.length,
	};
	const compared = limits.some(({ kind }) => kind === "divergence");
	const session = await Session.open(model, measuring, {
		...{ masks: 1, weights: "own", compared },
		quantized: options.quantize !== undefined,
	});
	try {
		const healable =
			asksToHeal(options) && !plan ? checkHealable(session.model, removed, measuring, { references: session.referenceBytes }) : measuring;
		await session.measureFull(options.signal);
		const settled = plan ? measuring : await withHealTimeOf(session, removed, healable);
		if (plan) noteOtherText(session, plan, measuring);
		const gate = Gate.open(session, limits, settled);
		const check = { gate, session, output, options: settled, known: (plan?.alternatives ?? []).map((one) => one.removed) };
		const healing = await healedOf(session, removed, plan, settled);
		const judged = laterGate(settled) ? undefined : await judge(check, removed, healing);
		const summary = summarize(session.model);
		const made = await writeModel(session, output, removed, { original, check, healing, judged }, settled);
		return { model: summary, removed, ...(healing ? { heal: healing.section } : {}), ...made, gate: made.gate ?? judged };
	} finally {
		await session.close();
	}
}

/** Healed as the plan says, or as it is asked for; undefined where neither does. The model is as it was then. */
async function healedOf(
	session: Session,
	removed: readonly number[],
	plan: Plan | undefined,
	options: PruneJob,
): Promise<Healing | undefined> {
	if (options.heal === false || (!plan?.heal && !asksToHeal(options))) return undefined;
	const sorted = [...removed].sort((a, b) => a - b);
	if (!plan?.heal) return healSet(session, sorted, options);
	const { model, evaluator, folder } = session;
	const healing = await healAgain({ model, evaluator, removed: sorted, folder }, plan.heal, options);
	await restore(model, healing.tensors);
	return healing;
}

function noteOtherText(session: Session, plan: Plan, options: PruneJob): void {
	const { report } = plan.calibration;
	if (!report || report.sha256 === hashWindows(session.calibration.folds.report)) return;
	logger(options)(
		"warning",
		`the gate is measured on ${session.calibration.source}; the plan's figures are of other text (${shownText(report.source)}): give its files with --calibration for the same ones`,
	);
}
