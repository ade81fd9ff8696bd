// Small sound inputs to begin with: a model of each architecture that the table knows, without useful weights.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dist = new URL("../../dist/", import.meta.url);
const { ARCHITECTURES } = await import(new URL("model/architectures/index.js", dist).href);
const { encodeEntry, writeGguf } = await import(new URL("model/gguf/index.js", dist).href);

const BLOCKS = 6;
const COUNTS = {
	context_length: 128,
	embedding_length: 32,
	feed_forward_length: 64,
	expert_count: 4,
	expert_used_count: 2,
	nextn_predict_layers: 0,
	leading_dense_block_count: 1,
	full_attention_interval: 2,
	interleave_moe_layer_step: 2,
	"attention.head_count": 4,
	"attention.head_count_kv": 2,
	"attention.key_length": 8,
	"attention.sliding_window": 16,
	"attention.shared_kv_layers": 2,
	"rope.dimension_count": 8,
	"ssm.state_size": 8,
	"ssm.conv_kernel": 4,
};
const PARTS = ["attn_norm.weight", "attn_q.weight", "attn_output.weight", "ffn_norm.weight", "ffn_up.weight", "ffn_down.weight"];

/** @returns {object} content for `writeGguf` @param {string} name of an architecture */
function contentOf(name) {
	const number = (key, value) => encodeEntry(`${name}.${key}`, "uint32", value);
	const tensor = (name) => ({ name, dims: [8], type: 0, source: new Uint8Array(32) });
	const perBlock = (ARCHITECTURES.get(name)?.perBlock ?? []).map((key) =>
		encodeEntry(`${name}.${key}`, "array", new Array(BLOCKS).fill(1), "int32"),
	);
	const stated = new Set(perBlock.map(({ key }) => key));
	return {
		version: 3,
		alignment: 32,
		entries: [
			encodeEntry("general.architecture", "string", name),
			encodeEntry("general.name", "string", `tiny ${name}`),
			number("block_count", BLOCKS),
			...Object.entries(COUNTS)
				.map(([key, value]) => number(key, value))
				.filter(({ key }) => !stated.has(key)),
			encodeEntry(`${name}.attention.layer_norm_rms_epsilon`, "float32", 1e-5),
			...perBlock,
			encodeEntry("tokenizer.ggml.model", "string", "llama"),
			encodeEntry("tokenizer.ggml.tokens", "array", ["<unk>", "<s>", "</s>", "a"], "string"),
		],
		tensors: [
			tensor("token_embd.weight"),
			...Array.from({ length: BLOCKS }, (_, block) => PARTS.map((part) => tensor(`blk.${block}.${part}`))).flat(),
			tensor("output_norm.weight"),
		],
	};
}

/** @returns {Promise<Buffer[]>} a file of each architecture */
export async function modelSeeds() {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-seeds-"));
	try {
		const files = [];
		for (const name of ARCHITECTURES.keys()) {
			const path = join(folder, "seed.gguf");
			const handle = await open(path, "w");
			await writeGguf(handle, contentOf(name));
			await handle.close();
			files.push(readFileSync(path));
		}
		return files;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

const measured = (count, from) => Array.from({ length: count }, (_, i) => from + i / 7);
const header = {
	...{ format: "prune-gguf-ledger", version: 1, key: "0123456789abcdef".repeat(4), players: 6, windows: { count: 3, length: 32 } },
	...{ settings: { threads: 2, backend: "CPU", exact: true, ubatch: null }, created: "2026-01-02T03:04:05.000Z" },
};

/** Lines of a sound cache. */
export const ledgerSeed = [
	header,
	...["111111", "011111", "101010", "000001"].map((mask, i) => ({
		mask,
		losses: measured(3, i),
		figures: { kl: measured(3, 0) },
		seconds: 0.1,
	})),
	{ mask: "111110", losses: [null, 1, 2] },
];

/** Lines of what is kept of an evaluation. */
export const evaluationSeed = [
	{ format: "prune-gguf-evaluation", version: 1, key: header.key, unit: "windows", parts: 5, settings: { threads: 2 } },
	...[0, 1, 4].map((part) => ({ part, values: { loss: measured(2, part), divergence: [null], agreement: [0.5] } })),
];

/**
 * Plans whose short texts name far more blocks than a reader may hold.
 * @param {object} plan a sound one
 */
export const greedyPlans = (plan) => [
	{ ...plan, removed: "0-9999,".repeat(20_000) },
	{
		...plan,
		model: { ...plan.model, blocks: 10_000 },
		alternatives: Array.from({ length: 15_000 }, () => ({ count: 9_999, removed: "0-9998" })),
	},
];
