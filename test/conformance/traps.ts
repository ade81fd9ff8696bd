import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { changed, type Trap } from "./changed.js";
import { makeFixtures, QUANTIZE } from "./fixtures.js";
import { hybrids } from "./hybrid-traps.js";
import { makeOwnModel } from "./own-fixtures.js";
import { OWN_MODELS } from "./own-models.js";
import { cycle, type KeyValue, type LoadedTensor, rewrite, splitInto } from "./rewrite.js";

const SLIDING = "attention.sliding_window_pattern";
const INDEXERS = "attention.indexer.types";
/** Twelve blocks of a model whose first is dense. */
const ONE_DENSE = [0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1];

interface Sizes {
	heads: number;
	kv: number;
	width: number;
}

const HEAD = 128;
const OPENELM: readonly Sizes[] = [
	{ heads: 2, kv: 1, width: 384 },
	{ heads: 1, kv: 1, width: 128 },
	{ heads: 2, kv: 2, width: 256 },
	{ heads: 1, kv: 1, width: 384 },
	{ heads: 2, kv: 1, width: 192 },
	{ heads: 2, kv: 2, width: 320 },
];
/** One block without attention, one without feed-forward, and narrow ones. */
const DECI: readonly Sizes[] = [
	{ heads: 2, kv: 2, width: 384 },
	{ heads: 2, kv: 1, width: 128 },
	{ heads: 0, kv: 0, width: 256 },
	{ heads: 2, kv: 1, width: 0 },
	{ heads: 1, kv: 1, width: 192 },
	{ heads: 2, kv: 2, width: 384 },
];
const DECI_HEADS_ALL = DECI.map(({ heads, kv, width }) => ({ heads: heads || 2, kv: kv || 2, width }));

/** Window patterns by a default period that no key states, or by a scalar period; with 12 blocks, so that several periods occur. */
const windows: Trap[] = [
	...["gemma2", "gemma3", "cohere2", "gpt-oss", "olmo2", "plamo3", "muse-glimmer", "mellum"].map((name) =>
		changed(`${name}-no-pattern-12`, name, { blocks: cycle(6, 12), keys: { [SLIDING]: null } }),
	),
	...["cohere2moe", "exaone-moe", "laguna", "afmoe"].map((name) =>
		changed(`${name}-no-pattern-12`, name, { blocks: ONE_DENSE, keys: { [SLIDING]: null } }),
	),
	changed("smallthinker-no-pattern-12", "smallthinker", { blocks: cycle(6, 12), keys: { [SLIDING]: null } }),
	changed("llama4-no-pattern-12", "llama4", { blocks: cycle(4, 12), keys: { [SLIDING]: null } }),
	...["gemma3", "olmo2", "exaone-moe"].map((name) =>
		changed(`${name}-period-3`, name, { blocks: name === "exaone-moe" ? ONE_DENSE : cycle(6, 12), keys: { [SLIDING]: ["uint32", 3] } }),
	),
	...["gemma2", "olmo2"].map((name) => changed(`${name}-all-sliding`, name, { keys: { [SLIDING]: ["uint32", 0] } })),
	changed("gemma3-irregular", "gemma3", { keys: { [SLIDING]: bools(1, 1, 0, 1, 0, 0) } }),
	changed("gemma3-no-window", "gemma3", { keys: { [SLIDING]: null, "attention.sliding_window": null } }),
];

/** Rules by the block's index. */
const positions: Trap[] = [
	changed("smollm3-12", "smollm3", { blocks: cycle(6, 12) }),
	changed("smallthinker-12", "smallthinker", { blocks: cycle(6, 12) }),
	changed("smallthinker-no-window", "smallthinker", { keys: { "attention.sliding_window": null, [SLIDING]: null } }),
	changed("llama4-8", "llama4", { blocks: cycle(4, 8) }),
	changed("llama4-no-window-8", "llama4", { blocks: cycle(4, 8), keys: { "attention.sliding_window": ["uint32", 0], [SLIDING]: null } }),
	changed("qwen3next-no-interval-12", "qwen3next", {
		blocks: [0, 0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5],
		keys: { full_attention_interval: null, "attention.recurrent_layers": null },
	}),
	// One sliding block, far from the first: regular patterns hide this rule behind others.
	changed("llama4-one-sliding-8", "llama4", { blocks: cycle(4, 8), keys: { [SLIDING]: bools(0, 0, 0, 0, 0, 1, 0, 0) } }),
	changed("smallthinker-first-slides-8", "smallthinker", { blocks: cycle(6, 8), keys: { [SLIDING]: bools(1, 1, 0, 1, 0, 1, 1, 0) } }),
	changed("granite_swa-two-rotated", "granite_swa", { keys: { "attention.rope_pattern": bools(1, 0, 0, 1, 0, 0) } }),
	changed("nanbeige-2-loops", "nanbeige", { keys: { num_loops: ["uint32", 2] } }),
	// In the generator's model, later blocks attend to a bank of residuals, and nothing can be removed.
	changed("kimi-k3-no-bank", "kimi-k3", {
		keys: { "attn_res.block_size": ["uint32", 0] },
		tensor: (tensor) => (/res_score/.test(tensor.name) ? null : tensor),
	}),
	// ALiBi alone, as in most models: hidden states can be resumed.
	changed("mpt-no-positions", "mpt", { tensor: (tensor) => (tensor.name === "position_embd.weight" ? null : tensor) }),
	changed("minicpm-no-residual-scale", "minicpm", { keys: { residual_scale: null } }),
];

/** Three leading dense blocks instead of one. */
const leading: Trap[] = [
	"deepseek",
	"deepseek2",
	"deepseek32",
	"glm-dsa",
	"glm4moe",
	"bailingmoe2",
	"dots1",
	"hy_v4",
	"exaone-moe",
	"laguna",
	"afmoe",
	"cohere2moe",
	"minimax-m3",
	"dots3note",
].map((name) => changed(`${name}-dense-3`, name, { blocks: [0, 0, 0, 1, 2, 3, 4, 5], keys: { leading_dense_block_count: ["uint32", 3] } }));
// The generator's model has experts only in every second block.
leading.push(
	changed("ernie4_5-moe-dense-3", "ernie4_5-moe", {
		blocks: [0, 0, 0, 1, 3, 5, 1, 3],
		keys: { leading_dense_block_count: ["uint32", 3], interleave_moe_layer_step: ["uint32", 1] },
	}),
);

/** Kinds of blocks in an irregular order. */
const kinds: Trap[] = [
	...["jamba", "lfm2", "granitehybrid", "nemotron_h", "plamo2", "qwen35"].map((name) =>
		changed(`${name}-irregular-10`, name, {
			blocks: [0, 0, 1, 1, 2, 0, 1, 3, 5, 4],
			...(name === "qwen35" ? { keys: { "attention.recurrent_layers": bools(1, 1, 0, 0, 1, 1, 0, 0, 0, 1) } } : {}),
		}),
	),
	changed("openelm-heads", "openelm", {
		tensor: (tensor) => withHeads(tensor, OPENELM, true),
		keys: {
			"attention.head_count": counts(OPENELM, "heads"),
			"attention.head_count_kv": counts(OPENELM, "kv"),
			feed_forward_length: counts(OPENELM, "width"),
		},
	}),
	changed("deci-heads", "deci", {
		tensor: (tensor) => withHeads(tensor, DECI, false),
		keys: {
			"attention.head_count": counts(DECI, "heads"),
			"attention.head_count_kv": counts(DECI, "kv"),
			feed_forward_length: counts(DECI, "width"),
		},
	}),
	// Every block has heads, so that hidden states could be resumed except for the block that gives none.
	changed("deci-no-feed-forward", "deci", {
		tensor: (tensor) => withHeads(tensor, DECI_HEADS_ALL, false),
		keys: {
			"attention.head_count": counts(DECI_HEADS_ALL, "heads"),
			"attention.head_count_kv": counts(DECI_HEADS_ALL, "kv"),
			feed_forward_length: counts(DECI_HEADS_ALL, "width"),
		},
	}),
];

/** A tail of multi-token prediction, which stays last. */
const tails: Trap[] = [
	"glm4moe",
	"mimo2",
	"exaone-moe",
	"bailingmoe2",
	"qwen35",
	"qwen35moe",
	"qwen3next",
	"hy_v3",
	"cohere2moe",
	"deepseek2",
	"glm-dsa",
].map((name) =>
	changed(`${name}-tail`, name, {
		blocks: [0, 1, 2, 3, 4, 5, name === "exaone-moe" ? 0 : 5],
		keys: { nextn_predict_layers: ["uint32", 1] },
		// llama.cpp does not count the scales of a tail that it skips, and counts the shared rotary factors once too often.
		tensor: (tensor) => (/^blk\.6\..*scale$|^rope_freqs\.weight$/.test(tensor.name) ? null : tensor),
		more: (tensors) => tailTensors(tensors, 6, name === "bailingmoe2" ? ["layer_output_norm"] : []),
	}),
);

/** The same for one of our own models. */
const step35Tail: Trap = {
	name: "step35-tail",
	async make(folder) {
		const source = await makeOwnModel(OWN_MODELS.find(({ name }) => name === "step35")!, folder);
		return rewrite(source, join(folder, "step35-tail.gguf"), {
			blocks: [0, 1, 2, 3, 4, 5, 6, 7, 7],
			keys: { nextn_predict_layers: ["uint32", 1] },
			tensor: (tensor) => (/^blk\.8\..*scale$|^rope_freqs\.weight$/.test(tensor.name) ? null : tensor),
			more: (tensors) => tailTensors(tensors, 8, []),
		});
	},
};

/** Blocks that share the choice of an earlier one, in an irregular order; so few tokens are chosen that the owner matters. */
const indexers: Trap[] = [
	changed("hy_v4-irregular-indexers", "hy_v4", {
		blocks: [0, 1, 3, 5, 2, 4, 1, 4, 3],
		keys: { "attention.indexer.top_k": ["uint32", 8] },
	}),
	changed("glm-dsa-irregular-indexers", "glm-dsa", {
		blocks: [0, 1, 2, 3, 4, 5, 1, 2],
		keys: { "attention.indexer.top_k": ["uint32", 8], [INDEXERS]: ["array", [1, 1, 0, 0, 1, 0, 1, 1], "uint32"] },
		tensor: (tensor) => (/^blk\.[235]\.indexer/.test(tensor.name) ? null : tensor),
	}),
	// Without the key, a model of that context owns an indexer in its first two blocks and in every fourth after them.
	changed("glm-dsa-default-indexers-12", "glm-dsa", {
		blocks: ONE_DENSE,
		keys: { "attention.indexer.top_k": ["uint32", 8], [INDEXERS]: null, context_length: ["uint32", 1048576] },
	}),
	changed("dots3note-few-tokens", "dots3note", { blocks: ONE_DENSE, keys: { "attention.indexer.top_k": ["uint32", 8] } }),
];

/** Models in three files. */
const inParts: Trap[] = ["llama", "qwen2moe", "jamba"].map((name) => ({
	name: `${name}-in-3-files`,
	async make(folder: string) {
		const source = makeFixtures(name, folder).at(-1);
		if (!source) throw new Error(`the generator made no ${name}`);
		return splitInto(3, source, join(folder, "in-parts"));
	},
}));

/** Windows longer than a ubatch, so that a prompt takes several. */
const long: Trap[] = ["llama", "gemma3", "mamba", "gpt-oss", "qwen3next", "jamba"].map((name) => ({
	...changed(`${name}-ubatches`, name, {}),
	options: { length: 256, ubatch: 64 },
}));

/** Every kind of quantization, copied as bytes. */
const quantized: Trap[] = [
	"Q4_0",
	"Q4_1",
	"Q5_0",
	"Q5_1",
	"Q8_0",
	"Q2_K",
	"Q3_K_M",
	"Q4_K_M",
	"Q5_K_M",
	"Q6_K",
	"IQ4_NL",
	"IQ4_XS",
	"TQ1_0",
	"TQ2_0",
	"F16",
	"BF16",
].map((type) => ({
	name: `llama-${type}`,
	async make(folder: string) {
		const [source] = makeFixtures("llama", folder);
		const target = join(folder, `llama-${type}.gguf`);
		const run = spawnSync(QUANTIZE, [source!, target, type], { encoding: "utf8", timeout: 120_000 });
		if (run.status !== 0) throw new Error(`llama-quantize ${type} failed: ${run.stderr.slice(-1000)}`);
		return target;
	},
}));

export function makeTraps(): Trap[] {
	return [...windows, ...positions, ...leading, ...kinds, ...hybrids, ...tails, step35Tail, ...indexers, ...inParts, ...long, ...quantized];
}

function bools(...values: number[]): KeyValue {
	return ["array", values.map(Boolean), "bool"];
}

function counts(sizes: readonly Sizes[], what: keyof Sizes): KeyValue {
	return ["array", sizes.map((size) => size[what]), "uint32"];
}

/** Cuts the tensors of a block to its sizes; null for missing ones. */
function withHeads(tensor: LoadedTensor, sizes: readonly Sizes[], oneTensor: boolean): LoadedTensor | null {
	const match = /^blk\.(\d+)\.(.+)$/.exec(tensor.name);
	if (!match) return tensor;
	const { heads, kv, width } = sizes[Number(match[1])]!;
	const part = match[2]!;
	const isAttention = part.startsWith("attn_");
	if ((isAttention && heads === 0) || (part.startsWith("ffn_") && width === 0)) return null;
	const rows = new Map([
		["attn_q", heads * HEAD],
		["attn_k", kv * HEAD],
		["attn_v", kv * HEAD],
		["attn_qkv", (heads + 2 * kv) * HEAD],
		["ffn_gate", width],
		["ffn_up", width],
	]);
	const columns = new Map([
		["attn_output", heads * HEAD],
		["ffn_down", width],
	]);
	const [name, kind] = part.split(".") as [string, string];
	if (kind === "bias" && rows.has(name)) return cut(tensor, rows.get(name)!, 1);
	if (kind !== "weight") return tensor;
	if (rows.has(name) && (oneTensor || name !== "attn_qkv")) return cut(tensor, tensor.dims[0]!, rows.get(name)!);
	return columns.has(name) ? cut(tensor, columns.get(name)!, tensor.dims[1]!) : tensor;
}

/** The first `columns` of the first `rows` of a matrix of F32. */
function cut(tensor: LoadedTensor, columns: number, rows: number): LoadedTensor {
	const width = tensor.dims[0]! * 4;
	const kept = Array.from({ length: rows }, (_, row) => tensor.bytes.subarray(row * width, row * width + columns * 4));
	return { ...tensor, dims: tensor.dims.length === 1 ? [columns] : [columns, rows], bytes: Buffer.concat(kept) };
}

function tailTensors(tensors: readonly LoadedTensor[], block: number, moreNorms: readonly string[]): LoadedTensor[] {
	const embedding = tensors.find(({ name }) => name === "token_embd.weight")!;
	const norm = tensors.find(({ name }) => name === "output_norm.weight")!;
	const width = embedding.dims[0]!;
	const needed = 2 * width * width * 4;
	const all = Buffer.concat([embedding.bytes, embedding.bytes]);
	const projection = Buffer.concat(Array.from({ length: Math.ceil(needed / all.length) }, () => all)).subarray(0, needed);
	return [
		{ name: `blk.${block}.nextn.eh_proj.weight`, dims: [2 * width, width], type: 0, bytes: projection },
		...["nextn.enorm", "nextn.hnorm", ...moreNorms].map((part) => ({ ...norm, name: `blk.${block}.${part}.weight` })),
	];
}
