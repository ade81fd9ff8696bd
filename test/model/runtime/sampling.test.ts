import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../../src/errors.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath } from "../../helpers/fixture.js";

describe("sampling", () => {
	let model: Model;
	const start = Int32Array.of(0);
	beforeAll(async () => {
		model = await Model.load(fixturePath, { threads: 2 });
	});
	afterAll(() => model.dispose());

	it("is reproducible by its seed, and each sequence has a stream of its own", async () => {
		const prompts = Array.from({ length: 5 }, () => start);
		const [a, b, c] = [
			await model.sample(prompts, { length: 40, seed: 3 }),
			await model.sample(prompts, { length: 40, seed: 3 }),
			await model.sample(prompts, { length: 40, seed: 4 }),
		];
		expect(a).toEqual(b);
		expect(a).not.toEqual(c);
		expect(new Set(a!.map(String)).size).toBe(5);
		for (const sequence of a!) {
			expect(sequence.length).toBe(40);
			expect(sequence[0]).toBe(0);
		}
	});

	it("continues its prompt, up to the full context", async () => {
		const prompt = model.tokenize("Call me");
		const [sequence] = await model.sample([prompt], { length: 256 });
		expect([...sequence!.subarray(0, prompt.length)]).toEqual([...prompt]);
		expect(sequence!.length).toBe(256);
		const [whole] = await model.sample([prompt], { length: prompt.length });
		expect(whole).toEqual(prompt);
		expect(await model.sample([], { length: 8 })).toEqual([]);
	});

	it("stops at the end where asked to", async () => {
		const sequences = await model.sample(
			Array.from({ length: 40 }, () => start),
			{ length: 200, stopAtEog: true, seed: 1 },
		);
		for (const sequence of sequences) {
			const end = sequence.indexOf(0, 1);
			expect(end === -1 ? sequence.length : end).toBe(end === -1 ? 200 : sequence.length - 1);
		}
	});

	it.each([
		{ length: 0 },
		{ length: -1 },
		{ length: 257 },
		{ length: 8, temperature: -1 },
		{ length: 8, temperature: Number.NaN },
		{ length: 8, seed: -5 },
		{ length: 8, seed: 1.5 },
	])("refuses %o", async (options) => {
		await expect(model.sample([start], options)).rejects.toThrow(InvalidOptionError);
	});

	it("refuses prompts that are empty, too long or of another vocabulary", async () => {
		for (const prompt of [Int32Array.of(), new Int32Array(9), Int32Array.of(0, 1024), Int32Array.of(-1)]) {
			await expect(model.sample([start, prompt], { length: 8 })).rejects.toThrow(InvalidOptionError);
		}
	});
});
