// The steps of the main job that people see, and how long each takes.
import type { Estimate, StepName } from "../../api/index.js";
import type { AmountSettings, HealSettings, QuantizeSettings, Settings } from "../../api/options/settings.js";
import type { JobProgress, StepTime } from "../../model/runtime/job-options.js";
import { writtenTokens } from "../../model/evaluation/continuations.js";
import { asksToHeal } from "../preflight/heal-options.js";
import type { Session } from "../session/session.js";
import { speedSeconds, textsPhase, wanted } from "./measure-pair.js";
import { speedPhase } from "../speed/speed.js";
import { drawingPerToken } from "./drawing.js";

/** What says which steps there are. */
export type SteppedSettings = Pick<Settings<"prune">, "speed" | "samples" | "dryRun" | "quantizedAlternatives"> &
	Pick<AmountSettings, "remove" | "targetSpeedup" | "speedupOf"> &
	Pick<QuantizeSettings, "quantize" | "quantizeFrom"> &
	HealSettings;

/** @param curve whether nothing says how much to remove: nothing is written then */
export function stepsOf(output: string | undefined, curve: boolean, options: SteppedSettings): StepName[] {
	if (options.dryRun) return ["Preparing text"];
	const choosing: StepName[] = options.remove ? [comparingStep(options)] : ["Searching", comparingStep(options)];
	if (curve) return ["Preparing text", ...choosing];
	const writing: StepName[] = output === undefined ? [] : ["Writing and verifying"];
	const { speed, samples } = wanted(output, options);
	const measuring: StepName[] = speed || samples > 0 || options.quantizedAlternatives ? ["Measuring"] : [];
	return ["Preparing text", ...choosing, ...writing, ...measuring];
}

/** The step in which the set is decided on, healed, measured and held against the limits. */
export function comparingStep(options: Pick<SteppedSettings, "remove"> & HealSettings): StepName {
	if (!options.remove) return "Comparing finalists";
	return asksToHeal(options) ? "Healing" : "Comparing with the original";
}

/** Seconds of evaluations by step, as far as they are planned. */
export interface PlannedSeconds {
	readonly search: number;
	readonly compare: number;
	/** Drawing further text for the comparison, which is no evaluation. */
	readonly drawing: number;
	/** An evaluation on the held-out split. */
	readonly heldOut: number;
}

/** Seconds of other work, 0 without it; undefined where they are not known. */
export interface OtherSeconds {
	readonly healing: number | undefined;
	readonly quantizing: number | undefined;
}

/** What a run does. */
interface SteppedRun extends OtherSeconds {
	readonly output: string | undefined;
	readonly options: SteppedSettings;
}

/** The time of the steps after the text was prepared: those that cannot be estimated are left out. */
export function stepTimes(session: Session, planned: PlannedSeconds, run: SteppedRun): ReadonlyMap<StepName, StepTime> {
	const { output, options, healing, quantizing } = run;
	const times = new Map<StepName, StepTime>();
	if (!Object.values(planned).every(Number.isFinite)) return times;
	const { load = 0 } = session.timings;
	times.set("Searching", { evaluations: planned.search });
	// Blocks that are named are measured on the search split too, without a step of its own.
	const compare = planned.compare + (options.remove ? planned.search : 0);
	if (healing !== undefined) times.set(comparingStep(options), { evaluations: compare, other: planned.drawing + healing });
	const { proof } = session.model.blocks;
	const writing = output === undefined ? undefined : writingTime({ proof, load, evaluation: planned.heldOut, quantizing }, options);
	if (writing) times.set("Writing and verifying", writing);
	if (!options.quantizedAlternatives) times.set("Measuring", measuringTime(session, load, { output, options }));
	return times;
}

/**
 * A run step by step, and the sum of the steps that are known.
 * @param drawing if sets are healed: what else than healing takes time beside the evaluations while they are compared. Healing has a line of its own
 */
export function estimatedSteps(
	steps: readonly StepName[],
	times: ReadonlyMap<StepName, StepTime>,
	drawing?: number,
): Pick<Estimate, "steps" | "seconds"> {
	const row = (name: StepName, seconds: number | undefined) => ({ name, ...(seconds === undefined ? {} : { seconds }) });
	const estimated = steps.flatMap((name) => {
		const time = times.get(name);
		const { evaluations = 0, other = 0 } = time ?? {};
		if (drawing === undefined || name !== "Comparing finalists") return [row(name, time && evaluations + other)];
		return [row(name, time && evaluations + drawing), row("Healing", time && other - drawing)];
	});
	return { steps: estimated, seconds: estimated.reduce((sum, { seconds = 0 }) => sum + seconds, 0) };
}

/** What a file is written from, and what that takes. */
export interface WritingWork extends Pick<OtherSeconds, "quantizing"> {
	/** How far the architecture is proven. */
	readonly proof: Session["model"]["blocks"]["proof"];
	/** Seconds to load the model, and of an evaluation on the text that verifies. */
	readonly load: number;
	readonly evaluation: number;
	/** Whether what the file must compute is known already. @default false */
	readonly expected?: boolean | undefined;
}

/** Undefined where the file is quantized and that cannot be estimated: how large another original is, for example. */
export function writingTime(
	{ proof, load, evaluation, quantizing, expected = false }: WritingWork,
	{ quantize, quantizeFrom }: Pick<QuantizeSettings, "quantize" | "quantizeFrom">,
): StepTime | undefined {
	// A file is written in the time that loading it takes, about, and loaded again; where a removal must be proven so is another one.
	const files = proof === "bits" ? 1 : 2;
	const pruned = { evaluations: ((expected ? 0 : 1) + files) * evaluation, other: 2 * files * load };
	if (quantize === undefined) return pruned;
	if (quantizing === undefined || quantizeFrom !== undefined) return undefined;
	return { evaluations: pruned.evaluations + evaluation, other: pruned.other + quantizing + load };
}

/**
 * Says how long carrying out a plan takes.
 * @param compared evaluations before anything is written
 */
export function expectApply(
	progress: JobProgress | undefined,
	work: WritingWork & OtherSeconds & { readonly compared: number },
	options: Pick<QuantizeSettings, "quantize" | "quantizeFrom">,
): void {
	const { compared, evaluation, healing } = work;
	if (healing !== undefined)
		for (const step of ["Healing", "Comparing with the original"] as const)
			progress?.expect(step, { evaluations: compared * evaluation, other: healing });
	const writing = writingTime(work, options);
	if (writing) progress?.expect("Writing and verifying", writing);
}

function measuringTime(
	{ secondsPerDrawn, secondsPerToken = 0 }: Session,
	load: number,
	{ output, options }: { readonly output: string | undefined; readonly options: SteppedSettings },
): StepTime {
	const { speed, samples } = wanted(output, options);
	// Two models write them, each greedily and sampled; a chat turn beside the prompts.
	const texts = 4 * (samples === 0 ? 0 : samples + 1) * writtenTokens * drawingPerToken(secondsPerDrawn, secondsPerToken);
	const phases = [
		// The original and the written file.
		...(output === undefined ? [] : [{ phase: "loading the model", seconds: 2 * load, repeated: true }]),
		...(speed ? [{ phase: speedPhase, seconds: speedSeconds }] : []),
		...(samples > 0 ? [{ phase: textsPhase, seconds: texts }] : []),
	];
	return { other: phases.reduce((sum, { seconds }) => sum + seconds, 0), phases };
}
