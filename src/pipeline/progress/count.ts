// The evaluations of one step, which come in batches.

/** A batch, as far as it is. */
interface Batch {
	readonly phase: string;
	readonly done: number;
	readonly total: number;
}

/** Adds up batches: what is done never falls, and is never more than there is. */
export class Count {
	readonly #known: number;
	#total: number;
	/** Of the batches that are over. */
	#before = 0;
	#batch: Batch = { phase: "", done: 0, total: 0 };
	#first: number | undefined;
	#paused = 0;

	/** @param planned at most, as far as is known; batches beyond it make it grow. @param known done before */
	constructor(planned = 0, known = 0) {
		this.#total = Math.max(planned, known);
		this.#known = known;
	}

	/** Takes news of a batch. One begins where nothing of it is done. @param now seconds */
	take(batch: Batch, now: number): void {
		const { phase, done, total } = batch;
		if (done === 0 || phase !== this.#batch.phase || total !== this.#batch.total || done < this.#batch.done) {
			this.#before += this.#batch.done;
			this.#total = Math.max(this.#total, this.#known + this.#before + total);
		}
		this.#first ??= now;
		this.#batch = batch;
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
		if (this.#first !== undefined) this.#paused += seconds;
	}

	/** Seconds since the first batch began, without other work. */
	spent(now: number): number {
		return this.#first === undefined ? 0 : now - this.#first - this.#paused;
	}

	/** At the speed so far; undefined where nothing is measured yet. */
	secondsLeft(now: number): number | undefined {
		const spent = this.spent(now);
		return this.measured === 0 || spent <= 0 ? undefined : (spent / this.measured) * (this.planned - this.measured);
	}
}
