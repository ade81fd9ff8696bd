import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { keptProblem } from "../../../src/model/architectures/index.js";
import { InvalidOptionError, OutputExistsError } from "../../../src/errors.js";
import { ggmlTypeName, GgufFile } from "../../../src/model/gguf/index.js";
import { lower } from "../../../src/pipeline/session/paired-figures.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { openOriginal } from "../../../src/pipeline/writing/quantize-weights.js";
import { typesAround, alternativesVerdict } from "../../../src/pipeline/quantizing/alternatives.js";
import { Model } from "../../../src/model/runtime/model.js";
import { quantizeFile } from "../../../src/model/runtime/quantize.js";
import { readPlan } from "../../../src/storage/plan.js";
import { blocks, changedFixture, fixturePath, fullSet, mean, removing } from "../../helpers/fixture.js";
import { f16Fixture } from "../../helpers/f16.js";
import { ownHomes, small } from "../../helpers/home.js";
import { keptSplit } from "../../helpers/kept.js";

const { folder, out, home } = ownHomes();
let f16: string;
beforeAll(async () => {
	f16 = await f16Fixture(folder);
});

const partialsIn = (path: string) => readdirSync(path).filter((name) => name.includes(".partial-"));

describe("prune and quantize", () => {
	it("writes the quantized pruned model, and its figures are those of the file", async () => {
		const output = out();
		const { plan, output: written, report } = await pruneGguf(f16, output, { ...small, remove: [3, 6], quantize: "Q4_0" });
		const file = await GgufFile.read(output);
		expect(file.number("llama.block_count")).toBe(blocks - 2);
		expect(ggmlTypeName(file.tensor("blk.0.ffn_up.weight")!.type)).toBe("Q4_0");
		expect(file.array("prune_gguf.removed_blocks")).toEqual([3, 6]);
		expect(file.string("prune_gguf.source_sha256")).toBe(plan!.model.sha256);
		expect(written).toMatchObject({ path: output, size: file.size });
		expect(written!.verification).toMatch(/before it was quantized to Q4_0: .*bit for bit/);
		expect(partialsIn(folder)).toEqual([]);
		// Only the types differ.
		const source = await GgufFile.read(f16);
		expect(keptProblem(source, [3, 6], file)).toMatch(/tensors/);
		expect(keptProblem(source, [3, 6], file, { quantized: true })).toBeUndefined();

		const windows = keptSplit(home(), "heldOut", small.windowLength);
		const whole = await Model.load(f16, { threads: 2 });
		const reference = await whole.createEvaluator().createReference(fullSet, windows);
		const [full, masked] = await whole.createEvaluator().evaluate([fullSet, removing(3, 6)], windows);
		await whole.dispose();
		const made = await Model.load(output, { threads: 2 });
		const all = { toBytes: () => new Uint8Array(blocks - 2).fill(1) };
		const [found] = await made.createEvaluator().evaluate([all], windows, { reference });
		await made.dispose();

		const { quantized } = plan!;
		expect(quantized).toMatchObject({ type: "Q4_0", bytes: file.size });
		expect(quantized!.loss.mean).toBeCloseTo(mean(found!.losses), 10);
		expect(quantized!.added.mean).toBeCloseTo(mean(found!.losses) - mean(full!.losses), 10);
		expect(quantized!.divergence!.mean).toBeCloseTo(mean(found!.divergences!), 10);
		expect(quantized!.agreement!.mean).toBeCloseTo(mean(found!.agreements!), 10);
		expect(quantized!.added.standardError).toBeGreaterThan(0);
		// Quantizing is not free: the figures are not those of the mask.
		expect(plan!.losses.heldOut!.pruned.mean).toBeCloseTo(mean(masked!.losses), 10);
		expect(Math.abs(quantized!.loss.mean! - mean(masked!.losses))).toBeGreaterThan(1e-4);
		expect((await readPlan(`${output}.plan.json`)).quantized).toEqual(quantized);

		// People see what was written; what the removal alone costs stands beside it.
		expect(report!.verdict.headline).toBe("Removed 2 of 12 blocks: 3, 6; quantized to Q4_0.");
		const { figures, splits, quantized: said } = report!.quality!;
		expect(said).toEqual({ type: "Q4_0" });
		const value = (name: string) => figures.find((figure) => figure.name === name)!;
		expect(value("loss")).toMatchObject({ before: mean(full!.losses), after: quantized!.loss.mean, change: quantized!.added.mean });
		expect(value("perplexity").change).toBeCloseTo(Math.exp(quantized!.added.mean!), 10);
		expect(value("kl")).toMatchObject({ before: 0, after: quantized!.divergence!.mean });
		expect(value("agreement")).toMatchObject({ before: 1, change: quantized!.agreement!.mean! - 1 });
		expect(value("bytes").after).toBe(file.size);
		expect(splits.find(({ split }) => split === "heldOut")!.after).toBe(plan!.losses.heldOut!.pruned.mean);
	});

	it("takes the original's weights, and the plan says so", async () => {
		const output = out();
		const q = out();
		await quantizeFile(f16, q, "Q4_0", { threads: 2 });
		const warnings: string[] = [];
		const onLog: PruneOptions["onLog"] = ({ level, message }) => level === "warning" && warnings.push(message);
		const twice = out();
		const double = await pruneGguf(q, twice, { ...small, remove: [6], quantize: "Q8_0", onLog });
		expect(warnings.join("\n")).toMatch(/quantized already.*--quantize-from/);
		warnings.length = 0;
		const once = await pruneGguf(q, output, { ...small, remove: [6], quantize: { type: "Q8_0", from: f16 }, onLog });
		expect(warnings).toEqual([]);
		expect(once.plan!.quantized!.from).toMatchObject({ name: "fixture-f16.gguf" });
		expect(double.plan!.quantized!.from).toBeUndefined();
		// The same file as from the original alone, and different from one made from quantized weights.
		const direct = out();
		await applyPlan(f16, direct, { remove: [6], quantize: "Q8_0", threads: 2 });
		expect(readFileSync(output).equals(readFileSync(direct))).toBe(true);
		expect(readFileSync(output).equals(readFileSync(twice))).toBe(false);
		expect((await GgufFile.read(output)).string("prune_gguf.source_sha256")).toBe(once.plan!.quantized!.from!.sha256);
	});

	it("leaves nothing where it is aborted or refused", async () => {
		for (const phase of [/^writing/, /^quantizing/, /^measuring the quantized/]) {
			const output = out();
			const controller = new AbortController();
			const reason = new Error("stopped");
			const job = pruneGguf(f16, output, {
				...small,
				remove: [6],
				quantize: "Q8_0",
				signal: controller.signal,
				onProgress: (event) => phase.test(event.phase) && controller.abort(reason),
			});
			await expect(job, String(phase)).rejects.toBe(reason);
			expect(existsSync(output)).toBe(false);
			expect(existsSync(`${output}.plan.json`)).toBe(false);
			expect(partialsIn(folder)).toEqual([]);
		}
		const taken = out();
		writeFileSync(taken, "mine");
		await expect(pruneGguf(f16, taken, { ...small, remove: [6], quantize: "Q8_0" })).rejects.toThrow(OutputExistsError);
		expect(readFileSync(taken, "utf8")).toBe("mine");
	});

	it.each<[string, PruneOptions, RegExp, boolean?]>([
		["an unknown type", { remove: [6], quantize: "Q9" as "Q8_0" }, /no type Q9.*known are F32/],
		["a type that needs an importance matrix", { remove: [6], quantize: "Q2_K_S" }, /importance matrix.*Q2_K/],
		["no output", { remove: [6], quantize: "Q8_0" }, /name an output/, true],
		["an original that is not used", { remove: [6], quantize: { from: fixturePath } }, /--quantize TYPE or --quantized-alternatives/],
		["an original that is quantized", { remove: [6], quantize: { type: "Q8_0", from: fixturePath } }, /quantized itself.*F16/],
		["alternatives to a whole curve", { quantizedAlternatives: true }, /say how much to remove/],
	])("refuses %s", async (_, options, message, without) => {
		const job = pruneGguf(f16, without ? undefined : out(), { ...small, ...options });
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(message);
	});

	it("refuses another model's original, and says by what it differs", async () => {
		const other = await pruneGguf(f16, out(), { ...small, remove: [5] });
		const run = (quantizeFrom: string) => pruneGguf(f16, out(), { ...small, remove: [6], quantize: { type: "Q8_0", from: quantizeFrom } });
		await expect(run(other.output!.path)).rejects.toThrow(/is not the model .*: it has 11 blocks, not 12/);
	});

	it("apply measures the quantized file on the windows it verifies on", async () => {
		const output = out();
		const { quantized, output: written } = await applyPlan(f16, output, { remove: [6], quantize: "Q4_0", threads: 2 });
		expect(quantized).toMatchObject({ type: "Q4_0", bytes: written.size });
		expect(quantized!.added.mean!).toBeGreaterThan(0);
		expect(quantized!.divergence!.mean!).toBeGreaterThan(0);
		await expect(applyPlan(f16, out(), { remove: [6], quantize: { from: f16 } })).rejects.toThrow(/--quantize TYPE/);
	});
});

describe("the original model quantized instead", () => {
	it("is measured on the same windows, and the verdict follows the paired difference", async () => {
		const output = out();
		const options = { ...small, remove: [2, 3, 6, 8, 10], quantizedAlternatives: true };
		const { plan, report } = await pruneGguf(f16, output, options);
		const found = plan!.quantizedAlternatives!;
		const size = (await GgufFile.read(output)).size;
		expect(found.sourceQuantized).toBe(false);
		expect(found.pruned.bytes).toBe(size);
		expect(found.pruned.loss.mean).toBeCloseTo(plan!.losses.heldOut!.pruned.mean!, 10);
		expect(found.reference.loss.mean).toBeCloseTo(plan!.losses.heldOut!.original.mean!, 10);
		const best = found.items.find(({ bytes }) => bytes <= size)!;
		// Q8_0 is half of F16 and nearly as good: five of twelve blocks cost far more.
		expect(best.name).toBe("Q8_0");
		expect(best.againstPruned.mean!).toBeCloseTo(best.loss.mean! - found.pruned.loss.mean!, 10);
		expect(found.verdict).toMatchObject({ better: "quantizing", against: "Q8_0" });
		expect(found.verdict.text).toMatch(/Removing 5 blocks .* adds .*Q8_0 .*Quantizing is the better way/);
		expect((await readPlan(`${output}.plan.json`)).quantizedAlternatives).toEqual(found);
		expect(report!.alternatives).toMatchObject({ verdict: found.verdict.text, sourceQuantized: false });
		expect(report!.alternatives!.quantizedFrom).toBeUndefined();
		expect(report!.alternatives!.versions.map(({ kind, bytes, added }) => [kind, bytes, added])).toEqual([
			["source", found.reference.bytes, 0],
			["pruned", size, found.pruned.added.mean],
			...found.items.map(({ bytes, added }) => ["quantized", bytes, added.mean]),
		]);
		expect(readdirSync(join(home(), "runs"), { recursive: true }).filter((name) => String(name).includes("partial"))).toEqual([]);
		// Known by now: nothing is quantized again.
		const phases: string[] = [];
		const again = await pruneGguf(f16, output, { ...options, overwrite: true, onProgress: ({ phase }) => phases.push(phase) });
		expect(again.plan!.quantizedAlternatives).toEqual(found);
		expect(phases.filter((phase) => phase.startsWith("quantizing"))).toEqual([]);
	});

	it("says where a quantized source flatters pruning, and compares with the original where it is given", async () => {
		const model = out();
		copyFileSync(fixturePath, model);
		const { plan } = await pruneGguf(model, undefined, { ...small, remove: [2, 3, 6, 8, 10], quantizedAlternatives: true });
		expect(plan!.quantizedAlternatives).toMatchObject({ sourceQuantized: true });
		expect(plan!.quantizedAlternatives!.verdict.text).toMatch(/quantized twice, which flatters pruning/);
		const fair = await pruneGguf(model, undefined, {
			...small,
			remove: [2, 3, 6, 8, 10],
			quantizedAlternatives: true,
			quantize: { from: f16 },
		});
		expect(fair.plan!.quantizedAlternatives).toMatchObject({ sourceQuantized: false, reference: { name: "fixture-f16.gguf" } });
		expect(fair.plan!.quantizedAlternatives!.verdict.text).not.toMatch(/twice/);
		expect(fair.report!.alternatives).toMatchObject({ sourceQuantized: false, quantizedFrom: "fixture-f16.gguf" });
	});

	it("types come next to the size", async () => {
		const file = await GgufFile.read(f16);
		expect(typesAround({ file }, file.size - 1)).toEqual(["Q8_0"]);
		const [above, below] = typesAround({ file }, file.size / 2);
		expect([above, below]).toHaveLength(2);
		expect(typesAround({ file }, 1000)).toHaveLength(1);
	});
});

describe("the verdict", () => {
	const figure = (value: number) => ({ mean: value, standardError: 0.01 });
	const figures = (added: number) => ({ loss: figure(3 + added), added: figure(added), divergence: null, agreement: null });
	const item = (name: string, bytes: number, added: number, against: number) => ({
		name,
		bytes,
		...figures(added),
		againstPruned: figure(against),
	});
	const judge = (items: ReturnType<typeof item>[], { sourceQuantized = false, pruned = 0.3 } = {}) =>
		alternativesVerdict({ removed: [1, 2], pruned: { bytes: 1000, ...figures(pruned) }, items, sourceQuantized, windows: 10, blocks: 20 });

	it("follows the interval of the difference at equal size or less", () => {
		expect(judge([item("Q5_K_M", 1500, 0.01, -0.29)])).toEqual({
			better: "undecided",
			text: expect.stringMatching(/No quantization type .*\. Q5_K_M \(1\.5 kB, 50 % larger\) adds 0\.010 .*quantize if that size will do/),
		});
		expect(judge([])).toEqual({ better: "undecided", text: expect.stringMatching(/No quantization type that was tried is that small\.$/) });
		expect(judge([item("Q2_K", 990, 0.9, 0.6)], { sourceQuantized: true }).text).toContain("--quantize-from ORIGINAL");
	});

	it("counts attention parts as what they are", () => {
		const of = (removed: readonly number[]) => {
			const pruned = { bytes: 1000, ...figures(0.3) };
			return alternativesVerdict({
				removed,
				pruned,
				items: [item("Q2_K", 990, 0.2, -0.1)],
				sourceQuantized: false,
				windows: 10,
				blocks: 20,
			}).text;
		};
		expect(of([1.25, 2.25])).toMatch(/^Removing 2 attention parts \(.*Removing attention parts also leaves a smaller KV cache/);
		expect(of([1.25, 4])).toMatch(/^Removing 1 block and 1 attention part \(.* leaves 5 % fewer blocks to run, and a smaller KV cache/);
	});

	it("praises nothing that is damaged: ln 2 is the bound", () => {
		const poor = "Both are poor at this size: choose a larger file.";
		const damaged = { pruned: 0.7 };
		const won = [item("Q2_K", 990, 1.2, 0.5)];
		expect(judge(won, { pruned: 0.69 })).toMatchObject({ better: "pruning", text: expect.stringContaining("the better way to this size") });
		expect(judge(won, damaged)).toMatchObject({ better: "pruning", text: expect.stringMatching(new RegExp(`${poor}$`)) });
		expect(judge([item("Q2_K", 700, 1.2, 0.5)], damaged).text).toMatch(new RegExp(`no larger type was tried\\. ${poor}$`));
		const larger = (added: number) => [item("Q4_0", 1500, added, -0.01), item("Q2_K", 700, 1.2, 0.5)];
		expect(judge(larger(0.69), damaged).text).toMatch(new RegExp(`adds 0\\.690 ± 0\\.010\\. ${poor}$`));
		const further = (added: number) => [item("Q4_0", 1500, added, -0.1), item("Q2_K", 700, 1.2, 0.5)];
		expect(judge(further(0.6), damaged)).toMatchObject({
			better: "undecided",
			text: expect.stringMatching(/quantize if that size will do\.$/),
		});
		expect(judge(further(0.7), damaged).text).toMatch(new RegExp(`less than pruning\\. ${poor}$`));
		expect(judge([item("Q2_K", 990, 0.71, 0.01)], damaged)).toMatchObject({ better: "undecided", text: expect.stringMatching(poor) });
		expect(judge([item("Q2_K", 990, 0.66, -0.01)], damaged).text).toMatch(/tied\. Pruning is poor at this size: choose a larger file\.$/);
		const text = judge([item("Q2_K", 990, 0.5, -0.2)], damaged).text;
		expect(text).toMatch(/Quantizing is the better way to this size\.$/);
		expect(judge([item("Q2_K", 990, 0.9, -0.3)], { pruned: 1.2 }).text).toMatch(/Quantizing is better, but both are poor at this size/);
		expect(judge([], damaged).text).toMatch(/The model is damaged: choose a larger file\.$/);
		expect(judge([item("Q2_K", 1500, 0.9, 0.2)], damaged).text).toMatch(/Both are poor: choose a larger file\.$/);
		expect(judge([item("Q2_K", 1500, 0.69, -0.01)], damaged).text).toMatch(/Pruning is poor at this size: choose a larger file\.$/);
	});

	it("takes no side without an error, or with one window", () => {
		expect(lower({ mean: 1, standardError: null }, 10)).toBeUndefined();
		expect(lower({ mean: 1, standardError: 0.01 }, 1)).toBeUndefined();
		expect(lower({ mean: 1, standardError: 0.01 }, 10)).toBe("first");
		expect(lower({ mean: -1, standardError: 0.01 }, 10)).toBe("second");
	});
});

it("a changed norm is no reason to refuse, but to warn", async () => {
	const other = await changedFixture(out(), (content) => content);
	const warnings: string[] = [];
	const file = await GgufFile.read(other);
	const bytes = readFileSync(f16);
	const norm = (await GgufFile.read(f16)).tensor("blk.0.attn_norm.weight")!;
	bytes.writeFloatLE(9, norm.source.offset);
	const changed = out();
	writeFileSync(changed, bytes);
	await openOriginal(changed, { path: other, file }, { onLog: ({ message }) => warnings.push(message) });
	expect(warnings.join()).toMatch(/other values in blk\.0\.attn_norm\.weight/);
	warnings.length = 0;
	await openOriginal(f16, { path: other, file }, { onLog: ({ message }) => warnings.push(message) });
	expect(warnings).toEqual([]);
});

it("a norm is compared to its end where a read delivers less than was asked for", async () => {
	const other = await changedFixture(out(), (content) => content);
	const file = await GgufFile.read(other);
	const bytes = readFileSync(f16);
	const norm = (await GgufFile.read(f16)).tensor("blk.0.attn_norm.weight")!.source;
	bytes.writeFloatLE(9, norm.offset + norm.size - 4);
	const changed = out();
	writeFileSync(changed, bytes);
	const handle = await open(changed);
	const proto = Object.getPrototypeOf(handle) as { read: (...args: [Uint8Array, number, number, number]) => Promise<unknown> };
	await handle.close();
	const { read } = proto;
	proto.read = function (buffer, offset, length, position) {
		return read.call(this, buffer, offset, length <= norm.size ? Math.min(length, 100) : length, position);
	};
	const warnings: string[] = [];
	const compared = (path: string) => openOriginal(path, { path: other, file }, { onLog: ({ message }) => warnings.push(message) });
	try {
		await compared(f16);
		expect(warnings).toEqual([]);
		await compared(changed);
		expect(warnings.join()).toMatch(/other values in blk\.0\.attn_norm\.weight/);
	} finally {
		proto.read = read;
	}
});
