// Ends a search with a time limit, and bounds the batch that it still begins.
import type { AutoOptions } from "./auto-method.js";

/**
 * Ends a search when the seconds are over. No batch begins that would take longer than the time left.
 * @param seconds no limit if undefined
 * @param secondsPerMask time of one coalition, as far as it is known
 * @param now clock, seconds
 */
export function timeLimit(
	seconds: number | undefined,
	secondsPerMask: () => number | undefined,
	now: () => number,
): Pick<AutoOptions, "stop" | "fits"> {
	if (seconds === undefined) return {};
	const end = now() + seconds;
	return {
		stop: () => now() >= end,
		fits: () => masksIn(end - now(), secondsPerMask()),
	};
}

/** Coalitions that fit into a time; any number if the time of one is unknown. */
export function masksIn(seconds: number, secondsPerMask: number | undefined): number {
	return secondsPerMask === undefined || !(secondsPerMask > 0)
		? Number.POSITIVE_INFINITY
		: Math.max(0, Math.floor(seconds / secondsPerMask));
}
