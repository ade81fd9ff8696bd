// A run whose limit of time the usual text takes too much of: it draws half of the text, and has the rest of the time for candidates.
import { logger } from "../../api/logger.js";
import { type PruneJob, settledJob } from "../preflight/job.js";
import { defaultWindows } from "../session/calibration-windows.js";
import type { Session } from "../session/session.js";
import { SlowTextError } from "../session/text-limit.js";

/** Windows of such a run: those that the search has by default. */
const fewWindows = 5;
/** What share of the limit drawing the usual text may take. */
const textShare = 1 / 6;

/** A session, and the job that it was opened for. */
export interface Opened {
	readonly session: Session;
	readonly options: PruneJob;
}

/**
 * Opens a session. If drawing its text takes more than a sixth of `maxTime`, and nobody asked for so many windows, it has half of them; a note says so, and what is written down and printed names them.
 * @param open what opens it, with the seconds that drawing text may take
 */
export async function openInTime(options: PruneJob, open: (options: PruneJob, textSeconds?: number) => Promise<Session>): Promise<Opened> {
	const { maxTime, windows } = options;
	if (maxTime === undefined || windows !== undefined) return { session: await open(options), options };
	try {
		return { session: await open(options, textShare * maxTime), options };
	} catch (error) {
		if (!(error instanceof SlowTextError)) throw error;
		const seconds = Math.ceil(error.seconds);
		logger(options)(
			"note",
			`--max-time is short: drawing ${defaultWindows} windows of text for each purpose takes about ${seconds}s, so there are ${fewWindows}`,
		);
		const less = settledJob(options, { windows: fewWindows });
		return { session: await open(less), options: less };
	}
}
