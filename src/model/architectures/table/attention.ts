// Architectures whose files can lose the attention part of a block and keep its feed-forward part. llama.cpp must have a graph for such
// blocks that computes, bit for bit, what the graph of the architecture computes with the attention's output zeroed. Only `deci` has one.

/** What becomes of a file that loses attention parts. */
export interface WithoutAttention {
	/** Its architecture, with the same keys. */
	readonly becomes: string;
	/** File and line of the pinned llama.cpp, from `src/`: both graphs. */
	readonly source: string;
}

/** By the name of the architecture. There is no default: one that is not listed can lose blocks and make half-block cuts only. */
export const WITHOUT_ATTENTION: ReadonlyMap<string, WithoutAttention> = new Map([
	["llama", { becomes: "deci", source: "models/llama.cpp:99, models/deci.cpp:80" }],
	["deci", { becomes: "deci", source: "models/deci.cpp:107" }],
]);

/** Why not, for architectures that look as if they could; test/full/attention.test.ts measures it. */
export const NOT_EXACT: ReadonlyMap<string, string> = new Map([
	[
		"qwen2",
		"it rotates other pairs of values. With the rows of queries and keys in another order the losses are nearly the same, but not the bits",
	],
]);

/**
 * Tensors that both graphs use in the same way, after `blk.N.` for those of blocks. With any other one (norms of queries and keys, experts,
 * scales of quantized matrices) the two may differ.
 */
export const SHARED_TENSORS =
	/^(?:token_embd\.weight|output_norm\.weight|output\.weight|rope_freqs\.weight|rope_factors_(?:long|short)\.weight|blk\.\d+\.(?:(?:attn_norm|ffn_norm)\.weight|(?:attn_q|attn_k|attn_v|attn_qkv|attn_output|ffn_gate|ffn_up|ffn_down)\.(?:weight|bias)))$/;
