import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../../src/errors.js";
import type { GgufFile } from "../../../src/model/gguf/index.js";
import { contextFor, seenText, withContext } from "../../../src/pipeline/preflight/context.js";
import type { Header } from "../../../src/pipeline/preflight/model-header.js";

const header = (trained: number | undefined, attention: Header["blocks"]["attention"] = { allowed: true }) => ({
	path: "m.gguf",
	file: { architecture: "llama", number: () => trained } as unknown as GgufFile,
	blocks: { attention } as Header["blocks"],
});

describe("the context that a model is used at", () => {
	it("is 4096, or the training context if that is smaller", () => {
		expect(contextFor(header(8192), {})).toBe(4096);
		expect(contextFor(header(2048), {})).toBe(2048);
		expect(contextFor(header(undefined), {})).toBe(4096);
		expect(contextFor(header(8192), { context: 8192 })).toBe(8192);
	});

	it("is refused beyond the training context, and where it is no number of tokens", () => {
		expect(() => contextFor(header(2048), { context: 4096 })).toThrow(/trained on a context of 2048 tokens, got --context 4096: give 2048/);
		expect(() => contextFor(header(2048), { context: 255 })).toThrow(InvalidOptionError);
		expect(() => contextFor(header(2048), { context: 300.5 })).toThrow(InvalidOptionError);
	});
});

describe("what a search sees of a context", () => {
	it("is few long windows, of which the second half counts", () => {
		expect(seenText(4096, {})).toEqual({ windows: 5, windowLength: 512, scoreFrom: 256 });
		expect(seenText(256, {})).toEqual({ windows: 10, windowLength: 256, scoreFrom: 128 });
	});

	it("takes the same number of tokens for every context up to 4096", () => {
		for (const context of [256, 300, 512, 1024, 4096]) {
			const { windows, windowLength } = seenText(context, {});
			expect(windows * windowLength).toBeGreaterThan(2000);
			expect(windows * windowLength).toBeLessThanOrEqual(2560);
		}
	});

	it("is fewer, longer windows beyond", () => {
		expect(seenText(4097, {})).toEqual({ windows: 3, windowLength: 1024, scoreFrom: 512 });
		expect(seenText(8192, {})).toEqual({ windows: 3, windowLength: 1024, scoreFrom: 512 });
		expect(seenText(16_384, {})).toEqual({ windows: 2, windowLength: 2048, scoreFrom: 1024 });
		expect(seenText(65_536, {})).toEqual({ windows: 2, windowLength: 2048, scoreFrom: 1024 });
		// A short text has shorter ones.
		expect(seenText(65_536, {}, 7000)).toEqual({ windows: 2, windowLength: 1000, scoreFrom: 500 });
		// More windows of it are shorter.
		expect(seenText(4096, { windows: 20 }, 15_000)).toEqual({ windows: 20, windowLength: 214, scoreFrom: 107 });
		expect(seenText(65_536, { windows: 4 })).toEqual({ windows: 4, windowLength: 2048, scoreFrom: 1024 });
	});

	it("is what was given", () => {
		expect(seenText(4096, { windowLength: 2048 })).toEqual({ windows: 5, windowLength: 2048, scoreFrom: 1024 });
		expect(seenText(4096, { windows: 3 })).toEqual({ windows: 3, windowLength: 512, scoreFrom: 256 });
	});
});

describe("a job with a context", () => {
	let folder = "";
	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), "context-"));
	});
	afterAll(() => rm(folder, { recursive: true, force: true }));

	it("has it where attention parts are searched", async () => {
		expect(await withContext({ granularity: "attention" } as const, header(2048))).toMatchObject({
			...{ context: 2048, windows: 5, windowLength: 512, scoreFrom: 256 },
		});
		expect(await withContext({ granularity: "block" } as const, header(2048))).toEqual({ granularity: "block" });
	});

	it("has shorter windows where the text is short", async () => {
		const text = join(folder, "short.txt");
		await writeFile(text, "x".repeat(20_000));
		const job = await withContext({ granularity: "attention", calibration: [text] } as const, header(2048));
		expect(job).toMatchObject({ windowLength: 228, scoreFrom: 114, windows: 5, context: 2048 });
	});

	it("is refused where nothing is weighed by it", async () => {
		const refused = (named?: string) => withContext({ granularity: "block", context: 512 } as const, header(2048), named);
		await expect(refused()).rejects.toThrow(/belongs to --granularity attention$/);
		await expect(refused(", or to others")).rejects.toThrow(/belongs to --granularity attention, or to others$/);
	});

	it("is refused where the parts of blocks are not alike, with the reason and what measures it", async () => {
		const sliding = header(2048, { allowed: false, reason: "not in the graph of gemma3" });
		await expect(withContext({ remove: [3], context: 1024 }, sliding)).rejects.toThrow(
			/only of models that can lose attention parts alone, not of m\.gguf: not in the graph of gemma3\. Leave it out, and measure both with prune-gguf speed/,
		);
		expect(await withContext({ remove: [3] }, sliding)).toEqual({ remove: [3] });
		expect(await withContext({ remove: [3], context: 1024 }, header(2048))).toMatchObject({ context: 1024 });
	});
});
