import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError, InvalidPlanError, OutputExistsError } from "../../src/errors.js";
import { formatPlan, type PlanInput, parsePlan, readPlan, writePlan } from "../../src/storage/plan.js";

const sha256 = "0123456789abcdef".repeat(4);
const plan: PlanInput = {
	format: "prune-gguf-plan",
	version: 2,
	created: "2026-01-02T03:04:05.000Z",
	model: { name: "small.gguf", sha256, architecture: "llama", blocks: 12 },
	removed: [3, 7, 8],
	kept: 9,
	method: "greedy",
	options: { removeBlocks: 3, search: { strata: [8, 9], maxEvaluations: 200 }, limits: { minAccuracy: { arc: 0.5 } }, note: null },
	seed: 0,
	calibration: { search: { source: "self-generated text", sha256, count: 2, length: 128 } },
	losses: {
		search: {
			original: { mean: 2.5, windows: [2, 3] },
			pruned: { mean: null, windows: [3, null] },
			difference: null,
			standardError: null,
		},
	},
	importance: [{ block: 3, value: -0.001, unit: "nats", estimator: "window semivalue" }],
	surrogate: { name: "ridge", trainCandidates: 100, heldOutCandidates: 20, r2: 0.94, spearman: null },
	critical: [{ block: 0, reason: "removing it alone costs 4.2 nats per token" }],
	frozen: [{ block: 11, reason: "tied to the head" }],
	alternatives: [{ count: 1, removed: [7], searchLoss: 2.6 }],
	versions: { "prune-gguf": "0.1.0", "llama.cpp": "v0.5.0 (de3ff81)" },
	backend: "CPU",
	machine: { threads: 2 },
	timings: { search: 1.5 },
	command: "prune-gguf small.gguf out.gguf --remove-blocks 3",
};

/** The plan with one place changed. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
	const copy = structuredClone(plan) as unknown as Record<string | number, unknown>;
	let target = copy;
	for (const key of path.slice(0, -1)) target = target[key] as Record<string | number, unknown>;
	const last = path.at(-1)!;
	if (value === undefined) delete target[last];
	else target[last] = value;
	return copy;
}

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "prune-gguf-plan-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("parsePlan", () => {
	it("accepts a complete plan, unchanged", () => {
		expect(parsePlan(plan)).toEqual(plan);
		const kinds = [
			{ kind: "document", count: 1 },
			{ kind: "news", count: 1 },
		];
		const ofKinds = changed(["calibration", "search", "kinds"], kinds);
		expect(parsePlan(ofKinds)).toEqual(ofKinds);
	});

	it.each<[(string | number)[], unknown, RegExp]>([
		[["format"], "other", /not a plan of prune-gguf/],
		[["version"], 3, /version 3; this program reads versions 1 and 2/],
		[["model", "sha256"], "ABC", /model\.sha256: expected a SHA-256.*"ABC"/],
		[["model", "blocks"], "12", /model\.blocks: .*"12"/],
		[["removed"], undefined, /removed: missing/],
		[["removed", 1], 2.75, /removed\[1\]: expected a whole number, or one and a quarter for an attention part, .+ shifted pair, got 2\.75/],
		[["removed", 1], 2.5, /removed\[1\]: blocks are listed once each, ascending; 2\.5 follows 3/],
		[["removed", 1], 3.5, /removed\[1\]: 3 and 3f-4a share a part/],
		[["removed", 2], 11.5, /removed\[2\]: block 12 is not one of 0\.\.11/],
		[["removed", 1], -1, /removed\[1\]: expected a number of at least 0/],
		[["removed", 2], 12, /removed\[2\]: block 12 is not one of 0\.\.11 \(block numbers are 0-based\)/],
		[["removed", 2], 7, /removed\[2\]: blocks are listed once each, ascending; 7 follows 7/],
		[["kept"], 10, /kept: 10, but removing 3 of 12 blocks keeps 9/],
		[["losses", "search", "original", "windows", 1], "x", /losses\.search\.original\.windows\[1\]: /],
		[["losses", "serach"], {}, /losses\.serach: unknown key/],
		[["remove"], [1], /remove: unknown key/],
		[["alternatives", 0, "count"], 2, /alternatives\[0\]\.count: 2, but 1 blocks are named/],
		[["critical", 0, "block"], 99, /critical\[0\]\.block: block 99/],
		[["versions", "llama.cpp"], undefined, /versions\.llama\.cpp: missing/],
		[["seed"], 1.5, /seed: expected a whole number/],
	])("names the place that is wrong: %j = %j", (path, value, message) => {
		expect(() => parsePlan(changed(path, value), "plan.json")).toThrow(InvalidPlanError);
		expect(() => parsePlan(changed(path, value), "plan.json")).toThrow(message);
		expect(() => parsePlan(changed(path, value), "plan.json")).toThrow(/^plan\.json is/);
	});

	const heal = {
		...{ applied: false, fit: { seed: 0, sha256, count: 2 ** 17, length: 128 }, type: "auto", addedBytes: 0 },
		...{ cuts: [{ before: 2, first: 3, last: 3, recipe: { kind: "refit", ridge: 1, relative: 1 } }], seconds: { text: 0, rest: 0 } },
	};
	const heads = [{ tensor: "blk.4.attn_q.weight", factors: [1] }];

	it.each<[object, RegExp | undefined]>([
		[{}, undefined],
		[{ applied: true }, undefined],
		[{ applied: true, cuts: [], heads }, undefined],
		[{ applied: true, cuts: [] }, /heal\.applied: true, but no cut has a recipe and no heads are named/],
		[
			{ applied: true, cuts: [{ before: 2, first: 3, last: 3, reason: "none" }], heads: [] },
			/heal\.applied: true, but no cut has a recipe/,
		],
		[{ fit: { ...heal.fit, length: 129 } }, /heal\.fit: expected at most 16777216 tokens, count times length/],
		[{ fit: { ...heal.fit, count: 2 ** 24, length: 1 } }, /heal\.fit\.count: expected at most 1048576 windows, got 16777216/],
		[{ fit: { ...heal.fit, count: Number.MAX_SAFE_INTEGER } }, /heal\.fit: expected at most/],
	])("healing that can be done again: %j", (part, message) => {
		const healed = { ...plan, heal: { ...heal, ...part } };
		if (message) expect(() => parsePlan(healed)).toThrow(message);
		else expect(parsePlan(healed)).toHaveProperty("heal.applied", healed.heal.applied);
	});

	it.each([[null], [[]], ["x"], [3], [undefined]])("refuses %j", (value) => {
		expect(() => parsePlan(value)).toThrow(InvalidPlanError);
	});

	it("lists several faults, but not an endless list", () => {
		const broken = { ...plan, removed: Array.from({ length: 20 }, () => "x") };
		expect(() => parsePlan(broken)).toThrow(/removed\[0\][\s\S]*removed\[1\][\s\S]*and 15 more/);
	});

	const messageOf = (value: unknown): string => {
		try {
			parsePlan(value, "plan.json");
		} catch (error) {
			if (error instanceof InvalidPlanError) return error.message;
			throw error;
		}
		return "valid";
	};

	it("does not look at the values of a document that holds more than any plan, in lists or objects", () => {
		const many = "plan.json holds more than 1,000,000 values: no plan does. Check what wrote it.";
		for (const removed of [new Array(2_000_000).fill("x"), new Array(200_000).fill([0, 1, 2, 3, 4])]) {
			expect(messageOf({ ...plan, removed })).toBe(many);
		}
		expect(messageOf({ ...plan, options: Object.fromEntries(Array.from({ length: 1_000_001 }, (_, i) => [i, 0])) })).toBe(many);
	});

	it("does not write out what short texts of sets name without end", () => {
		const started = performance.now();
		expect(messageOf({ ...plan, removed: Array.from({ length: 20_000 }, () => "0-9999").join() })).toMatch(
			/holds more than 1,000,000 values/,
		);
		expect(messageOf({ ...plan, removed: Array.from({ length: 50 }, () => "0-9999").join() })).toMatch(
			/removed: .*names blocks that were named before/,
		);
		const alternative = { count: 10_000, removed: "0-9999", searchLoss: 1 };
		expect(messageOf({ ...plan, alternatives: new Array(40_000).fill(alternative) })).toMatch(/holds more than 1,000,000 values/);
		// They took seconds, or all memory.
		expect(performance.now() - started).toBeLessThan(5000);
	});

	it.each([
		["x", 'removed[0]: Invalid type: Expected number but received "x", got "x"'],
		[0, "removed[1]: blocks are listed once each, ascending; 0 follows 0"],
	])("of a long document says the first fault only: %j", (value, fault) => {
		expect(messageOf({ ...plan, removed: new Array(500_000).fill(value) })).toBe(`plan.json is not valid:\n  ${fault}`);
	});

	it("refuses what is nested without end", () => {
		let deep: unknown = 1;
		for (let i = 0; i < 100_000; i++) deep = [deep];
		expect(messageOf({ ...plan, removed: deep })).toMatch(/nests lists or objects more than 50 deep/);
	});
});

describe("formatPlan", () => {
	it("is JSON with lists of numbers on one line, whatever the plan holds", () => {
		fc.assert(
			fc.property(
				fc.string(),
				fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
				fc.dictionary(fc.string(), fc.string()),
				(name, windows, options) => {
					const parsed = parsePlan({
						...plan,
						method: name || "x",
						options: Object.fromEntries(Object.entries(options).filter(([key]) => key !== "__proto__")),
						losses: { heldOut: { original: { mean: 1, windows }, pruned: { mean: 1, windows }, difference: 0, standardError: 0 } },
					});
					expect(parsePlan(JSON.parse(formatPlan(parsed)))).toEqual(parsePlan(JSON.parse(JSON.stringify(parsed))));
				},
			),
		);
		expect(formatPlan(parsePlan(plan))).toContain('\t"removed": "3, 7-8",\n');
		expect(formatPlan(parsePlan(plan))).toContain('\t\t\t\t"windows": [2, 3]\n');
	});
});

describe("readPlan and writePlan", () => {
	it("round-trip, and never replace silently", async () => {
		const path = join(folder, "plan.json");
		await writePlan(path, plan);
		expect(await readPlan(path)).toEqual(plan);
		await expect(writePlan(path, plan)).rejects.toThrow(OutputExistsError);
		await writePlan(path, { ...plan, seed: 5 }, { overwrite: true });
		expect((await readPlan(path)).seed).toBe(5);
	});

	it("show little of a version that is none", () => {
		const version = "9".repeat(1e6);
		const shownOf = () => parsePlan({ format: "prune-gguf-plan", version });
		expect(shownOf).toThrow(/is a plan of version "9{76}\.\.\.; this program reads/);
	});

	it("do not read a file that is longer than any plan", async () => {
		const path = join(folder, "long.json");
		writeFileSync(path, "");
		truncateSync(path, 5 * 2 ** 30);
		await expect(readPlan(path)).rejects.toThrow(InvalidPlanError);
		await expect(readPlan(path)).rejects.toThrow(/long\.json has 5368709120 bytes: a plan has at most 25165824/);
	});

	it("write nothing that could not be read again", async () => {
		const path = join(folder, "plan.json");
		await expect(writePlan(path, { ...plan, kept: 3 })).rejects.toThrow(InvalidPlanError);
		expect(() => readFileSync(path)).toThrow();
	});

	it("name a file that is missing, and one that is not JSON", async () => {
		await expect(readPlan(join(folder, "none.json"))).rejects.toThrow(FileError);
		const path = join(folder, "plan.json");
		writeFileSync(path, '{"format":');
		await expect(readPlan(path)).rejects.toThrow(InvalidPlanError);
		await expect(readPlan(path)).rejects.toThrow(/plan\.json is not JSON/);
		writeFileSync(path, `\uFEFF${JSON.stringify(plan)}`);
		expect((await readPlan(path)).kept).toBe(9);
	});
});
