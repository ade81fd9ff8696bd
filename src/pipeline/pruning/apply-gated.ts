// Carrying out a plan under quality limits: measured as the main job measures, on the text that its figures are of.
import type { ApplyResult, JobOptions } from "../../api/index.js";
import { isJudgedLater, judgeSet } from "./judge-set.js";
import { healSecondsOf, healSet, knownSpeed, withHealTimeOf } from "../healing/of-session.js";
import { Gate } from "../gate/gate.js";
import type { GateRequest } from "../preflight/gate-limits.js";
import type { Header } from "../preflight/model-header.js";
import { checkHealable } from "../healing/memory.js";
import { logger } from "../../api/logger.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { selfGenerated, type TextMix, textMixes } from "../../model/calibration/index.js";
import { hashWindows } from "../../model/runtime/windows.js";
import { onSelfGenerated } from "../session/calibration-windows.js";
import { Session, summarize } from "../session/session.js";
import type { Plan } from "../../storage/plan.js";
import { asksToHeal } from "../preflight/heal-options.js";
import { shownText } from "../../storage/shown-text.js";
import { healAsAsked } from "./heal-as-asked.js";
import { sourceOf } from "./source.js";
import { expectApply } from "./steps.js";
import { healAgainSeconds } from "../healing/time-budget.js";
import { quantizingSeconds } from "../quantizing/time.js";
import { writeModel } from "./write-model.js";
import { foundHealing, healingOf, jobOf, type PruneJob, settledJob } from "../preflight/job.js";
import type { HealSettings, MachineSettings, QuantizeSettings, Settings } from "../../api/options/settings.js";

/** What carrying out reads; the job that measures is made of what was asked. */
type GatedSettings = HealSettings &
	Pick<QuantizeSettings, "quantize"> &
	Pick<MachineSettings, "threads"> &
	JobOptions & { readonly asked: Settings<"apply"> };

/** What was done. */
export type Applied = Omit<ApplyResult, "commands" | "seconds">;

/** What to carry out. */
export interface GatedJob {
	readonly header: Header;
	readonly output: string;
	readonly removed: readonly number[];
	readonly plan: Plan | undefined;
	/** Whose weights are quantized, where they are not the model's. */
	readonly original: ModelWeights | undefined;
	readonly limits: GateRequest;
}

/**
 * Measures the gate on the held-out split, then writes. The windows are those of the plan: self-generated text is drawn
 * again with its seed, files must be given again.
 * @throws LimitsNotMetError, and the errors of measuring and writing
 */
export async function applyGated(job: GatedJob, options: GatedSettings): Promise<Applied> {
	const { header, output, removed, plan, original, limits } = job;
	const measuring = measuringOf(job, options);
	const compared = limits.some(({ kind }) => kind === "divergence");
	const session = await Session.open(header, measuring, {
		...{ masks: 1, weights: "own", compared },
		quantized: options.quantize !== undefined,
	});
	try {
		const how = healingOf(measuring);
		const healable =
			asksToHeal(options) && !plan ? checkHealable(session.model, removed, how, { references: session.referenceBytes }) : how;
		await session.measureOriginal(options.signal);
		const settled = plan ? measuring : settledJob(measuring, foundHealing((await withHealTimeOf(session, removed, healable)).options));
		if (plan) noteOtherText(session, plan, measuring);
		await expectGated(session, job, settledJob(measuring, foundHealing(healable)));
		const gate = Gate.open(session, limits, settled);
		options.progress?.begin("Healing");
		options.progress?.begin("Comparing with the original");
		const check = { gate, session, output, options: settled, known: (plan?.alternatives ?? []).map((one) => one.removed) };
		const anew = (set: { removed: readonly number[] }) => healSet(session, set.removed, settled);
		const { model, evaluator, folder } = session;
		const place = async () => ({ model, evaluator, folder });
		const healing = await healAsAsked({ removed, plan, place, anew }, settled);
		const judged = isJudgedLater(settled) ? undefined : await judgeSet(check, removed, healing);
		options.progress?.begin("Writing and verifying");
		const summary = summarize(session.model);
		const made = await writeModel(sourceOf(session, settled), { output, removed, original, check, healing, judged }, settled);
		return { model: summary, removed, ...(healing ? { heal: healing.section } : {}), ...made, limits: made.limits ?? judged };
	} finally {
		await session.close();
	}
}

/** Says how long it takes: the limits are measured of the original model and of the pruned one. */
async function expectGated(session: Session, { removed, plan, original }: GatedJob, options: PruneJob): Promise<void> {
	const { progress, onProgress, quantize, signal } = options;
	const { model, timings, tokens, secondsPerMask } = session;
	if (!onProgress || secondsPerMask === undefined) return;
	const again = plan?.heal && options.heal !== false ? { removed, section: plan.heal } : undefined;
	const healing = again
		? await healAgainSeconds(session, again, options, knownSpeed(session))
		: await healSecondsOf(session, { removed }, options);
	const types = quantize === undefined ? [] : [quantize];
	const quantizing = original ? undefined : await quantizingSeconds({ model, file: model.file, types }, { threads: model.threads, signal });
	const evaluation = (secondsPerMask / tokens.search) * session.calibration.splits.heldOut.tokens.length;
	const work = { proof: model.blocks.proof, load: timings.load ?? 0, evaluation, compared: 2, healing, quantizing };
	expectApply(progress, work, options);
}

/** As the main job measures these blocks, on the plan's windows. */
function measuringOf({ removed, plan }: GatedJob, options: GatedSettings): PruneJob {
	const { search, validation } = plan?.calibration ?? {};
	// Where they differ nobody named their number.
	const windows = search?.count === validation?.count ? search?.count : undefined;
	const { planFile: _, ...asked } = options.asked;
	const settings = {
		...asked,
		remove: [...removed],
		threads: options.threads,
		seed: asked.seed ?? plan?.seed ?? undefined,
		selfText: asked.selfText ?? (onSelfGenerated(asked) ? mixOf(plan) : undefined),
		windows: asked.windows ?? windows,
		windowLength: asked.windowLength ?? search?.length,
	};
	return jobOf<"prune">(settings, options);
}

/** What the plan's own text begins with. Plans of earlier versions do not say it, and drew chats for every model that knows them. */
function mixOf(plan: Plan | undefined): TextMix | undefined {
	const { source, kinds } = plan?.calibration.heldOut ?? {};
	if (source !== selfGenerated) return undefined;
	const said = textMixes.find((mix) => mix === plan?.options.selfText);
	return said ?? (kinds?.every(({ kind }) => kind === "document") ? "documents" : "chats");
}

function noteOtherText(session: Session, plan: Plan, options: JobOptions): void {
	const { heldOut } = plan.calibration;
	if (!heldOut || heldOut.sha256 === hashWindows(session.calibration.splits.heldOut)) return;
	const { source } = session.calibration;
	const alike = source === selfGenerated && heldOut.source === selfGenerated;
	const advice = alike
		? "leave out --self-text, --seed, --windows and --window-length (another machine or an earlier version also draws other text)"
		: "give its files with --calibration";
	logger(options)(
		"warning",
		`the limits are measured on ${source}, the figures of the plan on other text (${shownText(heldOut.source)}): ${advice}`,
	);
}
