import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { encodeEntry, type GgufEntry, writeGguf } from "../../src/model/gguf/index.js";
import type { ExamineOptions } from "./examine.js";
import { BUILD } from "./fixtures.js";
import { type KeyValue, type LoadedTensor, type Rewrite, rewrite } from "./rewrite.js";

// Small random models of architectures that llama.cpp's generator leaves out. The metadata comes from here, and the tensors have the shapes
// that llama.cpp's loader requests (fixture_tool.cpp).

/** Makes models, and reads files with llama.cpp's own reader. */
export const FIXTURE_TOOL = join(BUILD, "fixture-tool");
export const CONTINUE_TOOL = join(BUILD, "continue-text");

/** One model to make. */
export interface OwnModel {
	/** Name of the model in the results. */
	readonly name: string;
	readonly architecture: string;
	/** @default 8 */
	readonly blocks?: number;
	/** Metadata after the architecture's name, besides the common keys; null leaves a common one out. */
	readonly keys?: Readonly<Record<string, KeyValue | null>>;
	/** Keys without a leading architecture name. */
	readonly plainKeys?: Readonly<Record<string, KeyValue>>;
	/** Tokens in the vocabulary. @default 128 */
	readonly vocabulary?: number;
	/** Tensors that such a model does not have: llama.cpp lists all that it may have. */
	readonly without?: (block: number, part: string) => boolean;
	/** The same outside the blocks, by the tensor's name. */
	readonly withoutOutside?: (name: string) => boolean;
	/** Tensors of queries, keys and values that are one tensor of a block, rows under rows. @default none */
	readonly fused?: readonly ("weight" | "bias")[];
	readonly options?: Partial<ExamineOptions>;
}

export const hasFixtureTool = existsSync(FIXTURE_TOOL);

const SEED = "1234";

/** Makes the model in this folder and returns its path. The same bytes every time. */
export async function makeOwnModel(model: OwnModel, folder: string): Promise<string> {
	await mkdir(folder, { recursive: true });
	const [metadata, all, target] = ["metadata", "all", model.name].map((name) => join(folder, `${name}.gguf`)) as [string, string, string];
	await writeMetadata(model, metadata);
	const run = spawnSync(FIXTURE_TOOL, ["make", metadata, SEED, all], { encoding: "utf8", timeout: 120_000 });
	if (run.status !== 0) throw new Error(`no model of ${model.name}: ${run.signal ?? ""} ${run.stderr.slice(-2000)}`);
	const absent = model.without;
	const { fused = [] } = model;
	const whole = fused.length > 0 ? join(folder, "whole.gguf") : target;
	await rewrite(all, whole, {
		tensor: (tensor) => {
			const match = /^blk\.(\d+)\.(.+)$/.exec(tensor.name);
			const gone = match ? absent?.(Number(match[1]), match[2]!) : model.withoutOutside?.(tensor.name);
			return gone ? null : tensor;
		},
	});
	if (fused.length > 0) await rewrite(whole, target, fusing(fused));
	return target;
}

function fusing(kinds: readonly string[]): Rewrite {
	const rows = new Map<string, LoadedTensor>();
	const named = (name: string, part: string) => name.replace(".attn_q.", `.attn_${part}.`);
	return {
		tensor: (tensor) => {
			const kind = /\.attn_[qkv]\.(\w+)$/.exec(tensor.name)?.[1];
			if (kind === undefined || !kinds.includes(kind)) return tensor;
			rows.set(tensor.name, tensor);
			return null;
		},
		more: () =>
			[...rows.values()]
				.filter(({ name }) => name.includes(".attn_q."))
				.map(({ name, dims, ...queries }) => {
					const parts = ["q", "k", "v"].map((part) => rows.get(named(name, part))!);
					const count = parts.reduce((sum, part) => sum + part.dims.at(-1)!, 0);
					const bytes = Buffer.concat(parts.map((part) => part.bytes));
					return { ...queries, name: named(name, "qkv"), dims: [...dims.slice(0, -1), count], bytes };
				}),
	};
}

async function writeMetadata(model: OwnModel, path: string): Promise<void> {
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, { version: 3, alignment: 32, entries: entriesOf(model), tensors: [] });
	} finally {
		await handle.close();
	}
}

function entriesOf(model: OwnModel): GgufEntry[] {
	const tokens = Array.from({ length: model.vocabulary ?? 128 }, (_, i) => i);
	const keys = { ...COMMON, ...model.keys, block_count: ["uint32", model.blocks ?? 8] as const };
	return [
		encodeEntry("general.architecture", "string", model.architecture),
		...Object.entries(keys).flatMap(([key, value]) => (value ? [encoded(`${model.architecture}.${key}`, value)] : [])),
		...Object.entries(model.plainKeys ?? {}).map(([key, value]) => encoded(key, value)),
		encodeEntry("tokenizer.ggml.model", "string", "test"),
		encodeEntry(
			"tokenizer.ggml.tokens",
			"array",
			tokens.map((i) => `tok_${i}`),
			"string",
		),
		encodeEntry(
			"tokenizer.ggml.scores",
			"array",
			tokens.map(() => 0),
			"float32",
		),
	];
}

const COMMON: Readonly<Record<string, KeyValue>> = {
	context_length: ["uint32", 512],
	embedding_length: ["uint32", 128],
	feed_forward_length: ["uint32", 192],
	"attention.head_count": ["uint32", 4],
	"attention.head_count_kv": ["uint32", 4],
	"attention.layer_norm_epsilon": ["float32", 1e-5],
	"attention.layer_norm_rms_epsilon": ["float32", 1e-5],
};

function encoded(key: string, value: KeyValue): GgufEntry {
	return encodeEntry(key, value[0], value[1] as never, value[2] as never);
}
