import { f32, u32, u32s } from "./keys.js";
import type { OwnModel } from "./own-fixtures.js";

// Models that can lose the attention part of a block alone: what differs between files of the architecture `llama`, and `deci` itself.

/** llama.cpp lists scales, which quantized files of another kind have, the rows of queries, keys and values together, and biases. */
const extra = /(?:scale|attn_qkv\.\w+)$/;
const bias = /\.bias$/;
const factors = /^rope_f/;
const hasBiases = { without: (_: number, part: string) => extra.test(part) };
const GQA = { "attention.head_count_kv": u32(2) };
const LONGROPE = {
	...GQA,
	"rope.scaling.type": ["string", "longrope"] as const,
	"rope.scaling.original_context_length": u32(64),
	"rope.scaling.attn_factor": f32(1.2),
};
/** Up to the original context llama.cpp takes the short factors (llama-model.cpp:2267). */
const SHORT_LONGROPE = { ...LONGROPE, "rope.scaling.original_context_length": u32(2048) };
const SOME_WITHOUT = {
	"attention.head_count": u32s(4, 4, 0, 2, 4, 0, 4, 4),
	"attention.head_count_kv": u32s(2, 4, 0, 2, 1, 0, 4, 2),
	feed_forward_length: u32s(192, 128, 192, 64, 192, 160, 192, 192),
};

/** As most files are: nothing optional. */
const plain = {
	without: (_: number, part: string) => extra.test(part) || bias.test(part),
	withoutOutside: (name: string) => extra.test(name) || factors.test(name),
};
const withFactors = { ...plain, withoutOutside: (name: string) => extra.test(name) };
const tied = { ...plain, withoutOutside: (name: string) => plain.withoutOutside(name) || name === "output.weight" };

export const ATTENTION_MODELS: readonly OwnModel[] = [
	{ name: "llama-untied", architecture: "llama", keys: GQA, ...plain },
	{ name: "llama-tied", architecture: "llama", keys: GQA, ...tied },
	{ name: "llama-heads-alike", architecture: "llama", ...plain },
	{ name: "llama-one-kv-head", architecture: "llama", keys: { "attention.head_count_kv": u32(1) }, ...tied },
	{ name: "llama-biases", architecture: "llama", keys: GQA, ...plain, ...hasBiases },
	{ name: "llama-fused", architecture: "llama", keys: GQA, ...tied, fused: ["weight"] },
	{ name: "llama-fused-biases", architecture: "llama", keys: GQA, ...plain, ...hasBiases, fused: ["weight", "bias"] },
	{ name: "llama-fused-weights-alone", architecture: "llama", keys: GQA, ...plain, ...hasBiases, fused: ["weight"] },
	{ name: "llama-rope-factors", architecture: "llama", keys: { ...GQA, "rope.freq_base": f32(5e5) }, ...withFactors },
	{ name: "llama-longrope", architecture: "llama", keys: LONGROPE, ...withFactors },
	{ name: "llama-longrope-short", architecture: "llama", keys: SHORT_LONGROPE, ...withFactors },
	{
		name: "llama-wide-heads",
		architecture: "llama",
		keys: {
			...GQA,
			"attention.key_length": u32(48),
			"attention.value_length": u32(48),
			"rope.dimension_count": u32(48),
			vocab_size: u32(128),
		},
		...plain,
	},
	{ name: "deci-some-without", architecture: "deci", keys: SOME_WITHOUT, ...plain },
	{ name: "deci-fused-some-without", architecture: "deci", keys: SOME_WITHOUT, ...plain, fused: ["weight"] },
];

/** Models that cannot, and why. */
export const NO_ATTENTION_MODELS: readonly (readonly [OwnModel, RegExp])[] = [
	[
		{ name: "llama-experts", architecture: "llama", keys: { ...GQA, expert_count: u32(4), expert_used_count: u32(2) }, ...plain },
		/has no experts/,
	],
	[
		{
			name: "llama-scales",
			architecture: "llama",
			keys: GQA,
			...plain,
			without: (_, part) => /attn_qkv|input_scale/.test(part) || bias.test(part),
		},
		/uses the tensor blk\.0\.\S+scale in the same way/,
	],
	[
		{
			name: "qwen2-blocks",
			architecture: "qwen2",
			keys: GQA,
			...hasBiases,
			withoutOutside: (name) => plain.withoutOutside(name) || name === "output.bias",
		},
		/only in the graph of llama and deci, not of qwen2/,
	],
	[{ name: "qwen3-blocks", architecture: "qwen3", keys: GQA, ...plain }, /not of qwen3/],
];
