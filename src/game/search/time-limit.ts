// When a search that was given a time ends, and how much it still begins.
import type { AutoOptions } from "./auto-method.js";

/**
 * Ends a search once so many seconds are over, and lets no batch begin that would take longer than what is left of them.
 * @param seconds no limit where it is not given
 * @param secondsPerMask what a mask takes, as far as is known by now
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

/** Masks that fit into a time; any number where nothing says how long one takes. */
export function masksIn(seconds: number, secondsPerMask: number | undefined): number {
	return secondsPerMask === undefined || !(secondsPerMask > 0)
		? Number.POSITIVE_INFINITY
		: Math.max(0, Math.floor(seconds / secondsPerMask));
}
