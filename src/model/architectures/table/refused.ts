import type { ArchitectureEntry } from "../types.js";

// Architectures from which no block can be removed exactly, or that are not language models of one stack of blocks.

// `unmeasurable` if llama.cpp computes no loss of the original model either: it lacks logits, aborts, or needs a second model.

/** Encoders of text: their graphs end with the hidden states (`t_embd`) and set no `t_logits`. */
const embedding = (name: string, source: string): ArchitectureEntry => ({
	name,
	source,
	proof: "source",
	unmeasurable: true,
	refused: "it gives embeddings and no logits, so there is no loss on the next token to choose blocks by or to prove a removal",
});

export const REFUSED: readonly ArchitectureEntry[] = [
	embedding("bert", "models/bert.cpp:218"),
	embedding("nomic-bert", "models/nomic-bert.cpp:49, models/bert.cpp:218"),
	embedding("nomic-bert-moe", "models/nomic-bert-moe.cpp:54, models/bert.cpp:218"),
	embedding("jina-bert-v2", "models/jina-bert-v2.cpp:64, models/bert.cpp:218"),
	embedding("jina-bert-v3", "models/jina-bert-v3.cpp:47, models/bert.cpp:218"),
	embedding("neo-bert", "models/neo-bert.cpp:131"),
	embedding("eurobert", "models/eurobert.cpp:121"),
	embedding("modern-bert", "models/modern-bert.cpp:170"),
	embedding("gemma-embedding", "models/gemma-embedding.cpp:173"),
	embedding("llama-embed", "models/llama-embed.cpp:4, models/llama.cpp:238"),
	embedding("t5encoder", "models/t5encoder.cpp:43, models/t5.cpp:355"),
	{
		name: "clip",
		source: "models/clip.cpp:6",
		proof: "source",
		unmeasurable: true,
		refused: "it is a vision projector, not a language model",
	},
	{
		name: "gptj",
		source: "llama-arch.cpp",
		proof: "source",
		unmeasurable: true,
		refused: "llama.cpp knows its name but cannot run it",
	},
	{
		name: "t5",
		source: "models/t5.cpp:3",
		proof: "source",
		unmeasurable: true,
		refused: "it is an encoder and a decoder, and every block uses the relative positions of the first",
	},
	{
		name: "gemma3n",
		source: "models/gemma3n.cpp:3",
		proof: "source",
		refused:
			"its per-layer embeddings are one tensor with a slice for each block (models/gemma3n.cpp:39,333). Blocks share keys and values by a fixed index (line 7), and its streams (AltUp) mix in every block",
	},
	{
		name: "gemma4-assistant",
		source: "models/gemma4-assistant.cpp:3",
		proof: "source",
		unmeasurable: true,
		refused: "it is a draft model that reads the memory of another model by block index (llama-model.cpp:2690)",
	},
	{
		name: "eagle3",
		source: "models/eagle3.cpp:3",
		proof: "source",
		unmeasurable: true,
		refused: "it is a draft model that reads the hidden states of another model",
	},
	{
		name: "dflash",
		source: "models/dflash.cpp:7",
		proof: "source",
		unmeasurable: true,
		refused: "it is a draft model that reads the hidden states of another model",
	},
	{
		name: "wavtokenizer-dec",
		source: "models/wavtokenizer-dec.cpp:3",
		proof: "source",
		unmeasurable: true,
		refused: "it decodes sound and is not a language model",
	},
	{ name: "qwen3tts", source: "models/qwen3vl.cpp:3", proof: "source", refused: "it generates speech, so its loss on text says nothing" },
	{
		name: "pockettts",
		source: "models/pockettts.cpp:6",
		proof: "source",
		refused: "it generates speech, so its loss on text says nothing",
	},
	{
		name: "hrm_text",
		source: "models/hrm-text.cpp:6",
		proof: "source",
		refused: "its blocks run in loops of a fixed size (models/hrm-text.cpp:23)",
	},
	{
		name: "plm",
		source: "models/plm.cpp:3",
		proof: "source",
		unmeasurable: true,
		refused:
			"llama.cpp aborts on every model of it unless flash attention is off: its values have two dimensions (models/plm.cpp:131) where the memory wants three (llama-kv-cache.cpp:1353)",
	},
	{
		name: "minicpm3",
		source: "models/minicpm3.cpp:3",
		proof: "source",
		refused: "every block scales its output by the number of blocks (models/minicpm3.cpp:197), which no key states",
	},
	{
		name: "minimax-01",
		source: "models/minimax-01.cpp:4",
		proof: "source",
		refused: "the decay of every linear-attention block depends on its index and on the number of blocks (models/minimax-01.cpp:288)",
	},
];
