import { expect, it } from "vitest";
import type { Settings } from "../../../src/api/options/settings.js";
import { optionTable } from "../../../src/api/options/table.js";
import { InvalidOptionError } from "../../../src/errors.js";
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

it("lets be switched off what only another function does", () => {
	expect(() => checkKeys("rank", { report: false, samples: 0 })).not.toThrow();
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
	expect(job).toMatchObject({ method: "greedy", objective: "nll", seed: 0, overwrite: false, asked: { remove: [3], method: "greedy" } });
	expect(Object.isFrozen(job) && Object.isFrozen(job.asked)).toBe(true);
});

it("prints every option as it is given on a command line", () => {
	const settings = {
		...{
			remove: [3, 7, 8, 9],
			masks: 60,
			method: "greedy",
			seed: 4,
			strata: [11, 10],
			calibration: ["a.txt", { path: "b.txt", weight: 2 }],
		},
		...{ minAccuracy: { arc: 0.45 }, samples: 0, speed: false, heal: true, healTokens: 2048, healHeads: true, windowLength: 64 },
		...{ scoreShare: 0.25, stateType: "F16", quantizedAlternatives: true, overwrite: true, plan: "p.json", dryRun: true },
	} as const satisfies Settings<"prune">;
	expect(commandLine("a model.gguf", "out.gguf", settings)).toBe(
		"prune-gguf 'a model.gguf' out.gguf --remove 3,7-9 --min-accuracy arc=0.45 --method greedy --masks 60 --strata 11,10 --calibration a.txt --calibration b.txt=2 --window-length 64 --seed 4 --score-share 25% --state-type F16 --heal --heal-tokens 2048 --heal-heads --no-speed --no-samples --quantized-alternatives --overwrite",
	);
});
