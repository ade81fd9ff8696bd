import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { NotEnoughMemoryError } from "../../../src/errors.js";
import { measureText } from "../../../src/model/evaluation/perplexity.js";
import { checkMemoryForBoth } from "../../../src/model/evaluation/rival.js";
import { batchWindowsOf, partWindows, scoringOf, textMemory } from "../../../src/model/evaluation/text-shape.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { neededMemory } from "../../../src/model/runtime/memory.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const text = join(folder, "text.txt");
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	const model = await Model.load(fixturePath, { threads: 2 });
	writeFileSync(text, model.detokenize(fixtureWindows().tokens, { special: false }));
	await model.dispose();
});
afterEach(() => {
	vi.restoreAllMocks();
});

const MiB = 2 ** 20;
/** 1,024 tokens of vocabulary. */
const fixture = await GgufFile.read(fixturePath);
const logits = (scoring: ReturnType<typeof scoringOf>) => neededMemory(fixture, textMemory(scoring, 1024, false)).logits;

describe("the shape of a text's decodes", () => {
	it("is that of llama-perplexity, with no more sequences than llama.cpp has", () => {
		const windows = [4, 7, 8, 128, 300, 512, 2048, 4096].map((context) => batchWindowsOf(scoringOf("llama-perplexity", context)));
		expect(windows).toEqual([256, 256, 256, 16, 6, 4, 1, 1]);
		expect(batchWindowsOf(scoringOf("full", 128))).toBe(0);
	});

	it("counts the rows of logits of a whole decode, and those of a ubatch in the graph", () => {
		expect(logits(scoringOf("llama-perplexity", 512))).toBe((512 + 4 * 256) * 1024 * 4);
		expect(logits(scoringOf("llama-perplexity", 129))).toBe((512 + 15 * 65) * 1024 * 4);
		// One window at a time goes ubatch by ubatch.
		expect(logits(scoringOf("llama-perplexity", 4096))).toBe((512 + 512) * 1024 * 4);
		expect(logits(scoringOf("full", 128))).toBe((512 + 512) * 1024 * 4);
		// A large vocabulary: 1 GiB of rows, and 0.5 GiB in the graph; only one ubatch of 256 tokens, twice, where all are scored.
		const rows = (preset: "llama-perplexity" | "full") => {
			const shape = textMemory(scoringOf(preset, 512), 262_144, false);
			return (neededMemory(fixture, shape).logits / 1024) * 262_144;
		};
		expect(rows("llama-perplexity")).toBe(1536 * MiB);
		expect(rows("full")).toBe(512 * MiB);
	});

	it("counts the distributions that are held at a time", () => {
		const scoring = scoringOf("llama-perplexity", 512);
		expect(partWindows(scoring, 262_144, true)).toBe(4);
		expect(textMemory(scoring, 262_144, true).referencePositions).toBe(4 * 255);
		expect(textMemory(scoring, 1024, true).referencePositions).toBe(8 * 255);
		expect(textMemory(scoring, 262_144, false).referencePositions).toBe(0);
	});
});

describe("measureText", () => {
	it.each([4, 7])("scores windows of %i tokens, of which 2,048 would be more sequences than there are", async (windowLength) => {
		const { windows, tokens, perplexity } = await measureText(fixturePath, { text, windowLength, threads: 2 });
		expect(windows).toBeGreaterThan(150);
		expect(tokens).toBe(windows * (windowLength - 1 - Math.floor(windowLength / 2)));
		expect(perplexity).toBeGreaterThan(1);
	});

	it("asks for the memory of a whole decode before it loads", async () => {
		const { total } = neededMemory(fixture, textMemory(scoringOf("llama-perplexity", 128), 1024, false));
		vi.spyOn(process.memoryUsage, "rss").mockReturnValue(0);
		const limit = vi.spyOn(process, "constrainedMemory").mockReturnValue(total - 1);
		const refused = measureText(fixturePath, { text, windowLength: 128, threads: 2 });
		await expect(refused).rejects.toThrow(NotEnoughMemoryError);
		await expect(refused).rejects.toThrow(/ 6 MiB logits/);
		limit.mockReturnValue(total);
		await expect(measureText(fixturePath, { text, windowLength: 128, threads: 2 })).resolves.toMatchObject({ windowLength: 128 });
	});

	it("asks for the weights of both models, and for what one of them computes with", () => {
		const shape = textMemory(scoringOf("llama-perplexity", 128), 1024, true);
		const { total, tensors } = neededMemory(fixture, shape);
		expect(() => checkMemoryForBoth(fixture, fixture, shape, total + tensors)).not.toThrow();
		expect(() => checkMemoryForBoth(fixture, fixture, shape, total + tensors - 1)).toThrow(NotEnoughMemoryError);
	});
});
