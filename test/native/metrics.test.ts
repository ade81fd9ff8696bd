import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawPositions } from "../../src/model/calibration/index.js";
import { InvalidOptionError, NotEnoughMemoryError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { defaultUbatch } from "../../src/model/runtime/ubatch.js";
import { Model } from "../../src/model/runtime/model.js";
import { makeWindows, type TokenWindows } from "../../src/model/runtime/windows.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { blocks, fixturePath, fixtureWindows, fullSet, mean, perplexityTool, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
let model: Model;
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const windows = fixtureWindows(4);
const masks = [removing(4), removing(3, 6, 9), removing(0), Coalition.empty(blocks)];

describe("drawn positions", () => {
	const positions = drawPositions(windows, { share: 0.25, seed: 5 });

	it("are as many in every window, without the last, and the same for the same seed", () => {
		for (let w = 0; w < windows.count; w++) {
			const row = positions.flags.subarray(w * 128, (w + 1) * 128);
			expect(row.reduce((a, b) => a + b, 0)).toBe(32);
			expect(row.at(-1)).toBe(0);
		}
		expect(drawPositions(windows, { share: 0.25, seed: 5 }).flags).toEqual(positions.flags);
		expect(drawPositions(windows, { share: 0.25, seed: 6 }).flags).not.toEqual(positions.flags);
		const late = drawPositions(windows, { share: 0.5, seed: 1, scoreFrom: 100 });
		expect(late.flags.subarray(0, 100).every((flag) => flag === 0)).toBe(true);
	});

	it("give the losses of these positions, and their standard error", async () => {
		const evaluator = model.createEvaluator();
		const all = await evaluator.evaluate(masks, windows, { perToken: true });
		const some = await evaluator.evaluate(masks, windows, { positions, perToken: true });
		masks.forEach((_, i) => {
			let at = 0;
			for (let w = 0; w < windows.count; w++) {
				const picked = [...Array(127).keys()]
					.filter((p) => positions.flags[w * 128 + p] === 1)
					.map((p) => all[i]!.tokenLosses![w * 127 + p]!);
				// Other rows in a product of matrices may round differently.
				picked.forEach((loss, k) => {
					expect(some[i]!.tokenLosses![at + k]).toBeCloseTo(loss, 3);
				});
				at += picked.length;
				expect(some[i]!.losses[w]).toBeCloseTo(mean(picked), 3);
				const m = mean(picked);
				const variance = picked.reduce((sum, loss) => sum + (loss - m) ** 2, 0) / (picked.length - 1);
				expect(some[i]!.standardErrors![w]).toBeCloseTo(Math.sqrt((variance / 32) * (1 - 32 / 127)), 3);
			}
		});
	});

	it("estimate the loss over all positions within their standard error, about as often as they should", async () => {
		const [all] = await model.createEvaluator().evaluate([removing(3)], fixtureWindows(10));
		let within = 0;
		for (let seed = 0; seed < 10; seed++) {
			const drawn = drawPositions(fixtureWindows(10), { share: 0.25, seed });
			const [some] = await model.createEvaluator().evaluate([removing(3)], fixtureWindows(10), { positions: drawn });
			some!.losses.forEach((loss, w) => {
				if (Math.abs(loss - all!.losses[w]!) <= 1.645 * some!.standardErrors![w]!) within++;
			});
		}
		// 90 of 100 are expected; a wrong factor (no correction, or a variance instead of an error) leaves this range.
		expect(within).toBeGreaterThan(78);
		expect(within).toBeLessThan(98);
	});

	it("are the same bits alone and in a batch", async () => {
		const evaluator = model.createEvaluator();
		const batch = await evaluator.evaluate(masks, windows, { positions, digest: true });
		for (const [i, mask] of masks.entries()) {
			const [alone] = await evaluator.evaluate([mask], windows, { positions, digest: true });
			expect(alone!.digests).toEqual(batch[i]!.digests);
		}
	});

	// The end of a mask's last block runs only for the scored rows; inside a longer mask the same block runs for all.
	it.each([1, 3])("are the same bits alone and in a batch where masks begin others: %i scored", async (count) => {
		const one = makeWindows(windows.tokens.slice(0, 128), 128);
		const flags = new Uint8Array(128);
		for (let i = 0; i < count; i++) flags[60 + 7 * i] = 1;
		const sets = [Coalition.full(blocks), removing(11), removing(10, 11), removing(9, 10, 11), removing(9, 11), Coalition.empty(blocks)];
		const options = { positions: { flags, scoreFrom: 0 }, digest: true };
		const evaluator = model.createEvaluator();
		for (const order of [sets, sets.toReversed()]) {
			const batch = await evaluator.evaluate(order, one, options);
			for (const [i, mask] of order.entries()) {
				const [alone] = await model.createEvaluator({ sharePrefixes: false }).evaluate([mask], one, options);
				expect(batch[i]!.digests, mask.key).toEqual(alone!.digests);
			}
		}
	});

	it("of all positions are the same bits as no positions", async () => {
		const flags = new Uint8Array(windows.count * 128).map((_, i) => ((i + 1) % 128 === 0 ? 0 : 1));
		const [given] = await model.createEvaluator().evaluate([removing(2)], windows, { positions: { flags, scoreFrom: 0 } });
		const [plain] = await model.createEvaluator().evaluate([removing(2)], windows);
		expect(given!.losses).toEqual(plain!.losses);
		expect([...given!.standardErrors!]).toEqual([0, 0, 0, 0]);
	});

	it.each<[string, (flags: Uint8Array) => Uint8Array]>([
		["the wrong number of flags", (flags) => flags.subarray(1)],
		["the last position", (flags) => flags.map((flag, i) => (i === 127 ? 1 : flag))],
		["a window without any", (flags) => flags.map((flag, i) => (i < 128 ? 0 : flag))],
	])("refuse %s", async (_, change) => {
		const changed = { flags: change(positions.flags), scoreFrom: 0 };
		await expect(model.createEvaluator().evaluate(masks, windows, { positions: changed })).rejects.toThrow(InvalidOptionError);
	});
});

describe("a reference", () => {
	it("is the original model: no divergence, full agreement", async () => {
		const evaluator = model.createEvaluator();
		const reference = await evaluator.createReference(fullSet, windows);
		expect(reference.bytes).toBe(2 * 4 * 127 * 1024);
		const [full] = await evaluator.evaluate([fullSet], windows, { reference });
		expect([...full!.agreements!]).toEqual([1, 1, 1, 1]);
		for (const divergence of full!.divergences!) expect(divergence).toBeLessThan(1e-6);
	});

	it("measures masks alike alone, in a batch and with drawn positions", async () => {
		const evaluator = model.createEvaluator();
		const reference = await evaluator.createReference(fullSet, windows);
		const batch = await evaluator.evaluate(masks, windows, { reference, perToken: true });
		for (const [i, mask] of masks.entries()) {
			const [alone] = await evaluator.evaluate([mask], windows, { reference, perToken: true });
			expect(alone).toEqual(batch[i]);
			expect(mean(batch[i]!.divergences!)).toBeGreaterThan(0.005);
			expect(mean(batch[i]!.tokenDivergences!)).toBeCloseTo(mean(batch[i]!.divergences!), 5);
			expect(mean(batch[i]!.tokenAgreements!)).toBeCloseTo(mean(batch[i]!.agreements!), 9);
		}
		const positions = drawPositions(windows, { share: 0.25, seed: 5 });
		const small = await evaluator.createReference(fullSet, windows, { positions });
		expect(small.positions).toBe(4 * 32);
		const [some] = await evaluator.evaluate([removing(3, 6, 9)], windows, { reference: small, positions });
		expect(Math.abs(mean(some!.divergences!) - mean(batch[1]!.divergences!))).toBeLessThan(0.25 * mean(batch[1]!.divergences!));
	});

	it("of a model that breaks down compares with nothing", async () => {
		const path = join(folder, "broken.gguf");
		copyFileSync(fixturePath, path);
		const { source } = (await GgufFile.read(path)).tensor("blk.5.attn_norm.weight")!;
		const handle = await open(path, "r+");
		await handle.write(Buffer.from(new Float32Array(source.size / 4).fill(Number.NaN).buffer), 0, source.size, source.offset);
		await handle.close();
		const broken = await Model.load(path, { threads: 2 });
		try {
			const evaluator = broken.createEvaluator();
			const reference = await evaluator.createReference(fullSet, windows);
			const [without, full] = await evaluator.evaluate([removing(5), fullSet], windows, { reference });
			expect([...without!.losses].every(Number.isFinite)).toBe(true);
			expect([...full!.losses].every(Number.isNaN)).toBe(true);
			for (const { divergences, agreements } of [without!, full!]) {
				expect([...divergences!].every(Number.isNaN)).toBe(true);
				expect([...agreements!]).toEqual([0, 0, 0, 0]);
			}
		} finally {
			await broken.dispose();
		}
	});

	it("fits its own windows and positions only", async () => {
		const evaluator = model.createEvaluator();
		const reference = await evaluator.createReference(fullSet, windows);
		const other = makeWindows(
			windows.tokens.map((token) => (token + 1) % 1024),
			128,
		);
		await expect(evaluator.evaluate(masks, other, { reference })).rejects.toThrow(/reference was made for/);
		await expect(evaluator.evaluate(masks, windows, { reference, scoreFrom: 1 })).rejects.toThrow(InvalidOptionError);
		const positions = drawPositions(windows, { share: 0.25, seed: 5 });
		await expect(evaluator.evaluate(masks, windows, { reference, positions })).rejects.toThrow(InvalidOptionError);
		await expect(evaluator.createReference(fullSet, windows, { maxBytes: 1000 })).rejects.toThrow(NotEnoughMemoryError);
	});

	it.skipIf(!existsSync(perplexityTool))("gives the divergence and agreement that llama-perplexity prints", async () => {
		const long = fixtureWindows();
		const text = join(folder, "text.txt");
		const base = join(folder, "base.kld");
		const pruned = join(folder, "pruned.gguf");
		writeFileSync(text, model.detokenize(long.tokens, { special: false }));
		await applyPlan(fixturePath, pruned, { remove: [3, 6, 9] });
		const tool = (...args: string[]) =>
			spawnSync(perplexityTool, [...args, "-c", "128", "-b", "512", "--threads", "2"], { encoding: "utf8" });
		tool("-m", fixturePath, "-f", text, "--kl-divergence-base", base);
		const { stdout, stderr } = tool("-m", pruned, "--kl-divergence-base", base, "--kl-divergence");
		const printed = stdout + stderr;
		// The last row: chunk, perplexity, log ratio, divergence and agreement of all chunks so far, each with its error.
		const row = [...printed.matchAll(/^ *\d+ +[\d.]+ ± +[\d.]+ +[-\d.]+ ± +[-\w.]+ +([\d.]+) ± +[\d.]+ .*% +([\d.]+) ±/gm)].at(-1);
		const [kl, same] = [Number(row?.[1]), Number(row?.[2])];
		expect(kl, printed).toBeGreaterThan(0);

		const chunks = asChunks(model, text);
		const options = { scoreFrom: 64 };
		const reference = await model.createEvaluator().createReference(fullSet, chunks, options);
		const [mask] = await model.createEvaluator().evaluate([removing(3, 6, 9)], chunks, { ...options, reference });
		// Both keep the original model's distribution in 16 bits, in different ways.
		expect(Math.abs(mean(mask!.divergences!) - kl)).toBeLessThan(2e-3 * Math.max(1, kl));
		expect(100 * mean(mask!.agreements!)).toBeCloseTo(same, 1);
	});
});

/** The windows of llama-perplexity: the whole text once, each window beginning with the start token. */
function asChunks(from: Model, path: string): TokenWindows {
	const text = readFileSync(path, "utf8").replace(/\n$/, "");
	const tokens = from.tokenize(text);
	const count = Math.floor(tokens.length / 128);
	const cut = tokens.slice(0, count * 128);
	const { addBos, bos } = from.facts;
	if (addBos && bos !== undefined) for (let i = 0; i < count; i++) cut[i * 128] = bos;
	return makeWindows(cut, 128);
}

describe("the usual ubatch", () => {
	it("holds at most 256 MiB of logits", () => {
		expect(defaultUbatch(1024)).toBe(512);
		expect(defaultUbatch(49_152)).toBe(512);
		expect(defaultUbatch(262_144)).toBe(256);
		expect(defaultUbatch(10_000_000)).toBe(64);
	});
});
