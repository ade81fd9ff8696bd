// The evaluations of one step, which come in batches.

/** A batch, as far as it is. */
interface Batch {
	readonly phase: string;
	readonly done: number;
	readonly total: number;
}

/**
 * After so many evaluations what was before them counts half: a share of all that is planned, and at least so many. The speed of all the
 * work would be wrong for long once the machine has become slower.
 */
const halfShare = 0.1;
const halfAtLeast = 8;

/** Adds up batches: what is done never falls, and is never more than there is. */
export class Count {
	readonly #known: number;
	#total: number;
	/** Of the batches that are over. */
	#before = 0;
	#batch: Batch = { phase: "", done: 0, total: 0 };
	/** When the last news came. */
	#last: number | undefined;
	/** Recent work: evaluations, and seconds that they took. Older work counts ever less. */
	#recent = { done: 0, seconds: 0 };

	/** @param planned at most, as far as is known; batches beyond it make it grow. @param known done before */
	constructor(planned = 0, known = 0) {
		this.#total = Math.max(planned, known);
		this.#known = known;
	}

	/** Takes news of a batch. One begins where nothing of it is done. @param now seconds */
	take(batch: Batch, now: number): void {
		const { phase, done, total } = batch;
		const before = this.measured;
		if (done === 0 || phase !== this.#batch.phase || total !== this.#batch.total || done < this.#batch.done) {
			this.#before += this.#batch.done;
			this.#total = Math.max(this.#total, this.#known + this.#before + total);
		}
		this.#batch = batch;
		if (this.#last !== undefined) this.#learn(this.measured - before, now - this.#last);
		this.#last = now;
	}

	/** Takes the time of evaluations, that of other computing before them with it. */
	#learn(done: number, seconds: number): void {
		const kept = 0.5 ** (done / Math.max(halfAtLeast, halfShare * this.planned));
		this.#recent = { done: kept * this.#recent.done + done, seconds: kept * this.#recent.seconds + seconds };
	}

	/** Of this run. */
	get measured(): number {
		return this.#before + this.#batch.done;
	}

	/** That this run measures at most. */
	get planned(): number {
		return this.#total - this.#known;
	}

	get amount(): { readonly done: number; readonly total: number } {
		return { done: this.#known + this.measured, total: this.#total };
	}

	get shareLeft(): number {
		return this.planned === 0 ? 0 : 1 - this.measured / this.planned;
	}

	/** Leaves out seconds that went to other work; nothing before the first batch. */
	pause(seconds: number): void {
		if (this.#last !== undefined) this.#last += seconds;
	}

	/** Seconds that an evaluation took of late; undefined where nothing is measured yet. */
	get secondsEach(): number | undefined {
		const { done, seconds } = this.#recent;
		return done === 0 || seconds <= 0 ? undefined : seconds / done;
	}

	/** At the speed of late. */
	get secondsLeft(): number | undefined {
		const each = this.secondsEach;
		return each === undefined ? undefined : each * (this.planned - this.measured);
	}
}
