import { describe, expect, it } from "vitest";
import { excess, isWithin, parityText, parityTolerance, worstOf } from "../../../src/pipeline/session/parity.js";
import type { Parity } from "../../../src/pipeline/session/parity-pairs.js";

const one = (more: Partial<Parity> = {}): Parity => ({ removed: [], device: 3, cpu: 3, divergence: 0, ...more });
const { loss, divergence } = parityTolerance;

describe("what the parity gate judges", () => {
	it.each<[string, Parity, boolean]>([
		["the same", one(), true],
		["a loss just within", one({ device: 3 + 0.99 * loss }), true],
		["a loss just beyond", one({ device: 3 + 1.01 * loss }), false],
		["a lower loss just beyond", one({ device: 3 - 1.01 * loss }), false],
		["a divergence just within", one({ divergence: 0.99 * divergence }), true],
		["a divergence just beyond, with the same loss", one({ divergence: 1.01 * divergence }), false],
		["a divergence below 0, of rounding", one({ divergence: -1e-9 }), true],
		["no finite loss on the device", one({ device: null, divergence: null }), false],
		["no finite loss on the CPU", one({ cpu: null, divergence: null }), false],
		["no finite divergence", one({ divergence: null }), false],
		["no finite loss on either", one({ device: null, cpu: null, divergence: null }), true],
		["a loss that is no number", one({ device: Number.NaN }), false],
		["a divergence that is no number", one({ divergence: Number.NaN }), false],
	])("%s", (_, found, allowed) => {
		expect(isWithin(found)).toBe(allowed);
		// Wherever it stands among others, it decides.
		const good = one({ divergence: 1e-6 });
		for (const list of [
			[found, good],
			[good, found],
		])
			expect(isWithin(worstOf(list))).toBe(allowed);
	});

	it("is counted in shares of what is allowed", () => {
		expect(excess(one({ device: 3 + loss / 2 }))).toBeCloseTo(0.5, 10);
		expect(excess(one({ device: 3 + loss / 2, divergence: 2 * divergence }))).toBeCloseTo(2, 10);
	});

	it("is said in words, also if nothing or only a part was compared", () => {
		expect(parityText([])).toBe("not compared with the CPU, since memory does not hold the model");
		expect(parityText([one({ removed: [4, 5, 6] })])).toMatch(/ from the CPU, without blocks 4-6: memory does not hold all$/);
		expect(parityText([one(), one({ removed: [4] })])).toMatch(/ from the CPU$/);
	});
});
