import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EvaluationError, InvalidCandidateError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { blockExecutions } from "../../src/game/executions.js";
import { keptParts, removedParts } from "../../src/game/parts.js";
import { Random } from "../../src/game/random.js";
import { formatBlocks } from "../../src/notation.js";
import type { BlockVersion } from "../../src/model/runtime/addon.js";
import type { EvaluationStats } from "../../src/model/runtime/evaluator.js";
import type { Evaluation, EvaluatorOptions } from "../../src/model/runtime/evaluator.js";
import type { BlockMask } from "../../src/model/runtime/masks.js";
import { Model } from "../../src/model/runtime/model.js";
import { runSpeed } from "../../src/model/runtime/speed.js";
import { blocks, changedFixture, fixturePath, fixtureWindows, fullSet, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Views of half-block cuts and without attention parts, compared bit for bit with the original model whose removed parts add nothing.

const folder = tempFolder();
const windows = fixtureWindows(2, 64);
let model: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

/** What a part adds to the residual stream goes through this matrix. */
const OUTPUT = { attention: "attn_output", feedForward: "ffn_down" } as const;

function zeroedMatrix(block: number, part: keyof typeof OUTPUT): BlockVersion["matrices"][number] {
	const tensor = model.file.tensor(`blk.${block}.${OUTPUT[part]}.weight`)!;
	return { name: tensor.name, type: tensor.type, bytes: new Uint8Array(tensor.source.size) };
}

/** All blocks in versions of which the removed parts add nothing. */
function zeroed(positions: readonly number[]): { mask: BlockMask; versions: BlockVersion[] } {
	const kept = keptParts(blocks, positions);
	const bytes = new Uint8Array(blocks).fill(1);
	const versions: BlockVersion[] = [];
	for (let block = 0; block < blocks; block++) {
		const parts = (["attention", "feedForward"] as const).filter((_, i) => !kept[2 * block + i]);
		if (parts.length === 0) continue;
		bytes[block] = 2 + versions.length;
		versions.push({ block, matrices: parts.map((part) => zeroedMatrix(block, part)) });
	}
	return { mask: { toBytes: () => bytes }, versions };
}

const bits = ({ losses, digests }: Evaluation) => [...losses].map(String).concat(digests!);
const measure = async (masks: readonly BlockMask[], options: EvaluatorOptions = {}, versions: readonly BlockVersion[] = []) =>
	(await model.createEvaluator(options).evaluate(masks, windows, { digest: true, versions })).map(bits);
const alone = async (mask: BlockMask, versions: readonly BlockVersion[] = []) =>
	(await measure([mask], { sharePrefixes: false }, versions))[0]!;

const CUTS = [
	[0.5],
	[5.5],
	[10.5],
	// Runs: one merged block remains, of parts that were further apart.
	[2.5, 3.5, 4.5],
	Array.from({ length: 11 }, (_, i) => i + 0.5),
	// Two merged blocks, also one right after the other.
	[1.5, 6.5],
	[0.5, 10.5],
	[2.5, 4.5],
	// A merged block beside removed blocks, and around them.
	[1.5, 3, 4.5],
	[0, 2.5, 11],
	[3.5, 5, 6.5, 7.5, 9],
	// Attention parts alone: one, the last, several in a row, all but the first, and beside blocks and merged blocks.
	[4.25],
	[11.25],
	[1.25, 2.25, 3.25],
	Array.from({ length: 11 }, (_, i) => i + 1.25),
	[0, 2.25, 10],
	[1.5, 3.25, 5.5, 6.5, 8.25, 9, 11.25],
].map((positions) => ({ positions, text: formatBlocks(positions) }));

/** Removes pairs of neighbors in the stack one after another: a merged block is a block for the next step. */
function drawnCut(random: Random): number[] {
	let parts = Array.from({ length: 2 * blocks }, (_, part) => part);
	for (let step = 1 + random.integer(7); step > 0; step--) {
		const at = random.integer(parts.length - 1);
		parts = parts.filter((_, i) => i !== at && i !== at + 1);
	}
	const gone = Array.from({ length: 2 * blocks }, (_, part) => part).filter((part) => !parts.includes(part));
	return gone.filter((_, i) => i % 2 === 0).map((part) => part / 2);
}

describe("a half-block cut, or an attention part", () => {
	it.each(CUTS)("of $text has the bits of the original with these parts zeroed", async ({ positions }) => {
		const { mask, versions } = zeroed(positions);
		expect(await alone(removing(...positions))).toEqual(await alone(mask, versions));
	});

	it("is another model than the whole blocks beside it, and the original is back afterwards", async () => {
		const before = await alone(fullSet);
		const sets = [removing(4), removing(4.5), removing(5)];
		const measured = await measure(sets, { sharePrefixes: false });
		expect(new Set([before, ...measured].map(String)).size).toBe(4);
		expect(await alone(fullSet)).toEqual(before);
	});

	it("has the bits of a file with zeroed tensors, and of a file with the parts of two blocks in one", async () => {
		const positions = [2.5, 7.5];
		const { attention, feedForward } = removedParts(positions);
		const gone = new Set([...attention.map((i) => `blk.${i}.attn_output.weight`), ...feedForward.map((i) => `blk.${i}.ffn_down.weight`)]);
		const expected = await alone(removing(...positions));
		const path = await changedFixture(join(folder, "zeroed.gguf"), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) =>
				gone.has(tensor.name) ? { ...tensor, source: new Uint8Array(model.file.tensor(tensor.name)!.source.size) } : tensor,
			),
		}));
		// Blocks 3 and 8 keep the tensors of their feed-forward parts only, under the numbers of 2 and 7, which keep their attention parts.
		const swapped = await changedFixture(join(folder, "swapped.gguf"), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) => {
				const [, block, rest] = /^blk\.(\d+)\.(ffn_.*)$/.exec(tensor.name) ?? [];
				const other = { "2": 3, "3": 2, "7": 8, "8": 7 }[block!];
				return other === undefined ? tensor : { ...tensor, name: `blk.${other}.${rest}` };
			}),
		}));
		await using other = await Model.load(path, { threads: 2 });
		await using merged = await Model.load(swapped, { threads: 2 });
		const bitsOf = async (one: Model, mask: Coalition) =>
			bits((await one.createEvaluator().evaluate([mask], windows, { digest: true }))[0]!);
		expect(await bitsOf(other, fullSet)).toEqual(expected);
		expect(await bitsOf(merged, removing(3, 8))).toEqual(expected);
	});

	it("takes standing replacements of its matrices", async () => {
		const { mask, versions } = zeroed([4.5, 8]);
		for (const { name, ...values } of versions.flatMap(({ matrices }) => matrices)) await model.replaceTensor(name, values);
		const whole = await alone(fullSet);
		// Parts that add nothing are removed, and then it makes no difference that others add nothing.
		const cut = await alone(removing(4.5));
		for (const { name } of versions.flatMap(({ matrices }) => matrices)) await model.replaceTensor(name);
		expect(whole).toEqual(await alone(mask, versions));
		expect(cut).toEqual(whole);
	});
});

describe("batches of half-block cuts and attention parts", () => {
	const random = new Random(11);
	const drawn = Array.from({ length: 40 }, () => drawnCut(random));
	// Neighbors that part inside a merged block, or behind one.
	const alike = [[4.25], [5.25], [4.25, 5.25], [5.25, 6.25, 8], [5.25, 6.5], [5.25, 11], [5.25, 10.25, 11.25], [1.5, 5.25]];
	const close = [...alike, [], [5], [5.5], [5.5, 6.5], [5.5, 7.5], [5.5, 6.5, 8], [5, 6], [5, 6.5], [5.5, 10], [5.5, 11], [5.5, 6.5, 11]];
	const masks = [...new Map([...close, ...drawn].map((cut) => Coalition.ofRemoved(blocks, cut)).map((mask) => [mask.key, mask])).values()];
	let expected: string[][];
	beforeAll(async () => {
		expected = [];
		for (const mask of masks) expected.push(await alone(mask));
	});

	it("are different models, most of them with merged blocks", () => {
		expect(new Set(expected.map(String)).size).toBe(masks.length);
		expect(masks.filter((mask) => !mask.whole).length).toBeGreaterThan(masks.length / 2);
	});

	it.each<[string, EvaluatorOptions]>([
		["sharing prefixes", {}],
		["with memory for two hidden states", { stateBytes: 2 * 2 * 64 * 128 * 4 }],
		["without sharing prefixes", { sharePrefixes: false }],
	])("give the bits that each gives alone, %s", async (_, options) => {
		expect(await measure(masks, options)).toEqual(expected);
	});

	it("give them in any order, and in small batches", async () => {
		for (const seed of [1, 2, 3]) {
			const order = new Random(seed).shuffle([...masks.keys(), ...masks.keys()]);
			expect(await measure(order.map((i) => masks[i]!))).toEqual(order.map((i) => expected[i]));
			const some = order.slice(0, 5);
			expect(await measure(some.map((i) => masks[i]!))).toEqual(some.map((i) => expected[i]));
		}
	});

	it("give the losses of single runs if only some positions are scored", async () => {
		const options = { scoreFrom: 20, digest: true };
		const evaluator = model.createEvaluator();
		const together = await evaluator.evaluate(masks, windows, options);
		const single = model.createEvaluator({ sharePrefixes: false });
		for (const [i, mask] of masks.entries())
			expect(bits((await single.evaluate([mask], windows, options))[0]!)).toEqual(bits(together[i]!));
	});

	it.each([true, false])("run as many blocks as are counted, prefixes shared: %s", async (sharePrefixes) => {
		let stats: EvaluationStats | undefined;
		const evaluator = model.createEvaluator({ sharePrefixes });
		await evaluator.evaluate(masks, windows, { onCandidate: (_index, _evaluation, now) => (stats = now) });
		const each = masks.reduce((sum, mask) => sum + mask.size, 0);
		expect(stats!.blocksDone).toBe(blockExecutions(masks, evaluator.resumes));
		expect(stats!.blocksDone + stats!.blocksShared).toBe(each);
		expect(stats!.blocksDone < each).toBe(sharePrefixes);
	});

	it("give the bits of their versions, which other blocks of the same masks are kept in", async () => {
		const versions = [{ block: 2, matrices: [zeroedMatrix(2, "feedForward")] }, zeroed([9.5]).versions[0]!];
		const named = (positions: readonly number[], bytes: Readonly<Record<number, number>>): BlockMask => {
			const row = removing(...positions).toBytes();
			for (const [block, byte] of Object.entries(bytes)) row[Number(block)] = byte;
			return { toBytes: () => row };
		};
		const sets = [
			named([5.5], { 2: 2 }),
			named([5.5], { 2: 2, 9: 3 }),
			named([5.5, 6.5], { 9: 3 }),
			named([5.5], {}),
			named([0.5, 5], { 2: 2 }),
		];
		const together = await measure([...sets].reverse(), {}, versions);
		const single: string[][] = [];
		for (const one of sets) single.push(await alone(one, versions));
		expect(together.reverse()).toEqual(single);
		expect(new Set(single.map(String)).size).toBe(sets.length);
		// Against matrices that stand in the model.
		const [{ name, ...values }] = [versions[0]!.matrices[0]!];
		await model.replaceTensor(name, values);
		const standing = await alone(named([5.5], {}));
		await model.replaceTensor(name);
		expect(standing).toEqual(single[0]);
	});
});

describe("masks of parts", () => {
	const row = (bytes: Readonly<Record<number, number>>): BlockMask => {
		const mask = new Uint8Array(blocks).fill(1);
		for (const [block, byte] of Object.entries(bytes)) mask[Number(block)] = byte;
		return { toBytes: () => mask };
	};

	it.each<[string, Record<number, number>]>([
		["without its feed-forward part", { 4: 254 }],
		["in the wrong order", { 4: 255, 5: 254 }],
		["with a block between its parts", { 4: 254, 6: 255 }],
		["with two attention parts", { 4: 254, 5: 254, 6: 255 }],
	])("are refused %s", async (_, bytes) => {
		await expect(model.createEvaluator().evaluate([row(bytes)], windows)).rejects.toThrow(InvalidCandidateError);
	});

	it("are refused by the addon too", async () => {
		const settings = { windowLength: 64, ubatch: 512, threads: 1, sharePrefixes: true, stateBytes: 0, stateType: "F32" as const };
		const scoring = { scoreFrom: 0, batchWindows: 0, outputLast: false, perToken: false, digest: false, keepReference: false };
		for (const bytes of [{ 4: 254 }, { 4: 255, 5: 254 }, { 11: 254 }]) {
			const mask = row(bytes).toBytes();
			const job = model.runJob(undefined, async (native, cancel) =>
				native.evaluate(mask, windows.tokens, { ...settings, ...scoring }, cancel, () => {}),
			);
			await expect(job).rejects.toThrow("a feed-forward part must follow every attention part");
			const sampling = { length: 4, stopAtEog: false, temperature: 0, seed: 0, threads: 1, mask };
			const sample = model.runJob(undefined, async (native, cancel) => native.sample([Int32Array.of(1)], sampling, cancel, () => {}));
			await expect(sample).rejects.toThrow("a feed-forward part must follow every attention part");
		}
	});

	it("name at most 252 versions", async () => {
		const one = { block: 3, matrices: [zeroedMatrix(3, "attention")] };
		const versions = Array.from({ length: 253 }, () => one);
		await expect(model.createEvaluator().evaluate([row({})], windows, { versions })).rejects.toThrow(EvaluationError);
		await expect(model.createEvaluator().evaluate([row({})], windows, { versions })).rejects.toThrow("252 versions");
		const most = await measure([row({ 3: 253 })], {}, versions.slice(1));
		expect(most[0]).toEqual(await alone(row({ 3: 2 }), [one]));
	});
});

it("speed and memory are those of a model with as many whole blocks, whose weights are as large", async () => {
	const sides = [fullSet, removing(5, 6), removing(4.5, 5.5), removing(2.5, 8.5)].map((mask) => ({ model, mask }));
	const figures = await runSpeed(sides, { promptTokens: 32, generatedTokens: 4, repetitions: 1, context: 256, threads: 1 });
	const [whole, ...cuts] = figures.map(({ weights, kvCache, compute }) => ({ weights, kvCache, compute }));
	expect(cuts[0]!.weights).toBeLessThan(whole!.weights);
	expect(cuts[0]!.kvCache).toBeLessThan(whole!.kvCache);
	for (const cut of cuts) expect(cut).toEqual(cuts[0]);
});

it.each([[6.5], [6.25]])("self-generated text is that of the model with zeroed parts (%d)", async (position) => {
	const prompts = [Int32Array.of(1, 2, 3), Int32Array.of(40)];
	const options = { length: 12, temperature: 0 };
	const { versions } = zeroed([position]);
	const cut = await model.sample(prompts, { ...options, mask: removing(position) });
	for (const { name, ...values } of versions.flatMap(({ matrices }) => matrices)) await model.replaceTensor(name, values);
	const expected = await model.sample(prompts, options);
	for (const { name } of versions.flatMap(({ matrices }) => matrices)) await model.replaceTensor(name);
	expect(cut).toEqual(expected);
	expect(await model.sample(prompts, options)).not.toEqual(expected);
});
