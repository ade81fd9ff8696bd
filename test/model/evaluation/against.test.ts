import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { EvaluateOptions } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { InvalidLedgerError, InvalidOptionError } from "../../../src/errors.js";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { measureText } from "../../../src/model/evaluation/perplexity.js";
import { encodeEntry } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import { PartLedger } from "../../../src/storage/part-ledger.js";
import { deleteRuns, listRuns } from "../../../src/storage/runs.js";
import { changedFixture, fixturePath, fixtureWindows, fullSet, perplexityTool, removing } from "../../helpers/fixture.js";
import { madeUpQuestions, writeQuestions } from "../../helpers/questions.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { watching } from "../../helpers/progress.js";
import { thorough } from "../../helpers/slow.js";

const folder = tempFolder();
const text = join(folder, "text.txt");
const pruned = join(folder, "pruned.gguf");
const questions = join(folder, "questions.jsonl");
const removed = [3, 6, 9];
let tokens: Int32Array;
let addBos: number | undefined;
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	const model = await Model.load(fixturePath, { threads: 2 });
	const words = model.detokenize(fixtureWindows().tokens, { special: false });
	writeFileSync(text, words);
	tokens = model.tokenize(words.replace(/\n$/, ""));
	addBos = model.facts.addBos ? model.facts.bos : undefined;
	writeQuestions(questions, madeUpQuestions(model, 40));
	await model.dispose();
	await applyPlan(fixturePath, pruned, { remove: removed });
});
let homes = 0;
beforeEach(() => {
	process.env.PRUNE_GGUF_HOME = join(folder, `home-${homes++}`);
});

/** Mean and standard error over windows, computed differently from the program. */
function spread(values: readonly number[]) {
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	const squares = values.reduce((sum, value) => sum + value * value, 0);
	return { mean, standardError: Math.sqrt((squares / values.length - mean ** 2) / (values.length - 1)) };
}

describe("a text beside a reference", () => {
	it.each<["llama-perplexity" | "full", number]>([
		["llama-perplexity", 64],
		["full", 32],
	])("gives, by preset %s, what the losses and distributions of both models say", async (preset, windowLength) => {
		const result = await measureText(fixturePath, { text, windowLength, preset, remove: removed, threads: 2 });

		// Token by token in a pass of its own: without a cache or parts. The preset of llama-perplexity decodes up to 2048 tokens at
		// a time, which llama.cpp rounds differently; the other preset is measured window by window here.
		const model = await Model.load(fixturePath, { threads: 2 });
		const evaluator = model.createEvaluator({ sharePrefixes: false });
		const from = preset === "full" ? 0 : windowLength / 2;
		const scored = windowLength - 1 - from;
		const all = tokens.slice(0, Math.floor(tokens.length / windowLength) * windowLength);
		if (addBos !== undefined) for (let at = 0; at < all.length; at += windowLength) all[at] = addBos;
		const step = preset === "full" ? windowLength : all.length;
		const rows: { kl: number; same: number; whole: number; masked: number }[] = [];
		for (let first = 0; first < all.length; first += step) {
			const windows = makeWindows(all.slice(first, first + step), windowLength);
			const how = preset === "full" ? { scoreFrom: 0 } : { scoreFrom: from, batchWindows: 2048 / windowLength, outputLast: true };
			const reference = await evaluator.createReference(fullSet, windows, how);
			const sets = [fullSet, removing(...removed)];
			const [whole, masked] = await evaluator.evaluate(sets, windows, { ...how, reference, perToken: true });
			for (let w = 0; w < windows.count; w++) {
				const mean = (values: ArrayLike<number>) => {
					const own = Array.from(values).slice(w * scored, (w + 1) * scored);
					return own.reduce((sum, value) => sum + value, 0) / scored;
				};
				rows.push({
					kl: mean(masked!.tokenDivergences!),
					same: mean(masked!.tokenAgreements!),
					whole: mean(whole!.tokenLosses!),
					masked: mean(masked!.tokenLosses!),
				});
			}
		}
		await model.dispose();
		expect(result.windows).toBe(rows.length);
		const { divergence, agreement, difference, ratio, loss } = result.against!;
		const kl = spread(rows.map((row) => row.kl));
		expect(divergence.mean).toBeCloseTo(kl.mean, 4);
		expect(divergence.standardError).toBeCloseTo(kl.standardError, 4);
		const same = spread(rows.map((row) => row.same));
		expect(agreement.mean).toBeCloseTo(same.mean, 2);
		expect(agreement.standardError).toBeCloseTo(same.standardError, 2);
		const paired = spread(rows.map((row) => row.masked - row.whole));
		expect(difference.mean).toBeCloseTo(paired.mean, 4);
		expect(difference.standardError).toBeCloseTo(paired.standardError, 4);
		expect(loss).toBeCloseTo(spread(rows.map((row) => row.whole)).mean, 4);
		expect(result.loss - loss).toBeCloseTo(difference.mean, 10);
		expect(ratio.mean).toBeCloseTo(result.perplexity / result.against!.perplexity, 10);
		expect(difference.low).toBeLessThan(difference.mean - 1.9 * difference.standardError);
		expect(difference.high - difference.mean).toBeCloseTo(difference.mean - difference.low, 10);
	});

	it("is the same for a mask compared with the original, and for the file without these blocks compared with the file", async () => {
		const options = { text, windowLength: 64, threads: 2 };
		const masked = await measureText(fixturePath, { ...options, remove: removed });
		const file = await measureText(pruned, { ...options, against: fixturePath });
		expect({ ...file.against, model: "" }).toEqual({ ...masked.against, model: "" });
		const same = await measureText(fixturePath, { ...options, against: fixturePath });
		expect(same.against).toMatchObject({ agreement: { mean: 1 }, difference: { mean: 0, standardError: 0 }, ratio: { mean: 1 } });
		expect(same.against!.divergence.mean).toBeLessThan(1e-5);
		// A reference does not change the model's own figures, not even in bits.
		expect(same.loss).toBe((await measureText(fixturePath, options)).loss);
	});

	it.skipIf(!existsSync(perplexityTool))("gives the divergence and the agreement that llama-perplexity prints", async () => {
		const base = join(folder, "base.kld");
		const tool = (...args: string[]) => spawnSync(perplexityTool, [...args, "-c", "64", "--threads", "2"], { encoding: "utf8" });
		tool("-m", fixturePath, "-f", text, "--kl-divergence-base", base);
		const { stdout, stderr } = tool("-m", pruned, "--kl-divergence-base", base, "--kl-divergence");
		// The last row: chunk, perplexity, log ratio, divergence and agreement of all chunks, each with its error.
		const row = [...(stdout + stderr).matchAll(/^ *\d+ +[\d.]+ ± +[\d.]+ +[-\d.]+ ± +[-\w.]+ +([\d.]+) ± +[\d.]+ .*% +([\d.]+) ±/gm)].at(
			-1,
		);
		const { against, tokens } = await measureText(pruned, { text, windowLength: 64, against: fixturePath, threads: 2 });
		// Both keep the reference's distribution in 16 bits, in different ways.
		expect(Math.abs(against!.divergence.mean - Number(row?.[1])), stdout + stderr).toBeLessThan(2e-3);
		// The two batch windows differently: if two tokens are equally likely, either may come first, at one position.
		expect(Math.abs(against!.agreement.mean - Number(row?.[2]) / 100)).toBeLessThan(1.5 / tokens);
	});

	it("refuses another vocabulary, and says where they part", async () => {
		const other = await changedFixture(join(folder, "other.gguf"), (content) => {
			const key = "tokenizer.ggml.tokens";
			const at = content.entries.findIndex((entry) => entry.key === key);
			const raw = Buffer.from(content.entries[at]!.raw);
			// The last byte of the last token.
			raw[raw.length - 1] = raw[raw.length - 1]! ^ 1;
			return { ...content, entries: content.entries.map((entry, i) => (i === at ? { ...entry, raw } : entry)) };
		});
		const run = measureText(fixturePath, { text, windowLength: 64, against: other });
		await expect(run).rejects.toThrow(InvalidOptionError);
		await expect(run).rejects.toThrow(/different vocabularies: token 1023 is/);
		const named = await changedFixture(join(folder, "named.gguf"), (content) => ({
			...content,
			entries: content.entries.map((entry) => (entry.key === "tokenizer.ggml.model" ? encodeEntry(entry.key, "string", "other") : entry)),
		}));
		await expect(measureText(fixturePath, { text, windowLength: 64, against: named })).rejects.toThrow(/their tokenizers are other and/);
	});
});

/** Runs until so many tokens or questions are done, then stops it. */
async function interrupted(after: number, run: (options: Pick<EvaluateOptions, "signal" | "progress">) => Promise<unknown>): Promise<void> {
	const stop = new AbortController();
	const progress = watching(({ unit, done }) => {
		if (["tokens", "questions"].includes(unit) && done >= after) stop.abort(new Error("stopped"));
	});
	await expect(run({ signal: stop.signal, progress })).rejects.toThrow("stopped");
}

const withoutTime = <T extends object>(result: T) => ({ ...result, seconds: 0 });

/** Ledgers of cached evaluations. */
const kept = async () => (await listRuns()).flatMap(({ evaluations }) => evaluations);

describe("an evaluation that was stopped", () => {
	it.runIf(thorough)("of a text continues where it stopped, with the same bits", async () => {
		// More than one part: longer than what is measured before it is cached.
		const long = join(folder, "long.txt");
		writeFileSync(long, Array.from({ length: 12 }, () => readFileSync(text, "utf8")).join("\n"));
		const options = { text: long, windowLength: 64, remove: removed, threads: 2 };
		const straight = await measureText(fixturePath, options);
		process.env.PRUNE_GGUF_HOME = join(folder, `home-${homes++}`);
		await interrupted(1, (more) => measureText(fixturePath, { ...options, ...more }));
		const [one, two] = await kept();
		expect(one!.measured).toBeGreaterThan(0);
		expect(one!.measured).toBeLessThan(straight.windows);
		expect([one!.parts, two!.parts, one!.unit]).toEqual([straight.windows, straight.windows, "windows"]);
		const notes: string[] = [];
		const resumed = await measureText(fixturePath, { ...options, onLog: ({ message }) => notes.push(message) });
		expect(withoutTime(resumed)).toEqual(withoutTime(straight));
		expect(notes.join()).toMatch(/windows are cached from an earlier run/);
		// All is known: nothing is measured again, and another mask uses the original model's windows.
		const again = await measureText(fixturePath, options);
		expect(withoutTime(again)).toEqual(withoutTime(straight));
	});

	it("of questions continues where it stopped, with the same bits", async () => {
		const options = { questions, remove: removed, threads: 2 };
		const straight = await measureQuestions(fixturePath, options);
		process.env.PRUNE_GGUF_HOME = join(folder, `home-${homes++}`);
		await interrupted(1, (more) => measureQuestions(fixturePath, { ...options, ...more }));
		const before = await kept();
		expect(before.length).toBe(2);
		expect(withoutTime(await measureQuestions(fixturePath, options))).toEqual(withoutTime(straight));
		expect((await kept()).every(({ measured, parts }) => measured === parts)).toBe(true);
		// The original model's answers serve another mask, and the same questions asked of the file alone.
		await measureQuestions(fixturePath, { questions, threads: 2 });
		expect((await kept()).length).toBe(2);
	});

	it("loses an incomplete line, and is not mixed up: threads, preset, context, mask and text have ledgers of their own", async () => {
		const options = { text, windowLength: 64, threads: 2 };
		const straight = await measureText(fixturePath, options);
		const [ledger] = await kept();
		const whole = readFileSync(ledger!.path);
		writeFileSync(ledger!.path, whole.subarray(0, whole.length - 20));
		expect(withoutTime(await measureText(fixturePath, options))).toEqual(withoutTime(straight));
		expect(readFileSync(ledger!.path).equals(whole)).toBe(true);

		await measureText(fixturePath, { ...options, windowLength: 32 });
		await measureText(fixturePath, { ...options, preset: "full" });
		await measureText(fixturePath, { ...options, threads: 1 });
		expect((await kept()).length).toBe(4);
		// Two more: the mask compared with the original, which is known.
		await measureText(fixturePath, { ...options, remove: [4] });
		expect((await kept()).length).toBe(5);
		const { deleted } = await deleteRuns({ all: true });
		expect(deleted.length).toBe(5);
		expect(existsSync(ledger!.path)).toBe(false);
	});

	it("is measured even if it cannot be cached", async () => {
		const blocked = join(folder, `file-${homes++}`);
		writeFileSync(blocked, "");
		process.env.PRUNE_GGUF_HOME = blocked;
		const warnings: string[] = [];
		const onLog = ({ level, message }: { level: string; message: string }) => level === "warning" && warnings.push(message);
		const { perplexity } = await measureText(fixturePath, { text, windowLength: 64, threads: 2, onLog });
		expect(perplexity).toBeGreaterThan(1);
		expect(warnings.join()).toMatch(/results are not cached/);
	});
});

describe("PartLedger", () => {
	const header = { key: "a".repeat(64), unit: "windows", parts: 3, settings: {} };

	it("gives back every bit, and what is not finite as NaN", async () => {
		const path = join(folder, "bits.evaluation.ledger.jsonl");
		const ledger = await PartLedger.open(path, header);
		const values = { loss: [0.1 + 0.2, 1e-300, -0, Number.POSITIVE_INFINITY] };
		await ledger.append([[1, values]]);
		await ledger.append([[1, { loss: [7] }]]);
		const straight = ledger.get(1);
		await ledger.close();
		const again = await PartLedger.open(path, header);
		expect(again.get(1)).toEqual(straight);
		expect(again.get(1)).toEqual({ loss: [0.30000000000000004, 1e-300, 0, Number.NaN] });
		expect([again.resumed, again.size, again.get(0)]).toEqual([1, 1, undefined]);
		await again.close();
		await expect(PartLedger.open(path, { ...header, key: "b".repeat(64) })).rejects.toThrow(/another evaluation/);
		writeFileSync(path, readFileSync(path, "utf8").replace('"part":1', '"part":9'));
		await expect(PartLedger.open(path, header)).rejects.toThrow(InvalidLedgerError);
		expect(readdirSync(folder).filter((name) => name.endsWith(".lock"))).toEqual([]);
	});
});
