// A main job that is limited in time: what it leaves out, by estimates that it made itself.
import type { LeftOutPart, Method, StepName } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { InvalidOptionError } from "../../errors.js";
import { asksToHeal } from "../preflight/heal-options.js";
import { jobWith, type PruneJob } from "../preflight/job.js";
import type { StepTime } from "../../model/runtime/job-options.js";
import type { Session } from "../session/session.js";
import { plannedMasks } from "../methods/registry.js";
import type { ProposedSet } from "../methods/selection-context.js";
import { countSets } from "../race/finalists.js";
import { speedPhase } from "../speed/speed.js";
import type { Removable } from "./asked-amount.js";
import { finalistSeconds, furtherSeconds, secondsPerTokenOf, type WorkAsked } from "./planned-work.js";
import { textsPhase } from "./measure-pair.js";
import { fewestSeconds, leftOutLate, type OptionalPart, type PartSeconds, planTime } from "./time-plan.js";

/** The report at the end of a run, about. */
const reportSeconds = 0.5;

/** What a run is about, and what is estimated of it. */
export interface TimedRun {
	/** When it began, milliseconds since 1970. */
	readonly started: number;
	readonly removable: Removable;
	readonly asked: WorkAsked;
	readonly times: ReadonlyMap<StepName, StepTime>;
	/** Those that it goes through. */
	readonly steps: readonly StepName[];
	/** Whether limits say how much is removed. */
	readonly limited: boolean;
	/** Whether nothing but an estimate is wanted. @default false */
	readonly dry?: boolean;
}

/** A job that keeps to its time. */
export interface JobInTime {
	readonly options: PruneJob;
	/** Whether tied finalists get no further text. */
	readonly noFurther: boolean;
	/** What takes the place of the method, in this order, where there is no time to search. @default the method */
	readonly instead?: readonly Method[];
	/** Its work. */
	readonly asked: WorkAsked;
	/** What the time does not hold, the first part first. */
	readonly leftOut: readonly LeftOutPart[];
}

/**
 * The job with what its time holds; a note names what the time does not cover, since it cannot be estimated. Without a limit of time, or where nothing
 * can be estimated, the job stays as it is.
 * @throws InvalidOptionError where not even one candidate can be measured and verified in the time
 */
export function withinTime(session: Session, run: TimedRun, options: PruneJob): JobInTime {
	const { maxTime } = options;
	const whole = { options, noFurther: false, asked: run.asked, leftOut: [] };
	if (maxTime === undefined) return whole;
	const parts = partsOf(session, run, options);
	for (const note of uncovered(run, parts, options)) logger(options)("note", `--max-time ${text(maxTime)} ${note}`);
	if (!parts) return whole;
	const spent = (Date.now() - run.started) / 1000;
	const plan = planTime(maxTime - spent, parts);
	if (!plan) {
		const least = Math.ceil(spent + fewestSeconds(parts));
		throw new InvalidOptionError(
			`max-time ${text(maxTime)} is too short: ${text(Math.ceil(spent))} have passed, and one candidate that is measured, written and verified takes about ${text(least)} in all. Give --max-time ${text(Math.ceil(1.2 * least))} or more, or fewer --windows`,
		);
	}
	const { search } = plan;
	const leftOut: readonly LeftOutPart[] = search === undefined ? [...plan.leftOut, "search"] : plan.leftOut;
	// A dry run names them with what it estimates.
	if (!run.dry) tell(leftOut, maxTime, options);
	else if (leftOut.includes("search")) logger(options)("note", `without a search, ${rankedBy(options)}`);
	const job = without(plan.leftOut, options);
	if (search === undefined) return { ...unsearched(session, run, job), leftOut };
	const noFurther = leftOut.includes("further text");
	return { options: jobWith(job, { maxTime: search }), noFurther, asked: { ...run.asked, maxTime: search, noFurther }, leftOut };
}

/** The job if there is no time to search. */
function unsearched(session: Session, run: TimedRun, options: PruneJob): Omit<JobInTime, "leftOut"> {
	const masks = run.removable.named ? 0 : unsearchedMasks(session, run, options);
	const work = { ...run.asked, masks, known: 0, singles: 0, field: 1, smaller: 0, maxTime: undefined };
	const quick = { noFurther: true, asked: work } as const;
	// No hidden state says what an attention part alone does: each is measured once.
	if (options.granularity === "attention")
		return { ...quick, options: jobWith(options, { method: "leave-one-out", maxTime: undefined, effort: "quick" }) };
	// Hidden states of one pass rank the blocks; not every graph gives them.
	const instead = ["block-influence", "last"] as const;
	const ranked = { method: instead[0], granularity: undefined, maxTime: undefined, effort: "quick" } as const;
	return { ...quick, options: jobWith(options, ranked), instead };
}

/** Candidates that are measured then: the hidden states take a pass. Attention parts are measured one by one, and blocks beside them before. */
function unsearchedMasks(session: Session, { asked, removable }: TimedRun, options: PruneJob): number {
	if (options.granularity !== "attention") return 1 + asked.sizes;
	return Math.max(0, masksOf("leave-one-out", session, removable, options) - (asked.knownSingles ?? 0));
}

/** Candidates that a method measures at most. Sets that save time are left out of a search that is limited in time. */
function masksOf(method: Method, { model, tokens }: Session, removable: Removable, options: PruneJob): number {
	const task = { ...removable, method, blocks: model.facts.blocks, time: undefined };
	return plannedMasks(task, { ...options, maxTime: undefined }, tokens.search);
}

/** The same after the search, by what is left then: nothing that must be done is left out. @param field the finalists, which are known now */
export function withinTimeLeft(
	session: Session,
	run: TimedRun,
	job: JobInTime,
	{ limit, field }: { readonly limit: number | undefined; readonly field: readonly Pick<ProposedSet, "removed">[] },
): JobInTime {
	const { options, noFurther } = job;
	const sizes = new Set(field.map(({ removed }) => removed.length)).size;
	const found = { ...run.asked, sizes, field: countSets(field) / sizes };
	const parts = limit === undefined ? undefined : partsOf(session, run, options, found);
	if (limit === undefined || !parts) return job;
	const leftOut = leftOutLate(limit - (Date.now() - run.started) / 1000, { ...parts, optional: stillKept(parts, job) });
	tell(leftOut, limit, options);
	return { ...job, options: without(leftOut, options), noFurther: noFurther || leftOut.includes("further text") };
}

/** What is left out already takes no time. */
function stillKept({ optional }: PartSeconds, { options, noFurther }: Pick<JobInTime, "options" | "noFurther">): PartSeconds["optional"] {
	return {
		samples: options.samples === 0 ? 0 : optional.samples,
		speed: options.speed === false ? 0 : optional.speed,
		"further text": noFurther ? 0 : optional["further text"],
	};
}

/**
 * Whether so many more sets can be measured on the validation split once finalists are compared: in the time that is left beside what is still to be done.
 * A note says if not.
 * @param healed whether the choice is healed already
 */
export function roomForSets(
	session: Session,
	run: TimedRun,
	job: Pick<JobInTime, "options" | "noFurther">,
	{ limit, healed }: { readonly limit: number | undefined; readonly healed: boolean },
): (sets: number) => boolean {
	const { asked, times, started } = run;
	const parts = limit === undefined ? undefined : partsOf(session, run, job.options);
	if (limit === undefined || !parts) return () => true;
	const { samples, speed } = stillKept(parts, job);
	const evaluations = (sets: number) => (sets * asked.tokens.validation + 2 * asked.tokens.heldOut) * secondsPerTokenOf(asked);
	const healing = healed ? 0 : (comparingOf(times)?.other ?? 0) - furtherSeconds(asked).drawing / 2;
	const rest = healing + sum(times.get("Writing and verifying")) + reportSeconds + speed + samples;
	return (sets) => {
		const fits = evaluations(sets) + rest <= limit - (Date.now() - started) / 1000;
		if (!fits) logger(job.options)("note", `--max-time ${text(limit)} leaves out: smaller candidates, for the verdict`);
		return fits;
	};
}

/** Steps whose time is not known before they are done. */
const estimated: readonly StepName[] = ["Writing and verifying", "Measuring"];

/** What the limit of time does not count. */
function uncovered({ times, steps, limited, removable }: TimedRun, parts: PartSeconds | undefined, options: PruneJob): string[] {
	if (!parts) {
		const bounded = removable.named ? "is not kept to: how long the run" : "bounds the search alone: how long the rest";
		return [`${bounded} takes cannot be estimated`];
	}
	const unknown = estimated.filter((step) => steps.includes(step) && !times.has(step));
	const open =
		unknown.length === 0
			? []
			: [`does not cover ${unknown.map((step) => `"${step}"`).join(" and ")}: how long that takes cannot be estimated`];
	return limited && asksToHeal(options)
		? [...open, "covers healing one choice: if limits make the run heal further candidates, it takes longer"]
		: open;
}

function without(leftOut: readonly OptionalPart[], options: PruneJob): PruneJob {
	const speed = leftOut.includes("speed") ? { speed: false } : {};
	return jobWith(options, { ...speed, ...(leftOut.includes("samples") ? { samples: 0 } : {}) });
}

function tell(leftOut: readonly LeftOutPart[], limit: number, options: PruneJob): void {
	if (leftOut.length === 0) return;
	const chosen = leftOut.includes("search") ? `; ${rankedBy(options)}` : "";
	logger(options)("note", `--max-time ${text(limit)} leaves out: ${leftOut.join(", ")}${chosen}`);
}

/** What takes the place of a search. */
const rankedBy = ({ granularity }: PruneJob): string =>
	granularity === "attention"
		? "each attention part is measured alone, and those that cost least are removed"
		: "the blocks are ranked by how little they change the hidden state";

/** The step in which finalists are compared, by whatever name; it is missing if healing cannot be estimated. */
const comparingOf = (times: TimedRun["times"]): StepTime | undefined =>
	times.get("Comparing finalists") ?? times.get("Comparing with the original") ?? times.get("Healing");

/** Undefined where the time of evaluations is not known. @param found the work with the finalists that there are, once that is known */
function partsOf(session: Session, run: TimedRun, options: PruneJob, found = run.asked): PartSeconds | undefined {
	const { asked, times, removable } = run;
	const { secondsPerMask, singles, known } = asked;
	const comparing = comparingOf(times);
	if (!Number.isFinite(secondsPerMask) || !comparing) return undefined;
	const phases = times.get("Measuring")?.phases ?? [];
	const measuring = (name: string) => phases.filter(({ phase }) => phase === name).reduce((sum, { seconds }) => sum + seconds, 0);
	const all = phases.reduce((sum, { seconds }) => sum + seconds, 0);
	const texts = measuring(textsPhase);
	const speed = measuring(speedPhase) > 0 ? all - texts : 0;
	// Both need the models loaded, which is saved with the last of them.
	const samples = texts > 0 && speed === 0 ? all : texts;
	const furtherOf = (work: WorkAsked) => furtherSeconds(work).measuring + furtherSeconds(work).drawing;
	const usual = removable.named ? 0 : masksOf(options.method, session, removable, options);
	return {
		fixed: sum(comparing) - finalistSeconds(asked) - furtherOf(asked) / 2 + sum(times.get("Writing and verifying")) + reportSeconds,
		// Fewer sizes may have been found than were asked for, one set of each of which is fixed.
		finalists: finalistSeconds(found, asked.sizes),
		optional: { samples, speed, "further text": furtherOf(found) },
		usual: Math.max(0, usual - known) * secondsPerMask,
		singles: removable.named ? 0 : Math.max(0, singles - known) * secondsPerMask,
		// Blocks that are named are not searched.
		late: removable.named ? 0 : (session.secondsPerMask ?? secondsPerMask),
		unsearched: removable.named ? 0 : unsearchedMasks(session, run, options) * secondsPerMask,
	};
}

const sum = ({ evaluations = 0, other = 0 }: StepTime = {}) => evaluations + other;

/** As the option takes it. */
function text(seconds: number): string {
	if (seconds < 120) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))}s`;
	return `${Math.ceil(seconds / 60)}m`;
}
