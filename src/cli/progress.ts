import type { ProgressEvent } from "./api.js";
import { printable } from "./printable.js";
import { cut, progressText } from "./progress-text.js";

/** Where progress goes: standard error. */
export interface ProgressStream {
	write(text: string): unknown;
	readonly isTTY?: boolean | undefined;
	readonly columns?: number | undefined;
}

/** How progress is shown. */
export interface ReporterOptions {
	readonly stream: ProgressStream;
	/** Shows no progress at all. @default false */
	readonly quiet?: boolean;
	/** Whether a line can be drawn again. @default whether the stream is a terminal */
	readonly redraws?: boolean;
	/** Milliseconds, for tests. @default the clock */
	readonly now?: () => number;
}

/** Milliseconds between two drawings of the line: time left counts down also where nothing else happens. */
const drawPause = 200;
/** Without a terminal a line comes after so many milliseconds at most, and with a tenth of a step after so many at least. */
const longest = 10_000;
const shortest = 3_000;
/** One without news, of which only the time left is another, comes after so many. */
const unchanged = 60_000;
const tenths = 10;
const usualColumns = 80;
/** Goes to the beginning of the line, and empties it. */
const emptied = "\r\u001b[K";

/** Shows how far a job is: one line that is drawn again on a terminal that can do so, a line now and then elsewhere, nothing where quiet. */
export class ProgressReporter {
	readonly #stream: ProgressStream;
	readonly #quiet: boolean;
	readonly #redraws: boolean;
	readonly #now: () => number;
	#event: ProgressEvent | undefined;
	/** When the event came, and when something was written last. */
	#came = 0;
	#written = Number.NEGATIVE_INFINITY;
	#tenth = 0;
	/** Candidates of the step when it began. */
	#planned = 0;
	/** What the last line without a terminal told, but for the time left. */
	#told = "";
	/** What stands on the terminal. */
	#line = "";
	#timer: NodeJS.Timeout | undefined;

	constructor({ stream, quiet = false, redraws = stream.isTTY ?? false, now = () => performance.now() }: ReporterOptions) {
		this.#stream = stream;
		this.#quiet = quiet;
		this.#redraws = redraws;
		this.#now = now;
	}

	/** Takes news of a job. */
	update(event: ProgressEvent): void {
		if (this.#quiet) return;
		const begins = event.step !== this.#event?.step;
		this.#event = event;
		this.#came = this.#now();
		if (!this.#timer) {
			this.#timer = setInterval(() => this.#tick(), drawPause);
			// A line does not keep the process alive.
			this.#timer.unref();
		}
		if (begins) {
			this.#tenth = tenthOf(event);
			this.#planned = event.total;
		}
		if (this.#redraws) {
			if (begins || this.#since() >= drawPause) this.#draw();
		} else if (this.#hasNews() && (begins || this.#isDue())) this.#writeLine();
	}

	/** Writes text, made printable, on lines of its own without tearing the line of progress, which comes below it. */
	print(text: string): void {
		const shown = printable(text.endsWith("\n") ? text : `${text}\n`);
		const line = this.#line;
		this.#stream.write(`${line === "" ? "" : emptied}${shown}${line}`);
	}

	/** Ends the line and leaves the terminal as it was. Idempotent. */
	stop(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
		if (this.#line !== "") this.#stream.write(emptied);
		this.#line = "";
		this.#event = undefined;
	}

	#tick(): void {
		if (this.#redraws) this.#draw();
		else if (this.#since() >= (this.#hasNews() ? longest : unchanged)) this.#writeLine();
	}

	#draw(): void {
		const line = cut(this.#text(), (this.#stream.columns || usualColumns) - 1);
		this.#written = this.#now();
		if (line === this.#line) return;
		this.#line = line;
		this.#stream.write(`${emptied}${line}`);
	}

	#isDue(): boolean {
		return this.#since() >= (tenthOf(this.#event!) > this.#tenth ? shortest : longest);
	}

	#hasNews(): boolean {
		return this.#told !== this.#news();
	}

	#writeLine(): void {
		this.#told = this.#news();
		this.#written = this.#now();
		this.#tenth = tenthOf(this.#event!);
		this.#stream.write(`${this.#text()}\n`);
	}

	/** What is left has become less since the event came. */
	#text(): string {
		return progressText(this.#event!, (this.#now() - this.#came) / 1000, this.#isGrown());
	}

	/** The line without the time left. */
	#news(): string {
		const { secondsLeft: _here, secondsLeftInAll: _all, ...event } = this.#event!;
		return progressText(event, 0, this.#isGrown());
	}

	/** Names within a search are no news to people. */
	#isGrown(): boolean {
		const { name, total, unit } = this.#event!;
		return unit === "candidates" && name !== "Searching" && this.#planned > 0 && total > this.#planned;
	}

	#since(): number {
		return this.#now() - this.#written;
	}
}

function tenthOf({ done, total }: ProgressEvent): number {
	return total > 0 ? Math.floor((tenths * done) / total) : 0;
}
