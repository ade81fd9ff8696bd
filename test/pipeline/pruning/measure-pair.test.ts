import { thorough } from "../../helpers/slow.js";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../../src/api/index.js";
import { InvalidOptionError, OutputExistsError } from "../../../src/errors.js";
import { drawPairs, writtenTokens } from "../../../src/model/evaluation/continuations.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { reportSchema } from "../../../src/report/report-data.js";
import { textSections } from "../../../src/pipeline/reporting/speed-and-texts.js";
import { Model } from "../../../src/model/runtime/model.js";
import { readPlan } from "../../../src/storage/plan.js";
import { changedFixture, chatFixture, fixturePath, fixtureWindows, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

const { out, fresh } = ownHomes();
/** One thread: two wait for each other if other programs run. */
const { speed: _speed, samples: _samples, ...asUsual } = { ...small, threads: 1, search: { workingWeights: "own" } } satisfies PruneOptions;
const readReport = (path: string) => v.parse(reportSchema, JSON.parse(readFileSync(path, "utf8")));

describe("speed and texts of a run", () => {
	it("are measured on both files where a model is written, and go into the plan and the report", async () => {
		const output = out();
		const report = `${fresh("report")}.html`;
		const result = await pruneGguf(fixturePath, output, { ...asUsual, report, remove: [3, 6, 10] });
		const { speed } = await readPlan(result.planPath!);
		expect(speed).toEqual(JSON.parse(JSON.stringify(result.plan!.speed)));
		expect(speed).toMatchObject({ through: "file", threads: 1, context: 256 });
		// Twice as many unless the ratios are clear after the first.
		expect([6, 12]).toContain(speed!.repetitions);
		expect(speed!.promptTokens + speed!.generatedTokens).toBeLessThanOrEqual(256);
		expect(speed!.after!.kvCache / speed!.before.kvCache).toBeCloseTo(9 / 12, 12);
		const written = await GgufFile.read(output);
		expect(speed!.after!.weights).toBe(written.tensors.reduce((sum, { source }) => sum + source.size, 0));
		expect([speed!.before.file, speed!.after!.file]).toEqual([(await GgufFile.read(fixturePath)).size, written.size]);

		const made = readReport(report.replace(/html$/, "json"));
		expect(made.speed!.figures.map(({ name }) => name)).toEqual(["prompt", "generation", "memory", "weights", "compute", "kvCache"]);
		const generation = made.speed!.figures[1]!;
		expect(generation).toMatchObject({ ratio: speed!.ratio!.generation.value, before: { value: speed!.before.generation.median } });
		expect(made.speed!.conditions).toContain("the original file and the pruned model");
		// Four prompts, greedily and sampled; the model has no chat template.
		expect(made.samples!.length).toBe(8);
		expect(made.samples!.map(({ mode }) => mode)).toEqual(Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? "greedy" : "sampled")));
		expect(made.textCheck).toMatchObject({ texts: 8 });
		expect(made.timings.map(({ phase }) => phase)).toEqual(expect.arrayContaining(["speed", "samples"]));
		const page = readFileSync(report, "utf8");
		expect(page).toContain("Text from both models");
		expect(page).toContain("KV cache");
	});

	it("are measured by the same call where it was interrupted after it wrote the model", async () => {
		const [output, report] = [out(), `${fresh("report")}.html`];
		const options = { ...asUsual, report, remove: [3], samples: 1 };
		const controller = new AbortController();
		const events: LogEvent[] = [];
		const stopped = await pruneGguf(fixturePath, output, {
			...options,
			signal: controller.signal,
			onLog: (event) => events.push(event),
			onProgress: ({ phase }) => phase === "measuring the speed" && controller.abort(),
		});
		expect(stopped.interrupted).toBe(true);
		expect(stopped.plan!.speed).toBeUndefined();
		expect(stopped.output!.path).toBe(output);
		const warnings = events.filter(({ level }) => level === "warning").map(({ message }) => message);
		expect(warnings.join()).toContain("the speed was not measured: interrupted. The model is written and verified; the same command");
		expect(readReport(report.replace(/html$/, "json")).speed).toBeUndefined();
		const rest = await pruneGguf(fixturePath, output, options);
		expect(rest.interrupted).toBeUndefined();
		expect(rest.plan!.speed).toMatchObject({ through: "file" });
		const made = readReport(report.replace(/html$/, "json"));
		expect(made.speed).toBeDefined();
		expect(made.samples!.length).toBe(2);
		await expect(pruneGguf(fixturePath, output, options)).rejects.toThrow(OutputExistsError);
	});

	it("are left out where they are not wanted", async () => {
		const result = await pruneGguf(fixturePath, out(), { ...asUsual, speed: false, samples: 0, remove: [3] });
		expect(result.plan!.speed).toBeUndefined();
		expect([result.report!.speed, result.report!.samples, result.report!.collapse]).toEqual([undefined, undefined, undefined]);
		const planOnly = await pruneGguf(fixturePath, undefined, { ...asUsual, remove: [3] });
		expect([planOnly.plan!.speed, planOnly.report!.samples]).toEqual([undefined, undefined]);
	});

	it("are measured through a mask where no model is written and they are asked for", async () => {
		const { plan, report } = await pruneGguf(fixturePath, undefined, { ...asUsual, remove: [3, 4], speed: true, samples: 2 });
		expect(plan!.speed).toMatchObject({ through: "memory" });
		expect(plan!.speed!.after!.kvCache / plan!.speed!.before.kvCache).toBeCloseTo(10 / 12, 12);
		expect(report!.samples!.length).toBe(4);
	});

	it("measure a quantized file as it was written", async () => {
		const options: PruneOptions = { ...asUsual, remove: [3], quantize: "Q4_0", samples: 0 };
		const { plan, output } = await pruneGguf(fixturePath, out(), options);
		expect(plan!.speed).toMatchObject({ through: "file", after: { file: output!.size } });
	});
});

describe("the texts", () => {
	it("are the same through a mask as from the file without the blocks", async () => {
		const output = out();
		await pruneGguf(fixturePath, output, { ...asUsual, speed: false, samples: 0, remove: [1, 2] });
		const [whole, written] = [await Model.load(fixturePath, { threads: 1 }), await Model.load(output, { threads: 1 })];
		try {
			const options = { windows: fixtureWindows(10, 64), prompts: 3, seed: 5 };
			const masked = await drawPairs({ model: whole }, { model: whole, mask: removing(1, 2) }, options);
			const filed = await drawPairs({ model: whole }, { model: written }, options);
			expect(masked).toEqual(filed);
			expect(masked.length).toBe(6);
			// Greedy text is the most likely token at each step, whatever the seed.
			const other = await drawPairs({ model: whole }, { model: written }, { ...options, seed: 6 });
			const texts = (mode: string, list: typeof masked) => list.filter((one) => one.mode === mode).map(({ before }) => before.text);
			expect(texts("greedy", other)).toEqual(texts("greedy", masked));
			expect(texts("sampled", other)).not.toEqual(texts("sampled", masked));
			for (const { before } of masked) expect(before.tokens.length).toBeLessThanOrEqual(writtenTokens);
		} finally {
			await Promise.all([whole.dispose(), written.dispose()]);
		}
	});

	it("have a chat turn where the file has a template", async () => {
		const model = await Model.load(await chatFixture(`${fresh("chat")}.gguf`), { threads: 1 });
		try {
			const pairs = await drawPairs({ model }, { model }, { windows: fixtureWindows(4, 64), prompts: 1, seed: 0 });
			expect(pairs.length).toBe(4);
			// It comes first: people can judge its answer.
			expect(pairs.map(({ prompt }) => prompt.includes("<|im_start|>user"))).toEqual([true, true, false, false]);
		} finally {
			await model.dispose();
		}
	});

	it("show a model that is broken, and no other", async () => {
		// Logits that are all equal: the most likely token is the first, which ends the text.
		const path = await changedFixture(`${fresh("silent")}.gguf`, (content) => ({
			...content,
			tensors: content.tensors.map((tensor) =>
				tensor.name === "output_norm.weight" ? { ...tensor, source: new Uint8Array(tensor.dims[0]! * 4) } : tensor,
			),
		}));
		const [model, silent] = [await Model.load(fixturePath, { threads: 1 }), await Model.load(path, { threads: 1 })];
		try {
			const draw = (after: Model) => drawPairs({ model }, { model: after }, { windows: fixtureWindows(10, 64), prompts: 6, seed: 1 });
			const same = textSections(await draw(model), true);
			expect([same.collapse, same.warning]).toEqual([[], undefined]);
			const broken = textSections(await draw(silent), true);
			expect(broken.textCheck.kinds.find(({ kind }) => kind === "empty")).toMatchObject({ before: 0, worse: true });
			expect(broken.collapse.length).toBeGreaterThanOrEqual(6);
			expect(broken.collapse[0]).toMatchObject({
				kind: "empty",
				after: "",
				message: expect.stringMatching(/^greedy: ends at once; \d+ of 12 samples /),
			});
			expect(broken.warning).toMatch(/^\d+ of 12 samples are newly empty; the report shows them/);
			expect(broken.samples[0]!.marks!.after).toEqual(["empty"]);
		} finally {
			await Promise.all([model.dispose(), silent.dispose()]);
		}
	});
});

describe("target-speedup", () => {
	it.runIf(thorough)("removes as many blocks as reach it, by measurement", async () => {
		const logged: LogEvent[] = [];
		const onLog = (event: LogEvent) => void logged.push(event);
		const options: PruneOptions = { ...asUsual, samples: 0, search: { method: "leave-one-out" }, targetSpeedup: 1.2, onLog };
		const { plan, report } = await pruneGguf(fixturePath, out(), options);
		const [, count] = /target speed-up 1\.2: removing (\d+) of 12 blocks/.exec(logged.map(({ message }) => message).join("\n"))!;
		expect(plan!.removed.length).toBe(Number(count));
		expect(plan!.options).toMatchObject({ targetSpeedup: { generation: 1.2 }, removeBlocks: Number(count) });
		expect(plan!.command).toContain(`--remove-blocks ${count}`);
		expect(plan!.speed!.ratio!.generation.value).toBeGreaterThan(1);
		expect(report!.speed).toBeDefined();
	});

	it("names the most that can be reached", async () => {
		const job = pruneGguf(fixturePath, undefined, { ...asUsual, targetSpeedup: { prompt: 900 } });
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(
			/cannot be reached: without 11 of 12 blocks prompt is [\d.]+ times as fast, the most that was measured/,
		);
	});

	it.each<[PruneOptions, RegExp]>([
		[{ targetSpeedup: 1 }, /target-speedup must be above 1/],
		[{ targetSpeedup: Number.NaN }, /target-speedup must be above 1/],
		[{ targetSpeedup: 1.2, removeBlocks: 3 }, /removeBlocks and targetSpeedup/],
		[
			{ targetSpeedup: { both: 1.2 } as unknown as { prompt: number } },
			/targetSpeedup is a number, \{ prompt: number \} or \{ generation: number \}, got \{ both: 1\.2 \}/,
		],
		[{ targetSpeedup: {} as { prompt: number } }, /targetSpeedup is a number, \{ prompt: number \} or/],
	])("refuses %o", async (bad, message) => {
		const job = pruneGguf(fixturePath, undefined, { ...asUsual, ...bad });
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(message);
	});
});
