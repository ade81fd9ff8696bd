import { existsSync, readdirSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { FrontierOptions, FrontierResult } from "../../../src/api/index.js";
import { frontierText } from "../../../src/cli/quantized-views.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { frontierRequest } from "../../../src/jobs/frontier/request.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { blocksArgument } from "../../../src/notation.js";
import { Model } from "../../../src/model/runtime/model.js";
import { quantizeFile } from "../../../src/model/runtime/quantize.js";
import { fixturePath, fullSet, mean } from "../../helpers/fixture.js";
import { f16Fixture } from "../../helpers/f16.js";
import { ownHomes, small } from "../../helpers/home.js";
import { keptSplit } from "../../helpers/kept.js";
import { thorough } from "../../helpers/slow.js";
import { blocksAsText } from "../../../src/notation.js";

const { folder, out, home } = ownHomes();
let f16: string;
beforeAll(async () => {
	f16 = await f16Fixture(folder);
});

const options = {
	...small,
	search: { granularity: "block" },
	maxBlocks: 2,
	quantize: { types: ["Q8_0", "Q4_0"] },
} satisfies FrontierOptions;
const cellOf = ({ cells }: FrontierResult, type: string, removed: number) =>
	cells.find((cell) => cell.type === type && cell.removed.length === removed)!;

describe("findFrontier", () => {
	it("tells in a dry run how many candidates a limit of tokens holds, by the text that it measures", async () => {
		// Five windows if nobody says how many.
		const task = { ...options, windows: undefined, quantize: { types: [] } };
		const evaluations = async (search: FrontierOptions["search"]) =>
			(await findFrontier(fixturePath, { ...task, search: { ...search, granularity: "block" }, dryRun: true })).estimate!.evaluations;
		expect(await evaluations({ maxTokens: 50 * 5 * 32 })).toBe(50);
		// One that is limited in time is told of as far as the time goes: the single removals.
		expect(await evaluations({ maxTime: 0.001 })).toBe(13);
	});

	it("measures every cell, and each is what the file would be", async () => {
		const result = await findFrontier(f16, options);
		expect(result.cells).toHaveLength(9);
		expect(result.goal).toEqual({ maxAdded: 0.1 });
		expect(result.computeAxis).toBe("blocks");
		// The original model in a type: the same file as llama.cpp's quantizer writes.
		const path = out();
		await quantizeFile(f16, path, "Q4_0", { threads: 2 });
		const whole = cellOf(result, "Q4_0", 0);
		expect(whole.bytes).toBe((await GgufFile.read(path)).size);
		const windows = keptSplit(home(), "validation", small.windowLength);
		const source = await Model.load(f16, { threads: 2 });
		const reference = await source.createEvaluator().createReference(fullSet, windows);
		const [full] = await source.createEvaluator().evaluate([fullSet], windows);
		await source.dispose();
		const quantized = await Model.load(path, { threads: 2 });
		const [found] = await quantized.createEvaluator().evaluate([fullSet], windows, { reference });
		await quantized.dispose();
		expect(whole.loss.mean).toBeCloseTo(mean(found!.losses), 10);
		expect(whole.added.mean).toBeCloseTo(mean(found!.losses) - mean(full!.losses), 10);
		expect(whole.divergence!.mean).toBeCloseTo(mean(found!.divergences!), 10);
		// Without blocks: the file from removing them from that file, and its loss as written.
		const cell = cellOf(result, "Q4_0", 2);
		const pruned = await pruneGguf(path, out(), { ...small, remove: [...cell.removed] });
		expect(cell.bytes).toBe(pruned.output!.size);
		expect(cell).toMatchObject({ blocks: 10, compute: 10 / 12 });
		// Sets are the same in every type.
		expect(new Set(result.cells.filter(({ removed }) => removed.length === 2).map(({ removed }) => removed.join())).size).toBe(1);
	});

	it("names the best choice for a size, first, with its figures on the held-out split", async () => {
		const all = await findFrontier(f16, options);
		const targetSize = cellOf(all, "Q8_0", 1).bytes;
		const result = await findFrontier(f16, { ...options, targetSize });
		const [first] = result.cells;
		expect(first).toEqual(result.best);
		expect(result.best!.bytes).toBeLessThanOrEqual(targetSize);
		const fit = result.cells.filter(({ bytes }) => bytes <= targetSize);
		expect(result.cells.filter(({ fits }) => fits)).toEqual(result.cells.slice(0, fit.length));
		expect(result.best!.loss.mean).toBe(Math.min(...fit.map(({ loss }) => loss.mean!)));
		expect(result.best!.heldOut!.added.mean).not.toBe(result.best!.added.mean);
		expect(result.verdict.text).toContain("at most");
	});

	it.runIf(thorough)("counts blocks for a speed-up, which no type alone reaches", async () => {
		const result = await findFrontier(f16, { ...options, targetCompute: 1.2 });
		expect(result.best!.removed).toHaveLength(2);
		expect(result.cells.filter(({ fits }) => fits).every(({ removed }) => removed.length === 2)).toBe(true);
		expect(result.verdict.text).toMatch(/1\.2 times fewer blocks.*Quantizing alone runs all blocks/);
		expect(result.commands[0]).toContain(`--remove ${blocksArgument(result.best!.removed)} --windows ${small.windows}`);
		// No seed was given: its default is not printed.
		expect(result.commands[0]).not.toContain("--seed");
	});

	it.runIf(thorough)("measures the speed of every combination where a speed-up is asked for", async () => {
		const result = await findFrontier(f16, {
			...options,
			quantize: { ...options.quantize, types: ["Q4_0"] },
			targetSpeedup: { prompt: 1.01 },
		});
		expect(result).toMatchObject({ computeAxis: "prompt", goal: { targetSpeedup: 1.01, speedupOf: "prompt" } });
		expect(cellOf(result, "own", 0)).toMatchObject({ speedup: { value: 1 }, fits: false });
		for (const { type, removed, speedup, fits } of result.cells) {
			expect(speedup!.value).toBeGreaterThan(0);
			if (type !== "own" || removed.length > 0) expect(speedup!.interval!.low).toBeLessThanOrEqual(speedup!.interval!.high);
			expect(fits).toBe(speedup!.value >= 1.01);
		}
		expect(frontierText(result, {})).toMatch(/loss and speed \(.*\n.*\n.* speed .*[\s\S]*by speed of prompts/);
	});

	it.runIf(thorough)("marks what others beat", async () => {
		const result = await findFrontier(f16, options);
		const { cells } = result;
		for (const cell of cells) {
			const beaten = (axes: ((one: typeof cell) => number)[]) =>
				cells.some((other) => axes.every((axis) => axis(other) <= axis(cell)) && axes.some((axis) => axis(other) < axis(cell)));
			expect(cell.dominated).toEqual({
				bytes: beaten([({ loss }) => loss.mean!, ({ bytes }) => bytes]),
				compute: beaten([({ loss }) => loss.mean!, ({ compute }) => compute]),
				both: beaten([({ loss }) => loss.mean!, ({ bytes }) => bytes, ({ compute }) => compute]),
			});
		}
		// Half the bytes and nearly the loss, but more blocks to run.
		expect(cellOf(result, "own", 2).dominated).toMatchObject({ bytes: true });
		expect(cellOf(result, "Q8_0", 0).dominated).toMatchObject({ bytes: false, both: false });
	});

	it("continues where it stopped, quantizes nothing twice, and leaves no file", async () => {
		const controller = new AbortController();
		const reason = new Error("stopped");
		const notes: string[] = [];
		const job = findFrontier(f16, {
			...options,
			onLog: ({ message }) => notes.push(message),
			signal: controller.signal,
			onProgress: ({ phase }) => phase === "quantizing to Q4_0" && controller.abort(reason),
		});
		await expect(job).rejects.toBe(reason);
		expect(notes.find((message) => message.startsWith("Best candidates so far"))).toMatch(/^ {2}2: [\d, -]+ \([+-]\d\.\d{3}\)$/m);
		const partials = () => readdirSync(home(), { recursive: true }).filter((name) => String(name).includes("partial"));
		expect(partials()).toEqual([]);
		const phases = new Set<string>();
		const output = `${out()}.json`;
		const result = await findFrontier(f16, { ...options, saveResult: output, onProgress: ({ phase }) => phases.add(phase) });
		expect(phases.has("quantizing to Q8_0")).toBe(false);
		expect(phases.has("quantizing to Q4_0")).toBe(true);
		expect(JSON.parse(readFileSync(output, "utf8"))).toEqual(JSON.parse(JSON.stringify(result, blocksAsText)));
		phases.clear();
		const again = await findFrontier(f16, { ...options, onProgress: ({ phase }) => phases.add(phase) });
		expect([...phases].filter((phase) => phase.startsWith("quantizing"))).toEqual([]);
		expect({ ...again, seconds: 0 }).toEqual({ ...result, seconds: 0 });
		expect(partials()).toEqual([]);
	});

	it.runIf(thorough)("takes the original's weights for the types, and compares with it", async () => {
		const result = await findFrontier(fixturePath, { ...options, quantize: { ...options.quantize, types: ["Q4_0"], from: f16 } });
		expect(result.reference.name).toBe("fixture-f16.gguf");
		expect(result.sourceQuantized).toBe(false);
		const warnings: string[] = [];
		const twice = await findFrontier(fixturePath, {
			...options,
			quantize: { ...options.quantize, types: ["Q4_0"] },
			onLog: ({ level, message }) => level === "warning" && warnings.push(message),
		});
		expect(twice.sourceQuantized).toBe(true);
		expect(twice.verdict.text).toContain("quantized twice");
		const small = await findFrontier(fixturePath, {
			...options,
			quantize: { ...options.quantize, types: ["Q2_K"] },
			targetSize: cellOf(twice, "own", 0).bytes - 1000,
			windows: 6,
		});
		expect(small.best).toMatchObject({ type: "Q2_K", removed: [] });
		expect(small.commands).toEqual([expect.stringMatching(/^llama-quantize --allow-requantize .* Q2_K$/)]);
		expect(warnings.join()).toContain("quantized already");
	});

	it("leaves out types that become another one, or make the file larger", async () => {
		const header = await readModelHeader(f16, {});
		expect(frontierRequest(header, header, {}).types).toEqual(["Q8_0", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"]);
		const quantized = await readModelHeader(fixturePath, {});
		expect(frontierRequest(quantized, quantized, {}).types).not.toContain("Q8_0");
	});

	it.each<[string, FrontierOptions, RegExp]>([
		["no size", { targetSize: 0 }, /target-size must be/],
		["a size out of reach", { targetSize: 1000 }, /target-size 1\.0 kB is out of reach.*, or give a larger size\.$/],
		["no fewer blocks", { targetCompute: 1 }, /target-compute must be above 1/],
		["no speed-up", { targetSpeedup: 1 }, /target-speedup must be above 1/],
		["fewer blocks than are allowed", { targetCompute: 2 }, /needs 6 blocks removed, and max-blocks allows 2/],
		["more blocks than can go", { maxBlocks: 12 }, /at most 11 of 12/],
		["an unknown type", { quantize: { types: ["Q9" as "Q8_0"] } }, /no type Q9/],
		["a type twice", { quantize: { types: ["Q8_0", "Q8_0"] } }, /Q8_0 is named twice/],
		["a metric", { metric: "kl" } as unknown as FrontierOptions, /findFrontier does not read metric/],
	])("refuses %s before it measures", async (_, bad, message) => {
		const job = findFrontier(f16, { ...options, ...bad });
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(message);
		expect(existsSync(home())).toBe(false);
	});
});
