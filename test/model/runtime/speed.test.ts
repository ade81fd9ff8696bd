import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidCandidateError, InvalidOptionError } from "../../../src/errors.js";
import { Model } from "../../../src/model/runtime/model.js";
import { runSpeed, type SpeedSetting } from "../../../src/model/runtime/speed.js";
import { sizesWithout } from "../../../src/pipeline/preflight/model-sizes.js";
import { measureSpeed } from "../../../src/pipeline/speed/speed.js";
import { blocks, fixturePath, removing } from "../../helpers/fixture.js";

const bench = fileURLToPath(new URL("../../../build/cpu/llama.cpp/tools/llama-bench/llama-bench", import.meta.url));
const short: SpeedSetting = { promptTokens: 32, generatedTokens: 8, repetitions: 2, context: 256, threads: 1 };

describe("speed", () => {
	let model: Model;
	beforeAll(async () => {
		model = await Model.load(fixturePath, { threads: 1 });
	});
	afterAll(() => model.dispose());

	it("is measured of the original model and of masks in turns", async () => {
		const done: number[] = [];
		const sides = [{ model }, { model, mask: removing(3, 6, 10) }, { model, mask: removing(0) }];
		const found = await runSpeed(sides, { ...short, onProgress: (now, total) => done.push(now / total) });
		expect(found.length).toBe(3);
		for (const { promptSeconds, generationSeconds } of found) {
			expect([promptSeconds.length, generationSeconds.length]).toEqual([2, 2]);
			for (const seconds of [...promptSeconds, ...generationSeconds]) expect(seconds).toBeGreaterThan(0);
		}
		expect(done.at(-1)).toBe(1);
		expect(done.length).toBe(9);
	});

	it("counts the bytes of what is run: weights, keys and values", async () => {
		const removed = [3, 6, 10];
		const [whole, without] = await runSpeed([{ model }, { model, mask: removing(...removed) }], short);
		const tensors = model.file.tensors.reduce((sum, { source }) => sum + source.size, 0);
		expect(whole!.weights).toBe(tensors);
		const { bytes } = sizesWithout(model)(removed);
		expect(whole!.weights - without!.weights).toBe(model.file.size - bytes);
		// Two bytes for each number of a key and of a value, in each block and cell.
		const key = (name: string) => Number(model.file.value(`llama.${name}`));
		const width = (key("embedding_length") / key("attention.head_count")) * key("attention.head_count_kv");
		expect(whole!.kvCache).toBe(256 * blocks * 2 * width * 2);
		expect(without!.kvCache).toBe(256 * (blocks - removed.length) * 2 * width * 2);
		const [longer] = await runSpeed([{ model }], { ...short, context: 1024 });
		expect(longer!.kvCache).toBe(4 * whole!.kvCache);
		// At least the logits of a ubatch.
		expect(whole!.compute).toBeGreaterThan(4 * 256 * model.facts.vocabulary);
	});

	it("leaves the model unchanged, and frees it when it is stopped", async () => {
		const long = { ...short, promptTokens: 128, generatedTokens: 64, repetitions: 1000 };
		const controller = new AbortController();
		const job = runSpeed([{ model, mask: removing(1) }], {
			...long,
			signal: controller.signal,
			onProgress: () => controller.abort(new Error("enough")),
		});
		await expect(job).rejects.toThrow("enough");
		const [again] = await model.sample([model.tokenize("Call me")], { length: 40, seed: 1 });
		const fresh = await Model.load(fixturePath, { threads: 1 });
		try {
			const [expected] = await fresh.sample([fresh.tokenize("Call me")], { length: 40, seed: 1 });
			expect(again).toEqual(expected);
			// Two models, each of which runs jobs of its own meanwhile.
			const [pair, sampled] = await Promise.all([
				runSpeed([{ model }, { model: fresh, mask: removing(2) }, { model }], short),
				fresh.sample([fresh.tokenize("Call me")], { length: 40, seed: 1 }),
			]);
			expect(pair.map(({ kvCache }) => kvCache / pair[0]!.kvCache)).toEqual([1, 11 / 12, 1]);
			expect(sampled).toEqual([expected]);
		} finally {
			await fresh.dispose();
		}
	});

	it.each([
		{ promptTokens: 0 },
		{ generatedTokens: 0 },
		{ repetitions: 0 },
		{ repetitions: 1.5 },
		{ threads: 0 },
		{ context: 0 },
		{ promptTokens: 250, generatedTokens: 7 },
	])("refuses %o", async (bad) => {
		await expect(runSpeed([{ model }], { ...short, ...bad })).rejects.toThrow(InvalidOptionError);
	});

	it("refuses masks of another model", async () => {
		await expect(runSpeed([{ model, mask: { toBytes: () => new Uint8Array(5) } }], short)).rejects.toThrow(InvalidCandidateError);
	});

	it.skipIf(!existsSync(bench))("agrees with llama-bench in its order of magnitude", async () => {
		const args = ["-m", fixturePath, "-p", "128", "-n", "0", "-t", "1", "-r", "5", "-o", "json"];
		const [result] = JSON.parse(spawnSync(bench, args, { encoding: "utf8" }).stdout) as { avg_ts: number }[];
		const [found] = await runSpeed([{ model }], { ...short, promptTokens: 128, repetitions: 5 });
		const speed = 128 / found!.promptSeconds.slice().sort()[2]!;
		// Other programs may run meanwhile.
		expect(speed).toBeGreaterThan(result!.avg_ts / 10);
		expect(speed).toBeLessThan(result!.avg_ts * 10);
	});
});

describe("measureSpeed", () => {
	const quick = { promptTokens: 32, generatedTokens: 8, repetitions: 6, threads: 1 };

	it("measures a model alone, beside itself without some blocks, or beside another file", async () => {
		const alone = await measureSpeed(fixturePath, quick);
		expect(alone.removed).toEqual([]);
		expect(alone.speed).toMatchObject({ ...quick, context: 256, backend: expect.any(String) });
		expect([alone.speed.after, alone.speed.ratio, alone.speed.through]).toEqual([undefined, undefined, undefined]);

		const masked = await measureSpeed(fixturePath, { ...quick, remove: [10, 3, 3] });
		expect(masked.removed).toEqual([3, 10]);
		expect(masked.speed.through).toBe("memory");
		expect(masked.speed.after!.kvCache / masked.speed.before.kvCache).toBeCloseTo(10 / 12, 12);
		expect(masked.speed.after!.file).toBeLessThan(masked.speed.before.file);
		const { value, interval } = masked.speed.ratio!.generation;
		expect(interval!.low).toBeLessThanOrEqual(value);
		expect(interval!.high).toBeGreaterThanOrEqual(value);

		const two = await measureSpeed(fixturePath, { ...quick, against: fixturePath, context: 512 });
		expect(two.speed).toMatchObject({ through: "file", context: 512 });
		expect(two.speed.after!.memory).toBe(two.speed.before.memory);
	});

	it("refuses two things to compare with, and blocks that cannot be removed", async () => {
		await expect(measureSpeed(fixturePath, { against: fixturePath, remove: [1] })).rejects.toThrow(InvalidOptionError);
		await expect(measureSpeed(fixturePath, { remove: [99] })).rejects.toThrow(InvalidCandidateError);
	});
});
