import { SingleBar } from "cli-progress";
import { formatBytes, formatDuration, formatInteger } from "../report/format.js";
import type { ProgressEvent } from "./api.js";
import { printable } from "./printable.js";

/** Where progress goes: standard error. */
export interface ProgressStream {
	write(text: string): unknown;
	readonly isTTY?: boolean | undefined;
	readonly columns?: number | undefined;
}

/** How progress is shown. */
export interface ProgressOptions {
	readonly stream: ProgressStream;
	/** Shows no progress at all. @default false */
	readonly quiet?: boolean;
	/** Milliseconds, for tests. @default the clock */
	readonly now?: () => number;
}

/** Without a terminal a line comes with every tenth, but not sooner than the first and not later than the second of these (milliseconds). */
const LINE_PAUSE = 3_000;
const LINE_INTERVAL = 30_000;
const TENTHS = 10;
const DEFAULT_COLUMNS = 80;

/** Shows how far a job is: a bar on a terminal, a line per 10 % or 30 s elsewhere, nothing where quiet. */
export class ProgressReporter {
	readonly #stream: ProgressStream;
	readonly #quiet: boolean;
	readonly #now: () => number;
	#phase: string | undefined;
	#bar: SingleBar | undefined;
	#tenth = -1;
	#lastLine: number | undefined;

	constructor({ stream, quiet = false, now = () => performance.now() }: ProgressOptions) {
		this.#stream = stream;
		this.#quiet = quiet;
		this.#now = now;
	}

	/** Takes news of a job. */
	update(event: ProgressEvent): void {
		if (this.#quiet) return;
		if (event.phase !== this.#phase) this.#begin(event.phase);
		const shown = { ...event, phase: printable(event.phase) };
		if (this.#stream.isTTY) this.#draw(shown);
		else this.#writeLine(shown);
	}

	/** Writes text, made printable, on lines of its own without tearing the bar. */
	print(text: string): void {
		// The bar is drawn again within a fifth of a second.
		const clear = this.#bar ? "\r\u001b[K" : "";
		this.#stream.write(`${clear}${printable(text.endsWith("\n") ? text : `${text}\n`)}`);
	}

	/** Ends the bar and leaves the terminal as it was. Idempotent. */
	stop(): void {
		this.#bar?.stop();
		this.#bar = undefined;
		this.#phase = undefined;
	}

	#begin(phase: string): void {
		this.stop();
		this.#phase = phase;
		this.#tenth = -1;
	}

	#draw(event: ProgressEvent): void {
		if (this.#bar) {
			this.#bar.setTotal(event.total);
			this.#bar.update(event.done, { event });
			return;
		}
		this.#bar = new SingleBar({
			stream: this.#stream as NodeJS.WritableStream,
			format: (_options, _params, payload: { event: ProgressEvent }) => barLine(payload.event, this.#stream.columns ?? DEFAULT_COLUMNS),
			clearOnComplete: true,
			forceRedraw: true,
			fps: 5,
			linewrap: true,
			gracefulExit: false,
			emptyOnZero: true,
		});
		this.#bar.start(event.total, event.done, { event });
	}

	#writeLine(event: ProgressEvent): void {
		const tenth = event.total > 0 ? Math.floor((TENTHS * event.done) / event.total) : 0;
		const now = this.#now();
		const since = now - (this.#lastLine ?? Number.NEGATIVE_INFINITY);
		if (since < (tenth > this.#tenth ? LINE_PAUSE : LINE_INTERVAL)) return;
		this.#tenth = Math.max(tenth, this.#tenth);
		this.#lastLine = now;
		this.#stream.write(`${progressText(event)}\n`);
	}
}

/** `search: 120/800 masks (15 %), 3,210 tokens/s, 1 min 20 s left`. */
export function progressText(event: ProgressEvent): string {
	const { phase, done, total, unit } = event;
	const share = unit === "percent" || total <= 0 ? "" : ` (${Math.floor((100 * done) / total)} %)`;
	return `${phase}: ${[`${amountText(done, total, unit)}${share}`, ...rates(event)].join(", ")}`;
}

/** The same with a bar, cut to the terminal's width. */
export function barLine(event: ProgressEvent, columns: number): string {
	const { phase, done, total, unit } = event;
	const tail = [amountText(done, total, unit), ...rates(event)].join("  ");
	const room = columns - 1 - phase.length - tail.length - 6;
	if (room < 5) return `${phase}  ${tail}`.slice(0, Math.max(0, columns - 1));
	const width = Math.min(40, room);
	const full = total > 0 ? Math.round(width * Math.min(1, done / total)) : 0;
	return `${phase}  [${"#".repeat(full)}${".".repeat(width - full)}]  ${tail}`;
}

function amountText(done: number, total: number, unit: ProgressEvent["unit"]): string {
	if (unit === "percent") return `${total > 0 ? Math.floor((100 * done) / total) : 0} %`;
	if (unit === "bytes") return `${formatBytes(done)} of ${formatBytes(total)}`;
	return `${formatInteger(done)}/${formatInteger(total)} ${unit}`;
}

/** Saved: of the block executions that masks one by one would take. */
function rates({ tokensPerSecond, secondsLeft, blocksDone, blocksSaved }: ProgressEvent): string[] {
	const parts: string[] = [];
	if (tokensPerSecond !== undefined && Number.isFinite(tokensPerSecond)) parts.push(`${formatInteger(tokensPerSecond)} tokens/s`);
	if (blocksDone !== undefined && blocksSaved !== undefined && blocksSaved > 0)
		parts.push(`${Math.floor((100 * blocksSaved) / (blocksDone + blocksSaved))} % saved`);
	if (secondsLeft !== undefined && Number.isFinite(secondsLeft)) parts.push(`${formatDuration(secondsLeft)} left`);
	return parts;
}
