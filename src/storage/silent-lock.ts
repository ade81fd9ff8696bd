// Whether the holder of a lock that cannot be asked is gone.
import { statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds. */
export const lockTimes = {
	/** Between two touches of a lock by its holder. */
	touch: 60_000,
	/** Without a touch, after which a lock may be left behind. */
	silent: 600_000,
	/** For which a lock must then be seen without a touch: longer than its holder pauses, who may be busy. */
	watch: 90_000,
};

/** Holders that were watched and are gone: one process touches all of its locks. */
const gone = new Set<string>();

/** Whether its holder has not touched it for long, by the clocks: those of two machines differ, and one may jump. */
export function isSilent(lockPath: string): boolean {
	const touched = touchedAt(lockPath);
	return touched === undefined || Date.now() - touched > lockTimes.silent;
}

/**
 * Watches a silent lock for longer than a live holder leaves it untouched. A clock that jumped, another machine's clock, or a machine that
 * slept makes a live lock look silent.
 * @param owner what the lock says of its holder
 * @returns whether it can be taken over: false once it is touched, gone or another one's
 * @throws the signal's reason once it is aborted
 */
export async function staysSilent(lockPath: string, owner: string, signal?: AbortSignal): Promise<boolean> {
	const before = touchedAt(lockPath);
	if (before === undefined) return false;
	if (gone.has(owner)) return true;
	for (const until = performance.now() + lockTimes.watch; performance.now() < until; ) {
		await delay(Math.min(1000, lockTimes.watch / 5), undefined, { signal }).catch(() => {});
		signal?.throwIfAborted();
		if (touchedAt(lockPath) !== before) return false;
	}
	gone.add(owner);
	return true;
}

/** When it was last touched, in milliseconds since 1970; undefined if it is not there. */
export function touchedAt(lockPath: string): number | undefined {
	return statSync(lockPath, { throwIfNoEntry: false })?.mtimeMs;
}
