import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { removedParts } from "../../src/game/parts.js";
import { encodeEntry, type GgufContent } from "../../src/model/gguf/index.js";
import { readTensor } from "../../src/model/fitting/tensors.js";
import { formatBlocks } from "../../src/notation.js";
import { Model } from "../../src/model/runtime/model.js";
import type { Evaluation } from "../../src/model/runtime/evaluator.js";
import { blocks, changedFixture, fixturePath, fixtureWindows, fullSet, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// A model of another architecture with the fixture's tensors, in which the parts of blocks differ: feed-forward widths, heads of keys and
// values, and biases that only some blocks have. A block of two parts must take each of them from the right block.

const folder = tempFolder();
const windows = fixtureWindows(2, 64);

const WIDTHS = Array.from({ length: blocks }, (_, block) => [384, 256, 320][block % 3]!);
const KEY_HEADS = Array.from({ length: blocks }, (_, block) => (block % 4 === 2 ? 1 : 2));
/** Blocks with each of these biases, and how many values it has. */
const BIASES: Readonly<Record<string, { blocks: readonly number[]; size: (block: number) => number }>> = {
	"attn_output.bias": { blocks: [3, 5, 8], size: () => 128 },
	"ffn_up.bias": { blocks: [4], size: (block) => WIDTHS[block]! },
	"ffn_down.bias": { blocks: [2, 4, 7, 11], size: () => 128 },
};
const Q8_0_BYTES = 34 / 32;

let bytesOf: ReadonlyMap<string, Uint8Array>;
let unlike: Model;

/** The first rows of a matrix. */
const rows = (bytes: Uint8Array, width: number, count: number) => bytes.slice(0, width * count * Q8_0_BYTES);
/** The first values of each row. */
const columns = (bytes: Uint8Array, width: number, count: number) =>
	Uint8Array.from(
		Array.from({ length: bytes.length / (width * Q8_0_BYTES) }, (_, row) => {
			const start = row * width * Q8_0_BYTES;
			return [...bytes.subarray(start, start + count * Q8_0_BYTES)];
		}).flat(),
	);

function changedMatrix(name: string, dims: readonly number[], type: number) {
	const [, number, part] = /^blk\.(\d+)\.(.*)\.weight$/.exec(name) ?? [];
	const block = Number(number);
	const bytes = bytesOf.get(name)!;
	const [width, keys] = [WIDTHS[block]!, 32 * KEY_HEADS[block]!];
	if (part === "ffn_gate" || part === "ffn_up") return { name, type, dims: [128, width], source: rows(bytes, 128, width) };
	if (part === "ffn_down") return { name, type, dims: [width, 128], source: columns(bytes, 384, width) };
	if (part === "attn_k" || part === "attn_v") return { name, type, dims: [128, keys], source: rows(bytes, 128, keys) };
	return { name, type, dims, source: bytes };
}

function withUnlikeBlocks(content: GgufContent): GgufContent {
	const perBlock: Readonly<Record<string, readonly number[]>> = { feed_forward_length: WIDTHS, "attention.head_count_kv": KEY_HEADS };
	const entries = content.entries.map((entry) => {
		if (entry.key === "general.architecture") return encodeEntry(entry.key, "string", "deci");
		const key = entry.key.replace(/^llama\./, "");
		const values = perBlock[key];
		if (values) return encodeEntry(`deci.${key}`, "array", values, "uint32");
		return entry.key === key ? entry : { ...entry, key: `deci.${key}` };
	});
	const biases = Object.entries(BIASES).flatMap(([name, { blocks: owners, size }]) =>
		owners.map((block) => {
			const values = Float32Array.from({ length: size(block) }, (_, i) => 0.02 * Math.sin(i * (block + 1)));
			return { name: `blk.${block}.${name}`, type: 0, dims: [size(block)], source: new Uint8Array(values.buffer) };
		}),
	);
	return { ...content, entries, tensors: [...content.tensors.map(({ name, dims, type }) => changedMatrix(name, dims, type)), ...biases] };
}

/** Removed parts add nothing: their last matrix is zero, and so is its bias. */
function zeroed(content: GgufContent, positions: readonly number[]): GgufContent {
	const { attention, feedForward } = removedParts(positions);
	const gone = new Set([...attention.map((block) => `blk.${block}.attn_output.`), ...feedForward.map((block) => `blk.${block}.ffn_down.`)]);
	const isGone = (name: string) => gone.has(name.replace(/(weight|bias)$/, ""));
	return {
		...content,
		tensors: content.tensors.map((tensor) =>
			isGone(tensor.name) ? { ...tensor, source: new Uint8Array((tensor.source as Uint8Array).length) } : tensor,
		),
	};
}

const bits = ({ losses, digests }: Evaluation) => [...losses].map(String).concat(digests!);
const measured = async (model: Model, masks: Parameters<ReturnType<Model["createEvaluator"]>["evaluate"]>[0]) =>
	(await model.createEvaluator().evaluate(masks, windows, { digest: true })).map(bits);

beforeAll(async () => {
	await using fixture = await Model.load(fixturePath, { threads: 1 });
	bytesOf = new Map(await Promise.all(fixture.file.tensors.map(async (tensor) => [tensor.name, await readTensor(tensor)] as const)));
	unlike = await Model.load(await changedFixture(join(folder, "unlike.gguf"), withUnlikeBlocks), { threads: 2 });
});
afterAll(() => unlike.dispose());

// Feed-forward parts with a bias after attention parts of blocks without one, the reverse, and both ends of the model.
const CUTS = [[0.5], [1.5], [2.5], [3.5], [4.5], [5.5, 6.5], [10.5], [1.5, 3, 6.5], [2.5, 4.5, 9], [0, 7.5, 8.5, 9.5]];

it.each(CUTS.map((positions) => ({ positions, text: formatBlocks(positions) })))(
	"a half-block cut of $text has the bits of the model with these parts zeroed",
	async ({ positions }) => {
		const path = await changedFixture(join(folder, "zeroed.gguf"), (content) => zeroed(withUnlikeBlocks(content), positions));
		await using other = await Model.load(path, { threads: 2 });
		const [cut, full] = await measured(unlike, [removing(...positions), fullSet]);
		expect(cut).toEqual((await measured(other, [fullSet]))[0]);
		expect(cut).not.toEqual(full);
	},
);

it("a batch of them gives the bits of each alone, and the original is back afterwards", async () => {
	const masks = [...CUTS, []].map((positions) => removing(...positions));
	const together = await measured(unlike, masks);
	for (const [i, mask] of masks.entries()) expect((await measured(unlike, [mask]))[0]).toEqual(together[i]);
	expect(new Set(together.map(String)).size).toBe(masks.length);
});
