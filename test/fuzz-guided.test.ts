import { describe, expect, it } from "vitest";
import { thorough } from "./helpers/slow.js";

// Readers within this process, each on a few hundred damaged inputs. `npm run fuzz -- --minutes N` goes on for as long as it is told.

interface Guided {
	readonly TARGET_NAMES: readonly string[];
	fuzzGuided(options: { target: string; cases: number; seed: number }): Promise<{
		cases: number;
		accepted: number;
		codes: Record<string, number>;
		faults: object[];
	}>;
}
const { fuzzGuided, TARGET_NAMES } = (await import(new URL("../scripts/fuzz/guided.mjs", import.meta.url).href)) as Guided;
const cases = thorough ? 5000 : 300;

describe("damaged inputs are read, or refused with an error that is meant", () => {
	it.each(TARGET_NAMES)(
		"%s",
		async (target) => {
			const result = await fuzzGuided({ target, cases, seed: 11 });
			expect(result.faults).toEqual([]);
			expect(result.cases).toBe(cases);
			// Both happen, or nothing was tried.
			expect(result.accepted).toBeGreaterThan(0);
			expect(Object.values(result.codes).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
		},
		600_000,
	);
});
