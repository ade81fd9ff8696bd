// What a run's steps took.

/** Seconds of each step, by its name. */
export type Timings = Record<string, number>;

/** Does a step, and adds its seconds to those of its name. */
export async function timedIn<T>(timings: Timings, name: string, work: () => Promise<T>): Promise<T> {
	const started = Date.now();
	try {
		return await work();
	} finally {
		timings[name] = (timings[name] ?? 0) + (Date.now() - started) / 1000;
	}
}

/** Does work. @returns what it gave, and its seconds */
export async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
	const started = performance.now();
	const result = await work();
	return [result, (performance.now() - started) / 1000];
}
