import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawPositions } from "../../src/model/calibration/index.js";
import { EvaluationError, InvalidCandidateError } from "../../src/errors.js";
import { readTensor } from "../../src/model/fitting/tensors.js";
import type { BlockVersion } from "../../src/model/runtime/addon.js";
import { Model } from "../../src/model/runtime/model.js";
import { dequantizeBytes, quantizeValues } from "../../src/model/runtime/states.js";
import { makeWindows } from "../../src/model/runtime/windows.js";
import { hasTools, makeFixtures } from "../conformance/fixtures.js";
import { blocks, fixturePath, fixtureWindows } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

let model: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const windows = fixtureWindows(4);
const [F32, Q8_0] = [0, 8];
const folder = tempFolder();

/** A matrix of a block, all its values multiplied. */
async function scaled(block: number, matrix: string, factor: number): Promise<BlockVersion> {
	const tensor = model.file.tensor(`blk.${block}.${matrix}.weight`)!;
	const values = await dequantizeBytes(model, await readTensor(tensor), { type: tensor.type, rowLength: tensor.dims[0]! });
	const bytes = new Uint8Array(values.map((value) => factor * value).buffer);
	return { block, matrices: [{ name: tensor.name, type: F32, bytes }] };
}

const mask = (changes: Readonly<Record<number, number>>) => {
	const bytes = new Uint8Array(blocks).fill(1);
	for (const [block, byte] of Object.entries(changes)) bytes[Number(block)] = byte;
	return { toBytes: () => bytes };
};

describe("versions of blocks", () => {
	it("give the bits that the model gives with their matrices, in one batch and any order, and leave it as it was", async () => {
		const versions = [await scaled(4, "ffn_down", 0.5), await scaled(8, "attn_output", 2), await scaled(4, "ffn_down", 1.5)];
		const masks = [mask({}), mask({ 4: 2 }), mask({ 4: 4 }), mask({ 8: 3 }), mask({ 4: 2, 8: 3 }), mask({ 2: 0, 4: 4 }), mask({ 4: 0 })];
		const evaluator = model.createEvaluator();
		const before = await evaluator.evaluate([mask({}), mask({ 4: 0 })], windows);
		let saved = 0;
		const measured = await evaluator.evaluate(masks, windows, { versions, onCandidate: (_, __, stats) => (saved = stats.blocksShared) });
		expect(saved).toBeGreaterThan(0);
		for (const [i, one] of masks.entries()) {
			const bytes = one.toBytes();
			const named = [...bytes].filter((byte) => byte >= 2).flatMap((byte) => versions[byte - 2]!.matrices);
			for (const { name, ...values } of named) await model.replaceTensor(name, values);
			const plain = { toBytes: () => bytes.map((byte) => Math.min(byte, 1)) };
			const [alone] = await evaluator.evaluate([plain], windows);
			for (const { name } of named) await model.replaceTensor(name);
			expect(measured[i]!.losses).toEqual(alone!.losses);
		}
		const backwards = await evaluator.evaluate([...masks].reverse(), windows, { versions });
		expect(backwards.reverse().map(({ losses }) => losses)).toEqual(measured.map(({ losses }) => losses));
		expect(new Set(measured.map(({ losses }) => losses.join())).size).toBe(masks.length);
		expect(await evaluator.evaluate([mask({}), mask({ 4: 0 })], windows)).toEqual(before);
	});

	it("take the place of matrices that stand in the model already, and give it back", async () => {
		const [standing, version] = [await scaled(4, "ffn_down", 0.5), await scaled(4, "ffn_down", 2)];
		const { name, ...values } = standing.matrices[0]!;
		const evaluator = model.createEvaluator();
		await model.replaceTensor(name, values);
		const [before] = await evaluator.evaluate([mask({})], windows);
		const [own, other] = await evaluator.evaluate([mask({}), mask({ 4: 2 })], windows, { versions: [version] });
		const [after] = await evaluator.evaluate([mask({})], windows);
		await model.replaceTensor(name);
		expect(own!.losses).toEqual(before!.losses);
		expect(after!.losses).toEqual(before!.losses);
		expect(other!.losses).not.toEqual(before!.losses);
	});

	it("leave the model as it was when they are cancelled", async () => {
		const versions = [await scaled(4, "ffn_down", 0.5)];
		const evaluator = model.createEvaluator();
		const [before] = await evaluator.evaluate([mask({})], windows);
		const controller = new AbortController();
		const onCandidate = () => controller.abort(new Error("enough"));
		const masks = [mask({ 4: 2 }), mask({ 4: 2, 9: 0 }), mask({ 4: 2, 10: 0 })];
		await expect(evaluator.evaluate(masks, windows, { versions, onCandidate, signal: controller.signal })).rejects.toThrow("enough");
		const [after] = await evaluator.evaluate([mask({})], windows);
		expect(after!.losses).toEqual(before!.losses);
	});

	it("must be of the block that names them", async () => {
		const versions = [await scaled(4, "ffn_down", 0.5)];
		const evaluator = model.createEvaluator();
		await expect(evaluator.evaluate([mask({ 5: 2 })], windows, { versions })).rejects.toThrow(InvalidCandidateError);
		await expect(evaluator.evaluate([mask({ 4: 3 })], windows, { versions })).rejects.toThrow("version 1 of block 4");
		await expect(evaluator.evaluate([mask({ 4: 2 })], windows)).rejects.toThrow(InvalidCandidateError);
		const foreign = [{ block: 5, matrices: versions[0]!.matrices }];
		await expect(evaluator.evaluate([mask({ 5: 2 })], windows, { versions: foreign })).rejects.toThrow(EvaluationError);
		const odd = [{ block: 4, matrices: [{ ...versions[0]!.matrices[0]!, type: 999 }] }];
		await expect(evaluator.evaluate([mask({ 4: 2 })], windows, { versions: odd })).rejects.toThrow("ggml type 999");
		const short = [{ block: 4, matrices: [{ ...versions[0]!.matrices[0]!, bytes: new Uint8Array(8) }] }];
		await expect(evaluator.evaluate([mask({ 4: 2 })], windows, { versions: short })).rejects.toThrow("8");
	});
});

describe.skipIf(!hasTools)("versions of blocks of other architectures", () => {
	// gemma3: a context for each set of blocks; gpt2: runs that cannot go on from a hidden state.
	it.each(["gemma3", "gpt2", "mamba"])(
		"of %s give the bits of their matrices, on drawn positions beside a reference",
		async (architecture) => {
			await using other = await Model.load(makeFixtures(architecture, `${folder}/${architecture}`)[0]!, { threads: 2 });
			const { facts, file } = other;
			const length = 32;
			const text = makeWindows(
				Int32Array.from({ length: 3 * length }, (_, i) => (i * 7919) % facts.vocabulary),
				length,
			);
			const positions = drawPositions(text, { share: 0.5, seed: 1 });
			const evaluator = other.createEvaluator();
			const all = new Uint8Array(facts.blocks).fill(1);
			const reference = await evaluator.createReference({ toBytes: () => all }, text, { positions });
			const tensor = file.tensors.find(({ name, dims }) => name.startsWith("blk.3.") && dims.length === 2 && dims[1] === facts.width)!;
			const values = await dequantizeBytes(other, await readTensor(tensor), { type: tensor.type, rowLength: tensor.dims[0]! });
			const quantized = async (factor: number) => {
				const type = tensor.dims[0]! % 32 === 0 ? Q8_0 : F32;
				const bytes = await quantizeValues(
					other,
					values.map((value) => factor * value),
					{ type, rowLength: tensor.dims[0]! },
				);
				return { name: tensor.name, type, bytes };
			};
			const versions = [
				{ block: 3, matrices: [await quantized(0.5)] },
				{ block: 3, matrices: [await quantized(2)] },
			];
			const of = (changes: Readonly<Record<number, number>>) => {
				const bytes = all.slice();
				for (const [block, byte] of Object.entries(changes)) bytes[Number(block)] = byte;
				return { toBytes: () => bytes };
			};
			const masks = [of({ 3: 2 }), of({}), of({ 3: 3, 1: 0 }), of({ 3: 3 }), of({ 4: 0 })];
			const measured = await evaluator.evaluate(masks, text, { positions, reference, versions });
			for (const [i, one] of masks.entries()) {
				const version = versions[one.toBytes()[3]! - 2];
				for (const { name, ...put } of version?.matrices ?? []) await other.replaceTensor(name, put);
				const plain = { toBytes: () => one.toBytes().map((byte) => Math.min(byte, 1)) };
				const [alone] = await evaluator.evaluate([plain], text, { positions, reference });
				for (const { name } of version?.matrices ?? []) await other.replaceTensor(name);
				expect(measured[i]).toEqual(alone);
			}
		},
	);
});
