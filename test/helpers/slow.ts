/**
 * Whether tests run that are too slow for every change, `it.runIf(thorough)(...)`: `npm run test:full` sets it
 * (vitest.full.config.ts), `npm test` counts them as skipped.
 */
export const thorough = process.env.PRUNE_GGUF_TEST_FULL === "1";

/** Rows of a table of slow tests: all of them if tests are thorough, else the first ones. */
export function firstOf<T>(count: number, rows: readonly T[]): T[] {
	return thorough ? [...rows] : rows.slice(0, count);
}
