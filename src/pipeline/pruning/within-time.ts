// A main job that is limited in time: what it leaves out, by estimates that it made itself.
import type { LeftOutPart, Method, StepName } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { InvalidOptionError } from "../../errors.js";
import { holdsCut } from "../../game/parts.js";
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
import { fewestSeconds, finalistsLate, leftOutLate, type OptionalPart, type PartSeconds, planTime } from "./time-plan.js";

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
	const fewer = search !== undefined && plan.finalists < parts.finalists;
	const leftOut: readonly LeftOutPart[] = search === undefined ? [...plan.leftOut, "search"] : plan.leftOut;
	// A dry run names them with what it estimates. How many finalists are too many shows once the search has found them.
	if (!run.dry) tell(leftOut, maxTime, options);
	else if (leftOut.includes("search")) logger(options)("note", `without a search, ${rankedBy(options)}`);
	const job = without(plan.leftOut, options);
	if (search === undefined) return { ...unsearched(session, run, job), leftOut };
	const noFurther = leftOut.includes("further text");
	const asked = { ...run.asked, maxTime: search, noFurther };
	const begun = { options: jobWith(job, { maxTime: search }), noFurther };
	if (!fewer) return { ...begun, asked, leftOut };
	return { ...begun, asked: { ...asked, field: setsOfEach(plan.finalists, asked) }, leftOut: [...leftOut, "further finalists"] };
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

/**
 * The same after the search, by what is left then: nothing that must be done is left out.
 * @param field the finalists, which are known now
 * @returns the job, and those of the finalists that are compared
 */
export function withinTimeLeft<Choice extends Pick<ProposedSet, "removed">>(
	session: Session,
	run: TimedRun,
	job: JobInTime,
	{ limit, field }: { readonly limit: number | undefined; readonly field: readonly Choice[] },
): { readonly late: JobInTime; readonly field: readonly Choice[] } {
	const { options, noFurther } = job;
	const sizes = new Set(field.map(({ removed }) => removed.length)).size;
	const known = session.games.search.played().length;
	// The search has ended, with what it knows: further text goes by that.
	const found = { ...run.asked, masks: 0, known, maxTime: undefined, sizes, field: countSets(field) / sizes };
	const parts = limit === undefined ? undefined : partsOf(session, run, options, found);
	if (limit === undefined || !parts) return { late: job, field };
	const left = limit - (Date.now() - run.started) / 1000;
	const leftOut = leftOutLate(left, { ...parts, optional: stillKept(parts, job) });
	const seconds = finalistsLate(left, parts);
	// One set is fixed of each size that was asked for, of which fewer may have been found.
	const more = seconds - finalistSeconds({ ...found, field: 1 }, run.asked.sizes);
	const compared = seconds < parts.finalists ? firstOfEach(field, setsOfEach(more, found)) : field;
	tell(countSets(compared) < countSets(field) ? [...leftOut, "further finalists"] : leftOut, limit, options);
	const late = { ...job, options: without(leftOut, options), noFurther: noFurther || leftOut.includes("further text") };
	return { late, field: compared };
}

/** Sets of each size that are compared in so many seconds beside one of each, which the first of them is. */
const setsOfEach = (seconds: number, asked: WorkAsked) => 1 + Math.max(0, Math.floor(seconds / ofEachSize(asked) + 1e-9));

const ofEachSize = (asked: WorkAsked) => finalistSeconds({ ...asked, field: 2 });

/** The first sets of each size, under all names that they are proposed by. Half-block cuts come after whole blocks, which they must beat. */
function firstOfEach<Choice extends Pick<ProposedSet, "removed">>(field: readonly Choice[], count: number): Choice[] {
	const kept = new Map<number, string[]>();
	const wholeFirst = [...field].sort((a, b) => Number(holdsCut(a.removed)) - Number(holdsCut(b.removed)));
	for (const { removed } of wholeFirst) {
		const ofSize = kept.get(removed.length) ?? [];
		const set = removed.join();
		if (ofSize.length < count && !ofSize.includes(set)) kept.set(removed.length, [...ofSize, set]);
	}
	return field.filter(({ removed }) => kept.get(removed.length)!.includes(removed.join()));
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
	const healing = healed ? 0 : (comparingOf(times)?.other ?? 0) - furtherSeconds(asked).drawing / 2;
	const rest = healing + deliverySeconds(run) + speed + samples;
	return (sets) => {
		const fits = sets * asked.tokens.validation * secondsPerTokenOf(asked) + rest <= limit - (Date.now() - started) / 1000;
		if (!fits) logger(job.options)("note", `--max-time ${text(limit)} leaves out: smaller candidates, for the verdict`);
		return fits;
	};
}

/** What a run must still do once its choice is made, and healed: the figures, writing and verifying, the report. */
function deliverySeconds({ asked, times, limited }: TimedRun): number {
	const { tokens, textTokens = tokens } = asked;
	// A limit that said how much is removed has been judged by then.
	const judged = !limited && asked.limited?.includes("heldOut") ? textTokens.heldOut : 0;
	return 2 * (tokens.heldOut + judged) * secondsPerTokenOf(asked) + sum(times.get("Writing and verifying")) + reportSeconds;
}

/** What is asked for once the choice is made, and healed: samples and speed only if there is time left for them. */
export function optionsInTimeLeft(session: Session, run: TimedRun, { options, noFurther }: JobInTime, limit: number | undefined): PruneJob {
	const parts = limit === undefined ? undefined : partsOf(session, run, options);
	if (limit === undefined || !parts) return options;
	const optional = { ...stillKept(parts, { options, noFurther }), "further text": 0 };
	const leftOut = leftOutLate(limit - (Date.now() - run.started) / 1000, { fixed: deliverySeconds(run), finalists: 0, optional });
	tell(leftOut, limit, options);
	return without(leftOut, options);
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
	if (Object.keys(options.minAccuracy ?? {}).length > 0)
		open.push("does not cover the questions of --min-accuracy: how long these take is not estimated");
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
		ofEach: ofEachSize(found),
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
