// Self-generated text within a limit of time: a run whose text takes too much of it, or all, says so before it has drawn it.
import { InvalidOptionError } from "../../errors.js";

/** Drawing the text would take longer than a run has for it. */
export class SlowTextError extends Error {
	constructor() {
		super("drawing the text would take too long");
		this.name = "SlowTextError";
	}
}

/** Share of the text after which the rest is drawn in any case: drawing less from the beginning would take as long. */
const nearlyDrawn = 1 / 3;

/** How long drawing may take. */
export interface DrawingLimit {
	/** By when it must be done, milliseconds since 1970. @default no limit */
	readonly until?: number | undefined;
	/** Seconds beyond which less text is wanted ({@link SlowTextError}). @default no limit */
	readonly most?: number | undefined;
}

/** Seconds of drawing after which its pace is believed. */
const settled = 1;

/** How drawing is stopped, and what it is told. */
export interface DrawingWatch {
	readonly signal: AbortSignal | undefined;
	readonly onProgress: (done: number, total: number) => void;
}

/**
 * Watches how text is drawn; one that will not be drawn in time is given up.
 * @param now clock, milliseconds since 1970
 */
export function watchDrawing({ until, most }: DrawingLimit, signal: AbortSignal | undefined, now = Date.now): DrawingWatch {
	if (until === undefined) return { signal, onProgress: () => {} };
	const stop = new AbortController();
	const begun = now();
	const onProgress = (done: number, total: number) => {
		const seconds = (now() - begun) / 1000;
		if (done <= 0 || seconds < settled) return;
		const needed = (seconds * total) / done;
		if (most !== undefined && needed > most && done < nearlyDrawn * total) return stop.abort(new SlowTextError());
		if (begun + 1000 * needed <= until) return;
		const least = Math.ceil(needed);
		stop.abort(
			new InvalidOptionError(
				`max-time is too short: the self-generated text alone takes about ${least}s here, and ${Math.max(0, Math.floor((until - begun) / 1000))}s were left for it. Give at least ${least}s and the time to measure a candidate, fewer --windows, or a text with --calibration`,
			),
		);
	};
	return { signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal, onProgress };
}
