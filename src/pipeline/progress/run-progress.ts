// The steps of a job: where it is, how far, and how long it still takes.
import type { JobOptions, LogEvent, ProgressEvent, StepName } from "../../api/index.js";
import type { JobProgress, PhaseTime, StepTime, StepWork, Work } from "../../model/runtime/job-options.js";
import { Count } from "./count.js";

/** Most steps of a job. */
const mostSteps = 5;
/** Evaluations before a step's own speed says how fast those of later steps are. */
const enoughMeasured = 3;
/** How far that speed may be from the expected one: a few evaluations can mislead. */
const farthest = 4;

/** Seconds between two events of the same phase: what is quicker is told when it ends. */
const tellPause = 0.05;

/** What was told last of work that is not counted in candidates. */
interface Told extends Pick<Work, "phase" | "done" | "total"> {
	readonly at: number;
}

/** Whom a job tells, and its clock. */
export interface ProgressOptions extends Pick<JobOptions, "onProgress" | "onLog"> {
	/** Seconds, for tests. @default the clock */
	readonly now?: () => number;
}

/**
 * Turns what the parts of a job do into the steps that people see. A job says its steps first, and begins one after the other. The first
 * one begins with the first work: a job that is refused has told nothing.
 */
export class RunProgress implements JobProgress {
	readonly #options: ProgressOptions;
	readonly #now: () => number;
	readonly #expected = new Map<StepName, StepTime>();
	#steps: readonly StepName[] = [];
	#at = 0;
	#begun = 0;
	/** Evaluations took so many times as long as expected. */
	#slower = 1;
	#limit: number | undefined;
	#count: Count;
	/** Work of the step that is not counted, now and before: seconds. */
	#aside: { readonly phase: string; readonly since: number; readonly first: number } | undefined;
	#asideBefore = 0;
	#told: Told | undefined;
	#started = false;
	#machine: string | undefined;

	constructor(options: ProgressOptions, steps: readonly StepName[] = []) {
		this.#options = options;
		this.#now = options.now ?? (() => performance.now() / 1000);
		this.#count = new Count();
		this.plan(steps);
	}

	/** The steps, in their order: those of a job that is known by its options. @throws RangeError for more than five */
	plan(steps: readonly StepName[]): void {
		if (steps.length > mostSteps) throw new RangeError(`a job has at most ${mostSteps} steps, got ${steps.length}`);
		this.#steps = steps;
	}

	runsOn(machine: string, details: readonly LogEvent[] = []): void {
		if (this.#machine !== undefined) return;
		this.#machine = machine;
		for (const event of details) this.#options.onLog?.(event);
		this.#options.onLog?.({ level: "note", message: `Running on ${machine}` });
	}

	begin(step: StepName, work: StepWork = {}): void {
		const index = this.#steps.indexOf(step);
		if (index < this.#at || (index === this.#at && this.#started)) return;
		this.#at = index;
		this.#start(work);
		const counts = this.#count.amount.total > 0;
		this.#tell({ phase: step, ...this.#count.amount, unit: counts ? "candidates" : "percent" }, counts ? this.#countLeft() : undefined);
	}

	expect(step: StepName, time: StepTime): void {
		this.#expected.set(step, time);
	}

	work(work: Work): void {
		if (this.#steps.length === 0) return;
		if (!this.#started) this.#start({});
		const { phase, unit, total } = work;
		const done = Math.min(work.done, total);
		if (unit === "candidates" || unit === "questions") {
			this.#endAside();
			this.#count.take({ phase, done, total }, this.#now());
			this.#learn();
			this.#tell({ ...work, ...this.#count.amount }, this.#countLeft());
			return;
		}
		if (this.#aside?.phase !== phase) {
			this.#endAside();
			this.#aside = { phase, since: this.#now(), first: done };
		}
		if (!this.#isNews({ phase, done, total })) return;
		const { since, first } = this.#aside;
		const spent = this.#now() - since;
		// What was done before the first news of it, by an earlier run for example, says nothing of the speed.
		this.#tell({ ...work, done }, done > first && spent > 0 ? (spent / (done - first)) * (total - done) : undefined);
	}

	/** Whether work is worth an event: it begins or ends, or another whole percent is done some time after the last event. */
	#isNews({ phase, done, total }: Omit<Told, "at">): boolean {
		const at = this.#now();
		const told = this.#told;
		const percent = (part: number) => (total > 0 ? Math.floor((100 * part) / total) : part);
		if (told?.phase === phase && told.total === total && done >= told.done) {
			if (done === told.done && total > 0) return false;
			if (done < total && (at - told.at < tellPause || percent(done) === percent(told.done))) return false;
		}
		this.#told = { phase, done, total, at };
		return true;
	}

	#endAside(): void {
		if (this.#aside === undefined) return;
		const spent = this.#now() - this.#aside.since;
		this.#asideBefore += spent;
		this.#count.pause(spent);
		this.#aside = undefined;
	}

	#start({ total = 0, done = 0, limit }: StepWork): void {
		this.#started = true;
		this.#begun = this.#now();
		this.#aside = undefined;
		this.#asideBefore = 0;
		this.#told = undefined;
		this.#count = new Count(total, done);
		this.#limit = limit === undefined ? undefined : this.#begun + limit;
	}

	/** How long the evaluations of the step still take: at their own speed of late, or before there is one as expected. */
	#countLeft(): number | undefined {
		const known = this.#count.secondsLeft ?? this.#expectedLeft();
		if (known === undefined || this.#limit === undefined) return known;
		return Math.min(known, Math.max(0, this.#limit - this.#now()));
	}

	#expectedLeft(): number | undefined {
		const { evaluations } = this.#expected.get(this.#name) ?? {};
		return evaluations === undefined ? undefined : evaluations * this.#slower * this.#count.shareLeft;
	}

	/** What this step shows of the speed of evaluations. */
	#learn(): void {
		const { evaluations } = this.#expected.get(this.#name) ?? {};
		const { measured, planned, secondsEach } = this.#count;
		if (!evaluations || measured < enoughMeasured || secondsEach === undefined) return;
		this.#slower = Math.min(farthest, Math.max(1 / farthest, (secondsEach * planned) / evaluations));
	}

	/** Time left of this step: what is counted and the rest of the other work, or the rest of the expected time. */
	#stepLeft(left: number | undefined, counted: boolean): number | undefined {
		const time = this.#expected.get(this.#name);
		if (counted) return left === undefined ? undefined : left + Math.max(0, (time?.other ?? 0) - this.#asideBefore);
		if (!time) return this.#at === this.#steps.length - 1 ? left : undefined;
		const phases = this.#phasesLeft(time, left);
		if (phases !== undefined) return phases;
		const known = this.#secondsOf(time) - (this.#now() - this.#begun);
		return Math.max(left ?? 0, known);
	}

	/** The same of a step whose phases are known, while it is at one of them: what is left of that one, and those after it. */
	#phasesLeft({ phases = [] }: StepTime, left: number | undefined): number | undefined {
		const at = phases.findIndex(({ phase }) => phase === this.#aside?.phase);
		if (at < 0) return undefined;
		const { seconds, repeated }: PhaseTime = phases[at]!;
		const expected = Math.max(0, seconds - (this.#now() - this.#aside!.since));
		const here = left === undefined || repeated ? Math.max(left ?? 0, expected) : left;
		return phases.slice(at + 1).reduce((sum, later) => sum + later.seconds, here);
	}

	#secondsOf({ evaluations = 0, other = 0 }: StepTime): number {
		return evaluations * this.#slower + other;
	}

	#tell({ phase, done, total, unit, tokensPerSecond }: Work, left?: number): void {
		const counted = unit === "candidates" || unit === "questions";
		const later = this.#steps.slice(this.#at + 1).map((step) => this.#expected.get(step));
		const here = this.#stepLeft(left, counted);
		const inAll = later.reduce<number | undefined>(
			(sum, time) => (sum === undefined || !time ? undefined : sum + this.#secondsOf(time)),
			here,
		);
		const event: ProgressEvent = {
			...{ step: this.#at + 1, steps: this.#steps.length, name: this.#name, phase, done, total, unit },
			...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
			...(left === undefined ? {} : { secondsLeft: left }),
			...(inAll === undefined ? {} : { secondsLeftInAll: inAll }),
		};
		this.#options.onProgress?.(event);
	}

	get #name(): StepName {
		return this.#steps[this.#at]!;
	}
}
