import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../../src/jobs/apply.js";
import type { LogEvent } from "../../../src/api/index.js";
import { CalibrationError, InvalidCandidateError, InvalidOptionError } from "../../../src/errors.js";
import { encodeEntry } from "../../../src/model/gguf/index.js";
import { measureText, summarizeLosses } from "../../../src/model/evaluation/perplexity.js";
import { Model } from "../../../src/model/runtime/model.js";
import { changedFixture, fixturePath, fixtureWindows, perplexityTool, plainDecodeTool } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { watching } from "../../helpers/progress.js";

const folder = tempFolder();
const text = join(folder, "text.txt");
const pruned = join(folder, "pruned.gguf");
const contextKey = "llama.context_length";
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	const model = await Model.load(fixturePath);
	writeFileSync(text, model.detokenize(fixtureWindows().tokens, { special: false }));
	await model.dispose();
	await applyPlan(fixturePath, pruned, { remove: [3, 6, 9] });
});

/** What llama-perplexity prints: `Final estimate: PPL = 12.3456 +/- 0.12345`. */
function printed(model: string, context: number): [string, string] {
	const args = ["-m", model, "-f", text, "-c", String(context), "--threads", "2"];
	const { stdout, stderr } = spawnSync(perplexityTool, args, { encoding: "utf8" });
	const output = stdout + stderr;
	const match = /Final estimate: PPL = ([\d.]+) \+\/- ([\d.]+)/.exec(output);
	expect(match, output).not.toBeNull();
	return [match![1]!, match![2]!];
}

/** Collects what is said of windows, beside what is said of the cache. */
function windowNotes() {
	const notes: LogEvent[] = [];
	const onLog = (event: LogEvent) => {
		if (event.message.includes("instead of")) notes.push(event);
	};
	return { notes, onLog };
}

describe("measureText", () => {
	const hasTool = existsSync(perplexityTool);

	it.skipIf(!hasTool).each([
		["the model", fixturePath, 128],
		["the model, longer windows", fixturePath, 256],
		["a pruned model", pruned, 128],
	])("gives what llama-perplexity prints for %s", async (_, model, windowLength) => {
		const result = await measureText(model, { text, windowLength, threads: 2 });
		expect(result.preset).toBe("llama-perplexity");
		expect([result.perplexity.toFixed(4), result.perplexityError.toFixed(5)]).toEqual(printed(model, windowLength));
	});

	it.skipIf(!existsSync(plainDecodeTool)).each([
		["the model", fixturePath],
		["a pruned model", pruned],
	])("scores all positions as a plain sum over the logits does, of %s", async (_, path) => {
		const model = await Model.load(path, { threads: 2 });
		const all = model.tokenize(readFileSync(text, "utf8"));
		const { addBos, bos } = model.facts;
		await model.dispose();
		// As llama-perplexity does.
		if (addBos) for (let i = 0; i < all.length; i += 128) all[i] = bos!;
		const result = await measureText(path, { text, windowLength: 128, preset: "full", threads: 2 });
		const tokens = join(folder, "tokens.bin");
		writeFileSync(tokens, Buffer.from(all.slice(0, 128 * result.windows).buffer));
		const { stdout, stderr } = spawnSync(plainDecodeTool, [path, tokens, "128", "128", "2", "1", "1"], { encoding: "utf8" });
		const { windows, loss } = JSON.parse(stdout || stderr) as { windows: number; loss: number };
		expect(windows).toBe(result.windows);
		// Single precision, and other batches.
		expect(Math.abs(result.loss - loss)).toBeLessThan(1e-3);
	});

	it("gives the same under a mask as for the file without these blocks", async () => {
		const masked = await measureText(fixturePath, { text, windowLength: 128, remove: [9, 3, 6, 3] });
		const file = await measureText(pruned, { text, windowLength: 128 });
		expect(masked.removed).toEqual([3, 6, 9]);
		expect(masked.loss).toBe(file.loss);
		expect(masked.perplexity).toBeGreaterThan((await measureText(fixturePath, { text, windowLength: 128 })).perplexity);
	});

	it("scores the second half, or all positions", async () => {
		const half = await measureText(fixturePath, { text, windowLength: 128 });
		const full = await measureText(fixturePath, { text, windowLength: 128, preset: "full" });
		expect(half.tokens).toBe(half.windows * 63);
		expect(full.tokens).toBe(full.windows * 127);
		// Less context, more loss.
		expect(full.loss).toBeGreaterThan(half.loss);
	});

	it("reports progress up to the end", async () => {
		const seen: number[] = [];
		let total = 0;
		await measureText(fixturePath, {
			text,
			windowLength: 32,
			progress: watching((work) => {
				if (work.unit !== "tokens") return;
				seen.push(work.done);
				total = work.total;
			}),
		});
		expect(seen.at(-1)).toBe(total);
	});

	it("takes by default windows of the whole context where that is below 512, and says so", async () => {
		const { notes, onLog } = windowNotes();
		const usual = await measureText(fixturePath, { text, threads: 2, onLog });
		expect(usual.windowLength).toBe(256);
		expect(notes).toEqual([{ level: "note", message: expect.stringMatching(/^windows of 256 tokens instead of 512: .* context/) }]);
		notes.length = 0;
		const named = await measureText(fixturePath, { text, threads: 2, windowLength: 256, onLog });
		expect(notes).toEqual([]);
		expect({ ...named, seconds: 0 }).toEqual({ ...usual, seconds: 0 });
	});

	it("takes by default 512 tokens where the context is longer, and what both models hold where there are two", async () => {
		const withContext = (length: number) =>
			changedFixture(join(folder, `context-${length}.gguf`), (content) => ({
				...content,
				entries: content.entries.map((entry) => (entry.key === contextKey ? encodeEntry(contextKey, "uint32", length) : entry)),
			}));
		const [long, short] = [await withContext(1024), await withContext(64)];
		const { notes, onLog } = windowNotes();
		expect((await measureText(long, { text, threads: 2, onLog })).windowLength).toBe(512);
		expect(notes).toEqual([]);
		expect((await measureText(long, { text, threads: 2, windowLength: 600 })).windowLength).toBe(600);
		expect((await measureText(long, { text, threads: 2, against: short, onLog })).windowLength).toBe(64);
		expect(notes.map(({ message }) => message)).toEqual([expect.stringContaining(short)]);
		const beyond = measureText(long, { text, threads: 2, against: short, windowLength: 65 });
		await expect(beyond).rejects.toThrow(InvalidOptionError);
		await expect(beyond).rejects.toThrow(
			`windows of 65 tokens exceed the context of ${short}, which is 64: give --window-length 64 or less`,
		);
	});

	it("refuses what it cannot score", async () => {
		await expect(measureText(fixturePath, { text: join(folder, "nowhere.txt") })).rejects.toThrow(CalibrationError);
		await expect(measureText(fixturePath, { text, windowLength: 3 })).rejects.toThrow(InvalidOptionError);
		await expect(measureText(fixturePath, { text, windowLength: 257 })).rejects.toThrow(InvalidOptionError);
		await expect(measureText(fixturePath, { text, windowLength: 64, remove: [12] })).rejects.toThrow(InvalidCandidateError);
		const short = join(folder, "short.txt");
		writeFileSync(short, "A short text.");
		await expect(measureText(fixturePath, { text: short, windowLength: 64 })).rejects.toThrow(/two windows of 64/);
		await expect(measureText(fixturePath, { text, signal: AbortSignal.abort(new Error("mine")) })).rejects.toThrow("mine");
	});
});

it("summarizes as llama-perplexity does", () => {
	const { loss, perplexity, perplexityError } = summarizeLosses(Float64Array.of(1, 2, 3));
	expect(loss).toBe(2);
	expect(perplexity).toBeCloseTo(Math.exp(2), 12);
	expect(perplexityError).toBeCloseTo(Math.exp(2) * Math.sqrt(2 / 3 / 2), 12);
	expect(summarizeLosses(Float64Array.of(1.5)).perplexityError).toBe(0);
});
