import type { Parts } from "../types.js";

// Architectures whose feed-forward part has tensors of its own names, whose parts go together under a condition, or that have no such parts.

const beside = (source: string): Parts => ({ source, whole: "its attention and feed-forward parts run side by side" });

/** Here the norm after the attention is of the sum, before the feed-forward. Elsewhere it is of the attention's output alone. */
const normBefore = (source: string): Parts => ({ source, feedForward: ["post_attention_norm"] });

const onePart = (source: string, kinds: string): Parts => ({ source, whole: `each of its blocks holds only one part (${kinds})` });

export const OTHER_PARTS: Readonly<Record<string, Parts>> = {
	grok: { source: "models/grok.cpp:148,185", feedForward: ["layer_output_norm"] },
	mpt: { source: "models/mpt.cpp:133,144", feedForward: ["ffn.act"] },
	dbrx: { source: "models/dbrx.cpp:105,110", feedForward: ["attn_output_norm"] },
	bitnet: { source: "models/bitnet.cpp:118,135", feedForward: ["ffn_sub_norm"] },
	seed_oss: normBefore("models/seed-oss.cpp:109,113"),
	"gpt-oss": normBefore("models/openai-moe.cpp:122,126"),
	qwen3next: normBefore("models/qwen3next.cpp:177,184"),
	qwen35: normBefore("models/qwen35.cpp:180,187"),
	qwen35moe: normBefore("models/qwen35moe.cpp:203,210"),
	glm4moe: normBefore("models/glm4-moe.cpp:371,375"),
	grovemoe: { source: "models/grovemoe.cpp:126,153", feedForward: ["ffn_gate_chexps", "ffn_up_chexps", "ffn_down_chexps"] },
	cogvlm: { source: "models/cogvlm.cpp:126,138", feedForward: ["vis_gate", "vis_up", "vis_down"] },
	// The embedding that is added at the end of a block is an input of the model, like the positions.
	talkie: { source: "models/talkie.cpp:107,123", feedForward: ["layer_output_scale"] },
	// The scale at the end of a block is of all that its feed-forward part hands on: the part is the identity if the scale is one.
	gemma4: {
		source: "models/gemma4.cpp:287,365,393",
		feedForward: ["pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2", "layer_output_scale"],
	},
	qwen4exp: {
		source: "models/qwen4exp.cpp:346,427,439",
		feedForward: ["hc_ffn_norm", "hc_ffn_down", "hc_ffn_up", "hc_ffn_inject"],
	},
	hy_v4: { source: "models/hy-v4.cpp:238,534,578", feedForward: ["hc_ffn_fn", "hc_ffn_base", "hc_ffn_scale"] },
	"kimi-k3": {
		source: "models/kimi-k3.cpp:306,325",
		feedForward: ["ffn_res_score", "ffn_routed_down", "ffn_routed_up", "ffn_routed_norm"],
	},
	rwkv6: {
		source: "models/rwkv6.cpp:132,163",
		feedForward: [
			"attn_norm_2",
			"channel_mix_lerp_k",
			"channel_mix_lerp_r",
			"channel_mix_key",
			"channel_mix_value",
			"channel_mix_receptance",
		],
	},
	rwkv7: {
		source: "models/rwkv7.cpp:163,190",
		feedForward: ["attn_norm_2", "channel_mix_lerp_k", "channel_mix_key", "channel_mix_value"],
	},
	gptneox: {
		source: "models/gptneox.cpp:178,195",
		unless: {
			when: { flag: "use_parallel_residual" },
			why: "its attention and feed-forward parts run side by side (use_parallel_residual)",
			source: "models/gptneox.cpp:143",
		},
	},
	stablelm: {
		source: "models/stablelm.cpp:124,147",
		unless: {
			when: { not: { everyBlock: "ffn_norm.weight" } },
			why: "a block without ffn_norm runs its attention and feed-forward parts side by side",
			source: "models/stablelm.cpp:129",
		},
	},
	chameleon: {
		source: "models/chameleon.cpp:138",
		unless: {
			when: { flag: "swin_norm" },
			why: "its feed-forward part reads the result of the attention part alone, without the residual stream (swin_norm)",
			source: "models/chameleon.cpp:138,142,149",
		},
	},
	"minimax-m3": {
		source: "models/minimax-m3.cpp:544",
		join: {
			alike: "sparse",
			why: "leading_dense_block_count decides both whether the attention is sparse and whether there are experts",
			source: "models/minimax-m3.cpp:334,550",
		},
	},
	deci: {
		source: "models/deci.cpp:153",
		join: {
			both: "feed-forward",
			why: "llama.cpp drops the attention of a block without feed-forward",
			source: "models/deci.cpp:147",
		},
	},

	falcon: beside("models/falcon.cpp:125"),
	phi2: beside("models/phi2.cpp:108"),
	plamo: beside("models/plamo.cpp:99"),
	cohere2: beside("models/cohere2.cpp:78,122"),
	cohere2moe: beside("models/cohere2moe.cpp:176,218"),
	"command-r": beside("models/command-r.cpp:71,110"),
	mamba: onePart("models/mamba.cpp:115", "a state space"),
	mamba2: onePart("models/mamba.cpp:115", "a state space"),
	nemotron_h: onePart("models/nemotron-h.cpp:213,229", "attention, state space or feed-forward"),
	nemotron_h_moe: onePart("models/nemotron-h.cpp:213,229", "attention, state space or feed-forward"),
	arctic: { source: "models/arctic.cpp:136,154", whole: "its experts read the input of the block, beside the attention part" },
	smallthinker: {
		source: "models/smallthinker.cpp:109,159",
		whole: "its experts are chosen from the input of the block, before the attention part",
	},
	deepseek4: {
		source: "models/deepseek4.cpp:439,1262",
		whole: "each part mixes the streams of the residual (hyper-connections) even if it adds nothing, so a cut cannot be proven",
	},
};
