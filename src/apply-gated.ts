// Carrying out a plan under a quality gate: measured as the main job measures, on the text that its figures are of.
import type { ApplyOptions, ApplyResult, PruneOptions } from "./api.js";
import { checkGate } from "./check-gate.js";
import { laterGate, writeModel } from "./deliver.js";
import { Gate } from "./gate.js";
import type { GateRequest } from "./gate-request.js";
import { logger } from "./log.js";
import type { Weights } from "./quantize-from.js";
import { hashWindows } from "./runtime/windows.js";
import { Session, summarize } from "./session.js";
import type { Plan } from "./storage/plan.js";

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
export async function applyGated(job: GatedJob, options: ApplyOptions): Promise<Omit<ApplyResult, "seconds">> {
	const { model, output, removed, plan, original, limits } = job;
	const { search } = plan?.calibration ?? {};
	const measuring: PruneOptions = {
		...options,
		...{ plan: undefined, remove: [...removed] },
		seed: options.seed ?? plan?.seed ?? undefined,
		windows: options.windows ?? search?.count,
		windowLength: options.windowLength ?? search?.length,
	};
	const compared = limits.some(({ kind }) => kind === "divergence");
	const session = await Session.open(model, measuring, { masks: 1, weights: "own", compared });
	try {
		if (plan) noteOtherText(session, plan, measuring);
		const gate = Gate.open(session, limits, measuring);
		const check = { gate, session, output, options: measuring, known: (plan?.alternatives ?? []).map((one) => one.removed) };
		const judged = laterGate(measuring) ? undefined : await checkGate(check, removed);
		const summary = summarize(session.model);
		const made = await writeModel(session, output, removed, { original, check }, measuring);
		return { model: summary, removed, ...made, gate: made.gate ?? judged };
	} finally {
		await session.close();
	}
}

function noteOtherText(session: Session, plan: Plan, options: PruneOptions): void {
	const { report } = plan.calibration;
	if (!report || report.sha256 === hashWindows(session.calibration.folds.report)) return;
	logger(options)(
		"warning",
		`the gate is measured on ${session.calibration.source}; the plan's figures are of other text (${report.source}): give its files with --calibration for the same ones`,
	);
}
