// A run whose limit of time the usual text takes too much of: it draws less, and has the rest of the time for candidates.
import { logger } from "../../api/logger.js";
import { type PruneJob, settledJob } from "../preflight/job.js";
import { fewWindows } from "../session/calibration-windows.js";
import type { Session } from "../session/session.js";
import { SlowTextError } from "../session/text-limit.js";

/** What share of the limit drawing the usual text may take. */
const textShare = 1 / 6;

/** A session, and the job that it was opened for. */
export interface Opened {
	readonly session: Session;
	readonly options: PruneJob;
}

/**
 * Opens a session. If drawing its text takes more than a sixth of `maxTime`, it has fewer windows; a note says so, and what is written down and
 * printed names them. Windows that were asked for, or that follow from a context, stay.
 * @param open what opens it, with the seconds that drawing text may take
 */
export async function openInTime(options: PruneJob, open: (options: PruneJob, textSeconds?: number) => Promise<Session>): Promise<Opened> {
	const { maxTime, windows } = options;
	if (maxTime === undefined || windows !== undefined) return { session: await open(options), options };
	try {
		return { session: await open(options, textShare * maxTime), options };
	} catch (error) {
		if (!(error instanceof SlowTextError)) throw error;
		logger(options)("note", `--max-time is short for the usual amount of self-generated text: the run has --windows ${fewWindows}`);
		const less = settledJob(options, { windows: fewWindows });
		return { session: await open(less), options: less };
	}
}
