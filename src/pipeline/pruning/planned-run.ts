// What a run is going to do, how long its steps take, and what its limit of time leaves out. A dry run ends here.
import type { Estimate, JobOptions, StepName } from "../../api/index.js";
import type { StepTime } from "../../model/runtime/job-options.js";
import type { SplitName } from "../../model/calibration/index.js";
import type { Model } from "../../model/runtime/model.js";
import { healedAgainSeconds, healSecondsOf, withHealTimeOf } from "../healing/of-session.js";
import { asksToHeal } from "../preflight/heal-options.js";
import { foundHealing, healingOf, jobWith, type PruneJob, settledJob } from "../preflight/job.js";
import { quantizingSeconds } from "../quantizing/time.js";
import type { Session } from "../session/session.js";
import { promptSpeed } from "../speed/prompt.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { type Amount, mostRemoved, type Removable } from "./asked-amount.js";
import { announceWork } from "./estimate.js";
import { attempt } from "./measure-pair.js";
import { plannedSeconds, type WorkAsked, workOf } from "./planned-work.js";
import { estimatedSteps, type OtherSeconds, stepsOf, stepTimes } from "./steps.js";
import { type JobInTime, type TimedRun, withinTime } from "./within-time.js";

/** What is asked of a run, as far as its time depends on it. */
export interface RunToPlan {
	readonly output: string | undefined;
	readonly amount: Amount;
	readonly removable: Removable;
	/** Whose weights are quantized, if they are not the model's. */
	readonly original: ModelWeights | undefined;
	/** When it began, milliseconds since 1970. */
	readonly started: number;
}

/** A run before it searches. */
export interface PlannedRun {
	/** For another look at the clock. */
	readonly timed: TimedRun;
	/** The job that keeps to its time. */
	readonly begun: JobInTime;
	/** How long each step of it takes, as far as that is known. */
	readonly times: ReadonlyMap<StepName, StepTime>;
	readonly estimate: Estimate;
}

/**
 * Measures the original model and what else the time depends on.
 * @throws InvalidOptionError where not even one candidate can be measured and verified in the time
 */
export async function planRun(session: Session, request: RunToPlan, options: PruneJob): Promise<PlannedRun> {
	const { output, amount, removable } = request;
	const work = await announceWork(session, removable, options);
	const asked = {
		...work,
		limited: splitsOfLimit(session, { amount, compares: work.field > 1 }, options),
		textTokens: textTokensOf(session),
	};
	const inTime = await withHealTimeOf(session, removable.named ?? mostRemoved(removable), healingOf(options));
	const settled = settledJob(options, foundHealing(inTime.options));
	const other = await otherSecondsOf(session, request, settled, inTime.seconds);
	const { before, copying } = await preparingSeconds(session, asked, options);
	const timesOf = (work: WorkAsked, job: PruneJob): ReadonlyMap<StepName, StepTime> =>
		new Map([
			["Preparing text", { other: before + copying }],
			...stepTimes(session, plannedSeconds(work), { output, options: job, ...other }),
		]);
	// A dry run tells of the run that follows it, which draws no text and measures no original model again: what that one has done before it plans.
	const started = options.dryRun ? Date.now() - 1000 * before : request.started;
	const job = jobWith(settled, { dryRun: false });
	const steps = stepsOf(output, amount === "curve", job);
	const timed = { started, removable, asked, times: timesOf(asked, job), steps, limited: amount === "gate", dry: options.dryRun };
	const begun = withinTime(session, timed, job);
	const times = timesOf(begun.asked, begun.options);
	const shown = stepsOf(output, amount === "curve", begun.options);
	const drawing = asksToHeal(options) ? plannedSeconds(begun.asked).drawing : undefined;
	const left = begun.leftOut.length > 0 ? { leftOut: begun.leftOut } : {};
	const estimate = { known: asked.known, ...workOf(begun.asked), ...estimatedSteps(shown, times, drawing), ...left };
	return { timed, begun, times, estimate: options.dryRun ? await asPrompt(session.model, estimate, options) : estimate };
}

/** Tokens of the text that limits are measured on, whatever the metric is. */
const textTokensOf = ({ calibration: { splits } }: Session) => ({
	validation: splits.validation.tokens.length,
	heldOut: splits.heldOut.tokens.length,
});

/** With the time as the length of a prompt: what does not depend on how fast the machine is. */
export async function asPrompt(model: Model, estimate: Estimate, options: JobOptions): Promise<Estimate> {
	const speed = await attempt("the prompt speed was", options, () => promptSpeed(model, options), undefined);
	return speed === undefined ? estimate : { ...estimate, promptTokens: estimate.seconds * speed };
}

/**
 * Splits on which `--max-kl` makes the original model's distributions, and measures a set with them, beside what else is measured. The metric kl has both
 * already; where sets are compared by the divergence on the model itself, the validation split has the figures of all of them.
 * @param compares whether several sets of a size are
 */
function splitsOfLimit(
	{ metric, races }: Session,
	{ amount, compares }: { readonly amount: Amount; readonly compares: boolean },
	{ maxKl }: PruneJob,
): SplitName[] {
	if (maxKl === undefined || metric === "kl") return [];
	const known = compares && races.referenced.includes("validation") && races.confirms(1) === 0;
	return amount === "gate" && !known ? ["validation", "heldOut"] : ["heldOut"];
}

/**
 * Seconds before the search of the run that a dry run tells of: before that run plans, and for the copy that it makes when first it measures something.
 * The text is in the cache now, and what a dry run has measured for a target. A run that plans has done the former.
 */
async function preparingSeconds(session: Session, { masks }: WorkAsked, options: PruneJob): Promise<{ before: number; copying: number }> {
	if (!options.dryRun) return { before: 0, copying: 0 };
	const { model, copyToMake, timings, trialSeconds = 0 } = session;
	const load = timings.load ?? 0;
	const before = load + trialSeconds;
	// A limit of time has the search make it in its own time.
	if (copyToMake === undefined || options.remove || options.maxTime !== undefined || masks === 0) return { before, copying: 0 };
	const made = { model, file: model.file, types: [copyToMake] };
	return { before, copying: load + ((await quantizingSeconds(made, { threads: model.threads, signal: options.signal })) ?? 0) };
}

/** Measured as far as somebody wants to know. Limits decide while they heal how many sets that is. */
async function otherSecondsOf(
	session: Session,
	{ amount, removable, original }: RunToPlan,
	options: PruneJob,
	inTime: number | undefined,
): Promise<OtherSeconds> {
	const { onProgress, dryRun, quantize, signal, maxTime } = options;
	const { named } = removable;
	const measured = dryRun || onProgress !== undefined || maxTime !== undefined;
	// A limit of time counts what one choice heals.
	const unknown = amount === "gate" && asksToHeal(options) && maxTime === undefined;
	const again = measured && named ? await healedAgainSeconds(session, named, options) : undefined;
	const healing = unknown
		? undefined
		: (again ?? inTime ?? (await healSecondsOf(session, { removed: named ?? mostRemoved(removable), measured }, options)));
	const { file, threads } = session.model;
	const made = { model: session.model, file, types: quantize === undefined ? [] : [quantize] };
	return { healing, quantizing: original || !measured ? undefined : await quantizingSeconds(made, { threads, signal }) };
}
