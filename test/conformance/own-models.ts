import { COUNTED } from "./counted-models.js";
import { EXPERTS, bools, f32, f32s, i32s, SLIDING, u32, u32s } from "./keys.js";
import { LONG } from "./long-models.js";
import type { OwnModel } from "./own-fixtures.js";

// Parts of the models of own-fixtures.ts. Values differ from block to block wherever an architecture allows it, so that
// a value left in its old place shows.

const NO_HEADS = { "attention.head_count": u32(0), "attention.head_count_kv": u32(0), "wkv.head_size": u32(32) };
const RWKV6 = { ...NO_HEADS, time_mix_extra_dim: u32(16), time_decay_extra_dim: u32(32), token_shift_count: u32(2) };
const RWKV7 = {
	...NO_HEADS,
	// A multiple of 64: with 512-bit vectors llama.cpp reads and writes that many values of a head at a time (ggml-cpu/ops.cpp, wkv7).
	"wkv.head_size": u32(64),
	"attention.decay_lora_rank": u32(16),
	"attention.iclr_lora_rank": u32(24),
	"attention.value_residual_mix_lora_rank": u32(8),
	"attention.gate_lora_rank": u32(32),
	token_shift_count: u32(2),
};
/** llama.cpp takes the factors in one tensor or in five. */
const ONE_LERP = (_: number, part: string) => /^time_mix_lerp_[wkvrg]\./.test(part);

const rwkv: OwnModel[] = [
	{ name: "rwkv6", architecture: "rwkv6", keys: RWKV6, without: ONE_LERP },
	{ name: "rwkv6-rescale-3", architecture: "rwkv6", keys: { ...RWKV6, rescale_every_n_layers: u32(3) }, without: ONE_LERP },
	{
		name: "rwkv6-rescale-6",
		architecture: "rwkv6",
		keys: { ...RWKV6, rescale_every_n_layers: u32(6) },
		without: (_, part) => part.startsWith("time_mix_lerp_fused"),
	},
	{ name: "rwkv6-rescale-all", architecture: "rwkv6", blocks: 6, keys: { ...RWKV6, rescale_every_n_layers: u32(3) }, without: ONE_LERP },
	{
		name: "rwkv6qwen2",
		architecture: "rwkv6qwen2",
		keys: { ...RWKV6, "attention.head_count_kv": u32(2), token_shift_count: u32(1) },
		without: (_, part) => part.startsWith("time_mix_first"),
	},
	{ name: "rwkv7", architecture: "rwkv7", keys: RWKV7 },
	{ name: "arwkv7", architecture: "arwkv7", keys: { ...RWKV7, token_shift_count: u32(1) } },
];

const GEMMA4 = {
	"attention.key_length": u32(64),
	"attention.value_length": u32(64),
	"attention.key_length_swa": u32(32),
	"attention.value_length_swa": u32(32),
	"rope.dimension_count": u32(64),
	"rope.dimension_count_swa": u32(32),
	"rope.freq_base": f32(1e6),
	"rope.freq_base_swa": f32(1e4),
	"attention.sliding_window": u32(32),
	embedding_length_per_layer_input: u32(0),
	final_logit_softcapping: f32(30),
};

/** Full blocks have wider heads, fewer of them for keys, and no values of their own; blocks that share have neither. */
function gemma4(name: string, sliding: readonly number[], shared = 0, keys: OwnModel["keys"] = {}): OwnModel {
	return {
		name,
		architecture: "gemma4",
		blocks: sliding.length,
		keys: {
			...GEMMA4,
			[SLIDING]: bools(...sliding),
			"attention.shared_kv_layers": u32(shared),
			"attention.head_count_kv": u32s(...sliding.map((slides) => (slides ? 2 : 1))),
			feed_forward_length: u32s(...sliding.map((_, i) => (i >= sliding.length - shared ? 256 : 128 + 32 * (i % 3)))),
			...keys,
		},
		without: (block, part) =>
			(part.startsWith("attn_v.") && sliding[block] === 0) || (/^attn_(k|v|k_norm)\./.test(part) && block >= sliding.length - shared),
	};
}

const gemma: OwnModel[] = [
	gemma4("gemma4", [1, 0, 1, 1, 0, 1, 1, 0]),
	gemma4("gemma4-shared-kv", [1, 1, 0, 1, 0, 1, 0, 1], 3),
	gemma4("gemma4-full-first", [0, 1, 1, 0, 1, 0]),
	gemma4("gemma4-five-to-one", [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0]),
	gemma4("gemma4-experts", [1, 1, 0, 1, 1, 0], 0, EXPERTS),
	{
		...gemma4("gemma4-no-scale", [1, 0, 1, 1, 0, 1]),
		without: (block, part) => part.startsWith("layer_output_scale") || (part.startsWith("attn_v.") && [1, 4].includes(block)),
	},
	gemma4("gemma4-per-layer-embeddings", [1, 1, 0, 1, 1, 0], 0, { embedding_length_per_layer_input: u32(32) }),
];

const STEP35 = {
	...EXPERTS,
	expert_shared_feed_forward_length: u32(96),
	"attention.key_length": u32(32),
	"attention.value_length": u32(32),
	"rope.dimension_count": u32(32),
	"rope.freq_base_swa": f32(1e4),
	"rope.freq_base": f32(5e6),
	"attention.sliding_window": u32(32),
	[SLIDING]: bools(0, 1, 1, 1, 0, 1, 1, 1),
	"attention.head_count": u32s(4, 6, 6, 6, 4, 6, 6, 6),
	"attention.head_count_kv": u32s(2, 2, 2, 2, 2, 2, 2, 2),
	swiglu_clamp_exp: f32s(0, 0, 0.5, 0, 0.25, 0, 1, 0.125),
	swiglu_clamp_shexp: f32s(0, 0, 0, 0.5, 0.25, 1, 0, 0.125),
};
/** Two dense blocks, then experts. */
const TWO_DENSE = (block: number, part: string) => (block < 2 ? /exp|ffn_gate_inp/ : /^ffn_(gate|up|down)\./).test(part);

const step: OwnModel[] = [
	{ name: "step35", architecture: "step35", keys: STEP35, without: TWO_DENSE },
	{
		name: "step35-narrow-sliding",
		architecture: "step35",
		keys: { ...STEP35, "rope.dimension_count_swa": u32(8) },
		without: TWO_DENSE,
		options: {
			sets: () => [
				{ kind: "one", removed: [2] },
				{ kind: "one of the widest", removed: [0] },
				{ kind: "all of the widest", removed: [0, 4] },
				{ kind: "last of the widest", removed: [4] },
				{ kind: "all but two", removed: [0, 1, 2, 3, 5, 6] },
				{ kind: "two scattered", removed: [1, 6] },
			],
		},
	},
];

const others: OwnModel[] = [
	{
		name: "apertus",
		architecture: "apertus",
		keys: { "attention.head_count_kv": u32(2) },
		plainKeys: {
			"xielu.alpha_n": f32s(0.4, 0.8, 0.1, 0.9, 0.3, 0.7, 0.2, 0.6),
			"xielu.alpha_p": f32s(0.8, 0.3, 0.5, 0.2, 0.9, 0.4, 0.7, 0.1),
			"xielu.beta": f32s(0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1),
			"xielu.eps": f32s(-1e-6, -2e-6, -3e-6, -4e-6, -5e-6, -6e-6, -7e-6, -8e-6),
		},
	},
	{ name: "bitnet", architecture: "bitnet", keys: { "attention.head_count_kv": u32(2) } },
	{ name: "chameleon", architecture: "chameleon", vocabulary: 8256, keys: { "attention.head_count_kv": u32(2) } },
	{ name: "chameleon-swin", architecture: "chameleon", vocabulary: 8256, keys: { swin_norm: ["bool", true] } },
	{
		name: "deepseek2-ocr",
		architecture: "deepseek2-ocr",
		keys: { ...EXPERTS, leading_dense_block_count: u32(2), expert_shared_count: u32(2) },
	},
	{
		name: "graniteswitch",
		architecture: "graniteswitch",
		keys: {
			"attention.head_count_kv": u32(2),
			logit_scale: f32(2),
			residual_scale: f32(0.5),
			embedding_scale: f32(3),
			"attention.scale": f32(0.2),
			"adapters.count": u32(2),
			"adapters.lora_rank": u32(8),
			"adapters.router_gain": f32(50),
			"adapters.token_ids_activate": i32s(17, 90),
			"adapters.token_ids_substitute": i32s(3, 4),
		},
	},
	{
		name: "plm",
		architecture: "plm",
		keys: {
			"attention.kv_lora_rank": u32(48),
			"attention.key_length": u32(48),
			"attention.value_length": u32(32),
			"rope.dimension_count": u32(16),
		},
	},
];

/** Models of embeddings: they are refused, but must not crash. */
const embeddings: OwnModel[] = [
	{ name: "llama-embed", architecture: "llama-embed" },
	{ name: "eurobert", architecture: "eurobert" },
	{
		name: "bert",
		architecture: "bert",
		keys: { "attention.causal": ["bool", false] },
		plainKeys: { "tokenizer.ggml.token_type_count": u32(2) },
	},
	{ name: "t5encoder", architecture: "t5encoder", keys: { "attention.relative_buckets_count": u32(8) } },
	{
		name: "gemma-embedding",
		architecture: "gemma-embedding",
		keys: { "attention.sliding_window": u32(32), "attention.head_count_kv": u32(2) },
	},
];

export const OWN_MODELS: readonly OwnModel[] = [...others, ...rwkv, ...gemma, ...step, ...COUNTED, ...LONG, ...embeddings];
