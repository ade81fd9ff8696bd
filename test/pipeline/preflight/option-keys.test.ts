import { expect, it } from "vitest";
import type { BuildOptions } from "../../../src/api/build.js";
import type { PruneOptions } from "../../../src/api/index.js";
import type { Settings } from "../../../src/api/options/settings.js";
import type { CleanOptions } from "../../../src/api/runs.js";
import { optionTable } from "../../../src/api/options/table.js";
import { amountOption } from "../../../src/cli/coerce-joined.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { buildAddon } from "../../../src/jobs/build.js";
import { cleanRuns } from "../../../src/jobs/clean.js";
import { commandLine } from "../../../src/pipeline/preflight/command-line.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { checkKeys } from "../../../src/pipeline/preflight/option-keys.js";

const nested = Object.entries(optionTable).filter(([name, { path, commands }]) => {
	const prunes = (commands as readonly string[]).includes("prune");
	return prunes && path.split(".")[0] !== name;
});

it.each(nested)("%s, which was the name of an option, is refused with the new one", (name, { path }) => {
	expect(() => checkKeys("prune", { [name]: 1 })).toThrow(InvalidOptionError);
	expect(() => checkKeys("prune", { [name]: 1 })).toThrow(`pruneGguf does not read ${name}: it is now ${path}`);
});

it.each([
	[{ healing: true }, "pruneGguf does not read healing: leave it out"],
	[{ search: { masks: 3 } }, "pruneGguf does not read search.masks: it is now search.maxEvaluations"],
	[{ method: "greedy" }, "pruneGguf does not read method: it is now search.method"],
	[{ limits: 3 }, "pruneGguf: limits is an object with maxPplRatio, maxKl, minAccuracy, questions, ignore"],
])("%j is refused", (options, message) => {
	expect(() => checkKeys("prune", options)).toThrow(message);
});

it.each([
	["prune", { heal: { from: "a.gguf" } }, "pruneGguf does not read heal.from: leave it out"],
	["prune", { heal: { healTokens: 2048 } }, "pruneGguf does not read heal.healTokens: it is now heal.tokens"],
	["prune", { search: { metric: "kl" } }, "pruneGguf does not read search.metric: leave it out"],
	["frontier", { quantize: { type: "Q8_0" } }, "findFrontier does not read quantize.type: leave it out"],
	["frontier", { types: ["Q8_0"] }, "findFrontier does not read types: it is now quantize.types"],
	["rank", { removeFraction: 0.25 }, "rankBlocks does not read removeFraction: leave it out"],
	["compare", { removeFraction: [0.25] }, 'compareMethods does not read removeFraction: it is now removeBlocks: ["25%"]'],
	["clean", { model: "x", olderThan: 30 }, "cleanRuns does not read olderThan: it is now olderThanDays"],
	["evaluate", { text: "a.txt", questions: "q.jsonl" }, "evaluateModel does not read questions: leave it out"],
	["evaluate", { text: "a.txt", maxQuestions: 3 }, "evaluateModel does not read maxQuestions: leave it out"],
	["evaluate", { text: "a.txt", context: 64 }, "evaluateModel does not read context: it is now windowLength"],
	["compare", { output: "a.json" }, "compareMethods does not read output: it is now saveResult"],
	["frontier", { output: "a.json" }, "findFrontier does not read output: it is now saveResult"],
	["prune", { objective: "kl" }, "pruneGguf does not read objective: it is now metric"],
	["rank", { masks: 3 }, "rankBlocks does not read masks: it is now search.maxEvaluations"],
	["prune", { search: { attributionMasks: 3 } }, "pruneGguf does not read search.attributionMasks: it is now search.attributionSamples"],
	["apply", { gateQuestions: ["q.jsonl"] }, "applyPlan does not read gateQuestions: it is now limits.questions"],
	["apply", { ignoreGate: true }, "applyPlan does not read ignoreGate: it is now limits.ignore"],
	["build", { backEnd: "cuda" }, "buildAddon does not read backEnd: it is now backend"],
	["questions", { questions: "q.jsonl", limit: 3 }, "evaluateQuestions does not read limit: it is now maxQuestions"],
	["questions", { questions: "q.jsonl", preset: "full" }, "evaluateQuestions does not read preset: leave it out"],
	["questions", { questions: "q.jsonl", windowLength: 64 }, "evaluateQuestions does not read windowLength: leave it out"],
	["questions", { questions: "q.jsonl", text: "a.txt" }, "evaluateQuestions does not read text: leave it out"],
] as const)("%s refuses %j", (taker, options, message) => {
	expect(() => checkKeys(taker, options)).toThrow(InvalidOptionError);
	expect(() => checkKeys(taker, options)).toThrow(message);
});

it.each([
	["prune", { removeBlock: 3 }, "pruneGguf does not read removeBlock: did you mean removeBlocks?"],
	["prune", { serach: {} }, "pruneGguf does not read serach: did you mean search?"],
	["prune", { search: { metod: "greedy" } }, "pruneGguf does not read search.metod: did you mean search.method?"],
	["prune", { maxPplRato: 1.2 }, "pruneGguf does not read maxPplRato: did you mean limits.maxPplRatio?"],
	// Another function reads it.
	["rank", { speed: true }, "rankBlocks does not read speed: leave it out"],
	["prune", { somethingElse: 1 }, "pruneGguf does not read somethingElse: leave it out"],
] as const)("%s answers %j with the nearest name", (taker, options, message) => {
	expect(() => checkKeys(taker, options)).toThrow(new InvalidOptionError(message));
});

it("takes what has no row, and null for nothing", () => {
	expect(() => checkKeys("clean", { all: true, now: new Date(), cache: "folder" })).not.toThrow();
	expect(() => checkKeys("build", { variant: "debug", jobs: 2, onProgress: () => {} })).not.toThrow();
	expect(() => checkKeys("questions", { questions: "q.jsonl", maxQuestions: 3, remove: [1] })).not.toThrow();
	expect(() => checkKeys("prune", { search: { method: null }, limits: null })).not.toThrow();
	const search = { method: null } as unknown as PruneOptions["search"];
	expect(resolveJob("prune", { search })).toMatchObject({ method: "auto", asked: {} });
});

it("refuses what deletes more than was meant", async () => {
	await expect(cleanRuns({ model: "x", olderThan: 30 } as CleanOptions)).rejects.toThrow(InvalidOptionError);
	await expect(buildAddon({ debug: true } as BuildOptions)).rejects.toThrow(InvalidOptionError);
});

it("lets be switched off what only another function does", () => {
	expect(() => checkKeys("rank", { report: false, samples: 0 })).not.toThrow();
	expect(() => checkKeys("rank", { modelCard: false })).toThrow(/modelCard: leave it out/);
	expect(() => checkKeys("rank", { samples: false })).toThrow(/samples: leave it out/);
	expect(() => checkKeys("rank", { speed: 0 })).toThrow(/speed: leave it out/);
	expect(() => checkKeys("rank", { report: "report.html" })).toThrow("rankBlocks does not read report: leave it out");
	expect(() => checkKeys("prune", { healHeads: false })).toThrow(/heal\.heads/);
});

it("knows every option of the groups", () => {
	const options = {
		heal: { tokens: 2048 },
		quantize: "Q4_0",
		search: { seed: 1, rounds: undefined },
		limits: { maxKl: 1 },
		unknown: undefined,
	};
	expect(() => checkKeys("prune", options)).not.toThrow();
});

it("becomes a job that nobody changes", () => {
	const job = resolveJob("prune", { remove: [3], search: { method: "greedy" } });
	expect(job).toMatchObject({ method: "greedy", metric: "loss", seed: 0, overwrite: false, asked: { remove: [3], method: "greedy" } });
	expect(Object.isFrozen(job) && Object.isFrozen(job.asked)).toBe(true);
});

it("prints every option as it is given on a command line", () => {
	const settings = {
		...{
			remove: [3, 7, 8, 9],
			maxEvaluations: 60,
			method: "greedy",
			seed: 4,
			strata: [11, 10],
			calibration: ["a.txt", { path: "b.txt", weight: 2 }],
		},
		...{ minAccuracy: { arc: 0.45 }, samples: 0, speed: false, heal: true, healTokens: 2048, healHeads: true, windowLength: 64 },
		...{ scoreShare: 0.25, stateType: "F16", quantizedAlternatives: true, overwrite: true, plan: "p.json", dryRun: true },
	} as const satisfies Settings<"prune">;
	expect(commandLine("a model.gguf", "out.gguf", settings)).toBe(
		"prune-gguf 'a model.gguf' out.gguf --remove 3,7-9 --min-accuracy arc=0.45 --method greedy --max-evaluations 60 --strata 11,10 --calibration a.txt --calibration b.txt=2 --window-length 64 --seed 4 --score-share 0.25 --state-type F16 --heal=2048 --heal-heads --no-speed --no-samples --quantized-alternatives --overwrite",
	);
});

it.each([0.25, 0.07, 0.116, 11.6 / 100, 1 / 3, 1 / 12])("prints the share %d so that it is read back exactly", (removeFraction) => {
	const [, printed] = /--remove-blocks (\S+)/.exec(commandLine("m.gguf", undefined, { removeFraction }))!;
	expect(amountOption("--remove-blocks")(printed)).toEqual({ removeFraction });
	expect(commandLine("m.gguf", undefined, { scoreShare: removeFraction })).toBe(`prune-gguf m.gguf --score-share ${removeFraction}`);
});

it("prints --heal where how to heal was given", () => {
	const { asked } = resolveJob("prune", { heal: { tokens: 2048 } });
	expect(commandLine("m.gguf", undefined, asked)).toBe("prune-gguf m.gguf --heal=2048");
});

it("prints that no report is wanted, and no name of a report", () => {
	expect(commandLine("m.gguf", "o.gguf", { report: false })).toBe("prune-gguf m.gguf o.gguf --no-report");
	expect(commandLine("m.gguf", "o.gguf", { report: "r.html" })).toBe("prune-gguf m.gguf o.gguf");
});
