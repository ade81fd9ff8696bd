// What the layer view and this table know of llama_hparams (src/llama-hparams.h of the pinned llama.cpp). The guard test compares these
// lists with the header: see guard.ts.

/** Members with one entry per block: the layer view gathers each. */
export const PER_BLOCK_MEMBERS = [
	"n_head_arr",
	"n_head_kv_arr",
	"n_ff_arr",
	"n_ff_exp_arr",
	"n_expert_used_arr",
	"rope_pattern",
	"is_swa_impl",
	"is_recr_impl",
	"xielu_alpha_n",
	"xielu_alpha_p",
	"xielu_beta",
	"xielu_eps",
	"is_indexer_full_impl",
	"dsv4_compress_ratios",
	"is_ple_impl",
	"deepstack_mapping_arr",
	"swiglu_clamp_exp",
	"swiglu_clamp_shexp",
] as const;

/** Those of them that only the feed-forward part of a block reads. A block of two parts takes them from the block of that part. */
export const FEED_FORWARD_MEMBERS = [
	"n_ff_arr",
	"n_ff_exp_arr",
	"n_expert_used_arr",
	"xielu_alpha_n",
	"xielu_alpha_p",
	"xielu_beta",
	"xielu_eps",
	"swiglu_clamp_exp",
	"swiglu_clamp_shexp",
] as const;

/** Members that count blocks from the start, or are the index of one. The removed blocks below lower them if the table says so. */
export const LEADING_COUNT_MEMBERS = [
	"n_layer_dense_lead",
	"dsv4_hash_layer_count",
	"n_layer_kv_from_start",
	"router_layer",
	"n_no_rope_layer_step",
] as const;

/** Other members that mention layers, and why the layer view leaves them alone. */
export const OTHER_LAYER_MEMBERS: Readonly<Record<string, string>> = {
	n_layer_all: "set by the layer view itself",
	n_layer_nextn: "the tail stays",
	n_layer: "of the vocoder in wavtokenizer-dec, which is refused",
	moe_every_n_layers: "a period by index (nomic-bert-moe): only candidates that keep it are allowed",
	rescale_every_n_layers: "a period by index (rwkv6): only blocks behind the last one may be removed",
	n_hrm_layers_per_stack: "hrm_text is refused",
	n_moe_layer_step: "a period by index (llama4): only candidates that keep it are allowed",
	n_deepstack_layers: "the first blocks (qwen3vl) stay",
	ple_layer_multipliers: "not per layer: multipliers of one hash",
	dec_n_layer: "t5 is refused",
	n_embd_per_layer: "width of per-layer embeddings (gemma3n and gemma4 with them are refused; qwen4exp keeps the block)",
	n_shortconv_l_cache: "length of a convolution",
};
