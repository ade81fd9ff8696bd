import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { stoppedByGate } from "../helpers/kept.js";

const { folder, out } = ownHomes();
// The file's own matrices are Q8_0.
const options = {
	...{ ...small, windows: 10, windowLength: 128 },
	...{ search: { method: "leave-one-out" }, heal: { tokens: 2048, type: "F16" } },
} satisfies PruneOptions;

describe("a size with healing", () => {
	it("counts what the healed matrices take", async () => {
		const made = out();
		await applyPlan(fixturePath, made, { remove: [3, 6], threads: 2 });
		const plain = (await GgufFile.read(made)).size;
		const { heal } = await pruneGguf(fixturePath, undefined, {
			...options,
			...{ heal: { tokens: 6144, type: "F16" }, search: {}, remove: [3, 6] },
		}).then(({ plan }) => plan!);
		const size = plain + heal!.addedBytes;
		expect(size).toBeGreaterThan(plain);
		const at = await pruneGguf(fixturePath, out(), { ...options, targetSize: size });
		expect(at.plan!.removed).toHaveLength(2);
		expect(at.output!.size).toBeLessThanOrEqual(size);
		const below = await pruneGguf(fixturePath, out(), { ...options, targetSize: plain });
		expect(below.plan!.removed).toHaveLength(3);
		expect(below.output!.size).toBeLessThanOrEqual(plain);
	});

	it("and a limit that contradict one another end with code 3", async () => {
		const made = out();
		const error = await stoppedByGate(
			made,
			folder,
			pruneGguf(fixturePath, made, { ...options, targetSize: 2e6, limits: { maxPplRatio: 1.05 } }),
		);
		expect(error.message).toMatch(/2.0 MB needs more than the limits allow/);
	});
});
