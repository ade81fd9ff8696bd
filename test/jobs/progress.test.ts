import { describe, expect, it } from "vitest";
import type { ProgressEvent, StepName } from "../../src/api/index.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { compareMethods } from "../../src/jobs/compare/compare.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { firstOf } from "../helpers/slow.js";

const { out } = ownHomes();
const { report: _, speed, samples, ...text } = small;
const healed = { tokens: 1024 };

/** Events of a job, and the steps with an estimate of the whole job. */
async function estimatedIn(run: (onProgress: (event: ProgressEvent) => void) => Promise<unknown>): Promise<Set<StepName>> {
	const events: ProgressEvent[] = [];
	await run((event) => events.push(event));
	for (const { steps, secondsLeftInAll = 0 } of events) {
		expect(steps).toBeLessThanOrEqual(5);
		expect(Number.isFinite(secondsLeftInAll)).toBe(true);
	}
	return new Set(events.filter(({ secondsLeftInAll }) => secondsLeftInAll !== undefined).map(({ name }) => name));
}

describe("the time of a whole job is estimated", () => {
	it("in a comparison", async () => {
		const options = { ...text, methods: ["first", "last"], removeBlocks: [2] } as const;
		const steps = await estimatedIn((onProgress) => compareMethods(fixturePath, { ...options, onProgress }));
		expect(steps).toContain("Searching");
		expect(steps).toContain("Scoring");
	});

	it("in a frontier", async () => {
		const options = { ...text, maxBlocks: 1, search: { method: "first" }, quantize: { types: ["Q4_0"] } } as const;
		const steps = await estimatedIn((onProgress) => findFrontier(fixturePath, { ...options, onProgress }));
		expect(steps).toContain("Searching");
		expect(steps).toContain("Comparing finalists");
		expect(steps).toContain("Measuring");
	});

	it.each(
		firstOf(2, [
			["as it is", {}, ["Writing and verifying"]],
			["with a limit", { limits: { maxPplRatio: 1e9 } }, ["Comparing with the original", "Writing and verifying"]],
			["healed", { heal: healed }, ["Healing", "Writing and verifying"]],
			["healed and quantized", { heal: healed, quantize: { type: "Q4_0" } }, ["Healing", "Writing and verifying"]],
		] as const),
	)("of a model that is written %s", async (_name, more, names) => {
		const run = (onProgress: (event: ProgressEvent) => void) =>
			applyPlan(fixturePath, out(), { ...("limits" in more ? text : {}), threads: 2, remove: [3], ...more, onProgress });
		expect(await estimatedIn(run)).toEqual(new Set(names));
	});

	it("in a run that heals and quantizes", async () => {
		const more = { remove: [3], heal: healed, quantize: { type: "Q4_0" } } as const;
		const steps = await estimatedIn((onProgress) => pruneGguf(fixturePath, out(), { ...small, ...more, onProgress }));
		expect(steps).toEqual(new Set(["Healing", "Writing and verifying"]));
	});
});
