import { describe, expect, it } from "vitest";
import { InvalidPlanError } from "../../src/errors.js";
import { healFromV1, planFromV1 } from "../../src/storage/plan-v1.js";
import { parsePlan } from "../../src/storage/plan.js";
import { v1Text } from "../helpers/version-1.js";

const losses = { full: { mean: 1, windows: [1] }, removed: { mean: 2, windows: [2] }, difference: 1, standardError: null };
const now = { original: losses.full, pruned: losses.removed, difference: 1, standardError: null };
const split = { source: "self-generated text", sha256: "ab", count: 1, length: 8 };

describe("a plan of version 1", () => {
	it.each<[what: string, old: object, converted: object]>([
		["the version", { version: 1 }, { version: 2 }],
		[
			"splits of the text, and what it is called",
			{ calibration: { search: split, report: { ...split, source: "a.txt" } } },
			{ calibration: { search: { ...split, source: "self-generated text" }, heldOut: { ...split, source: "a.txt" } } },
		],
		["losses of splits", { losses: { validation: losses, report: losses } }, { losses: { validation: now, heldOut: now } }],
		[
			"losses of sources",
			{ losses: { search: { ...losses, sources: [{ source: "a", full: 1, removed: 2 }] } } },
			{ losses: { search: { ...now, sources: [{ source: "a", original: 1, pruned: 2 }] } } },
		],
		[
			"the metric",
			{
				objective: {
					name: "kl",
					folds: { report: { ...losses, figures: { nll: { full: 1, removed: 2 }, agreement: { full: 1, removed: 0.5 } } } },
				},
			},
			{
				metric: {
					name: "kl",
					splits: { heldOut: { ...now, figures: { loss: { original: 1, pruned: 2 }, agreement: { original: 1, pruned: 0.5 } } } },
				},
			},
		],
		["importance", { contributions: [{ block: 3 }] }, { importance: [{ block: 3 }] }],
		[
			"the surrogate's candidates",
			{ surrogate: { name: "x", trainMasks: 5, heldOutMasks: 2 } },
			{ surrogate: { name: "x", trainCandidates: 5, heldOutCandidates: 2 } },
		],
		["sizes of alternatives", { alternatives: [{ k: 2, removed: [1, 2] }] }, { alternatives: [{ count: 2, removed: [1, 2] }] }],
		["the final comparison", { race: { by: "objective", further: [] } }, { finalComparison: { by: "metric", further: [] } }],
		["its other yardstick", { race: { by: "divergence", further: [] } }, { finalComparison: { by: "divergence", further: [] } }],
		["tied candidates", { equivalent: [{ removed: [1] }] }, { tied: [{ removed: [1] }] }],
		["limits", { gate: { met: true, measured: "mask" } }, { limits: { met: true, measured: "memory" } }],
		["limits of a file", { gate: { met: true, measured: "file" } }, { limits: { met: true, measured: "file" } }],
		["speed", { speed: { through: "mask" } }, { speed: { through: "memory" } }],
		[
			"times",
			{ timings: { load: 1, "quality gate": 2, "healed race": 3, "quantised alternatives": 4 } },
			{ timings: { load: 1, "quality limits": 2, "healed final comparison": 3, "quantized alternatives": 4 } },
		],
		["healing", { heal: { applied: true, report: { before: 2 } } }, { heal: { applied: true, heldOut: { before: 2 } } }],
		["what kept its name", { removed: [1], machine: { report: 1 } }, { removed: [1], machine: { report: 1 } }],
	])("gets the new names: %s", (_, old, converted) => {
		expect(planFromV1(old)).toEqual(converted);
	});

	it.each<[old: object, converted: object]>([
		[
			{ removeBlocks: 3, windows: 10, windowLength: 128, targetSize: 5 },
			{ removeBlocks: 3, windows: 10, windowLength: 128, targetSize: 5 },
		],
		[{ removeFraction: 0.25 }, { removeBlocks: "25%" }],
		[{ removeFraction: 0.07 }, { removeBlocks: "7%" }],
		[{ removeFraction: 1 / 3 }, { removeBlocks: "33.33333333333333%" }],
		[{ targetSpeedup: 1.3 }, { targetSpeedup: 1.3 }],
		[{ targetSpeedup: 1.3, speedupOf: "prompt" }, { targetSpeedup: { prompt: 1.3 } }],
		[
			{ objective: "kl", limit: 50 },
			{ metric: "kl", maxQuestions: 50 },
		],
		[{ objective: "nll" }, { metric: "loss" }],
		[
			{ maxPplRatio: 1.2, maxKl: 0.1, minAccuracy: ["arc_easy=0.45", "a=b=0.5"], ignoreGate: true },
			{ limits: { maxPplRatio: 1.2, maxKl: 0.1, minAccuracy: { arc_easy: 0.45, "a=b": 0.5 }, ignore: true } },
		],
		[
			{ method: "paper", masks: 300, effort: "quick", maxTime: 60, maxTokens: 5, strata: [8, 7], strataPreset: "x", epochs: 2 },
			{
				search: {
					method: "paper",
					maxEvaluations: 300,
					effort: "quick",
					maxTime: 60,
					maxTokens: 5,
					strata: [8, 7],
					strataPreset: "x",
					epochs: 2,
				},
			},
		],
		[
			{ attributionMasks: 9, rounds: 2, workingWeights: "own", ubatch: 512, scoreShare: 0.5, stateType: "F16" },
			{ search: { attributionSamples: 9, rounds: 2, workingWeights: "own", ubatch: 512, scoreShare: 0.5, stateType: "F16" } },
		],
		[{ heal: true }, { heal: true }],
		[{ heal: false }, { heal: false }],
		[
			{ heal: true, healTokens: 6144, healKind: "map", healType: "F16", healHeads: true },
			{ heal: { tokens: 6144, kind: "map", type: "F16", heads: true } },
		],
		[{ quantize: "Q8_0" }, { quantize: "Q8_0" }],
		[{ quantize: "Q8_0", quantizeFrom: "f16.gguf" }, { quantize: { type: "Q8_0", from: "f16.gguf" } }],
		[{ quantizeFrom: "f16.gguf" }, { quantize: { from: "f16.gguf" } }],
	])("says its options as programs give them: %j", (old, converted) => {
		expect(planFromV1({ options: old })).toEqual({ options: converted });
	});

	it.each<[plan: object, place: string]>([
		[{ importance: [] }, "importance"],
		[{ losses: { heldOut: losses } }, "losses.heldOut"],
		[{ losses: { search: { ...losses, original: 1 } } }, "losses.search.original"],
		[{ alternatives: [{ k: 1 }, { count: 1 }] }, "alternatives.1.count"],
	])("has no key of version 2: %j", (plan, place) => {
		expect(() => planFromV1(plan, "p.json")).toThrow(InvalidPlanError);
		expect(() => planFromV1(plan, "p.json")).toThrow(`p.json is not valid:\n  ${place}: unknown key in a plan of version 1`);
	});

	it.each<[plan: object, fault: string]>([
		[{ options: { method: { a: 1 } } }, "options.method: expected text, a number, true, false, null or a list of these"],
		[{ options: { strata: [[1]] } }, "options.strata: expected text"],
		[{ options: { limits: { a: 1 } } }, "options.limits: unknown key"],
		[{ options: { search: "x", method: "auto" } }, "options.search: unknown key"],
		[{ options: { metric: "kl" } }, "options.metric: unknown key"],
		[{ options: { removeBlocks: 3, removeFraction: 0.25 } }, "options.removeFraction: not beside removeBlocks"],
		[{ options: { heal: false, healTokens: 10 } }, "options.healTokens: not beside heal: false"],
		[{ options: { speedupOf: "prompt" } }, "options.speedupOf: only beside targetSpeedup"],
		[{ race: { by: "metric" } }, "race.by: unknown in a plan of version 1, got metric"],
		[{ gate: { measured: "memory" } }, "gate.measured: unknown in a plan of version 1, got memory"],
		[{ speed: { through: "memory" } }, "speed.through: unknown in a plan of version 1, got memory"],
	])("has no nonsense that version 1 did not have: %j", (plan, fault) => {
		expect(() => planFromV1(plan, "p.json")).toThrow(InvalidPlanError);
		expect(() => planFromV1(plan, "p.json")).toThrow(`p.json is not valid:\n  ${fault}`);
	});

	it.each([
		[null],
		[[]],
		["x"],
		[3],
		[{ losses: 5, calibration: [], options: null, alternatives: {}, heal: "x", objective: { folds: 1 } }],
	])("leaves what is of another kind to the check: %j", (value) => expect(() => planFromV1(value)).not.toThrow());

	it("with a long key, or one that a terminal obeys, is refused without repeating it", () => {
		for (const key of ["x".repeat(5000), "a\u001b[2J\nerror: b"]) {
			const read = () => planFromV1({ version: 1, options: { [key]: { a: 1 } } }, "plan.json");
			expect(read).toThrow(InvalidPlanError);
			for (const part of ["x".repeat(200), "\u001b", "\nerror"]) expect(read).not.toThrow(part);
		}
	});

	it("that is nonsense is refused as one of version 2 is", () => {
		const plan = JSON.parse(v1Text("plain.gguf.plan.json"));
		const faulty = (change: object) => () => parsePlan({ ...plan, ...change }, "p.json");
		expect(faulty({})).not.toThrow();
		expect(faulty({ kept: 11 })).toThrow(/^p\.json is not valid \(version 1, with keys named as in version 2\):\n {2}kept: 11, but/);
		expect(faulty({ losses: { report: { ...plan.losses.report, full: 3 } } })).toThrow(/losses\.heldOut\.original: /);
		expect(faulty({ losses: 3 })).toThrow(/losses: /);
		expect(faulty({ extra: 1 })).toThrow(/extra: unknown key/);
	});
});

it("a healing section of another kind stays as it is", () => {
	expect([healFromV1(null), healFromV1("x"), healFromV1({ figure: 2 })]).toEqual([null, "x", { figure: 2 }]);
});
