import type { ArchitectureEntry, Condition, IndexerPattern, Rule } from "../types.js";
import { ASSERTS, SCALED, STREAMS } from "./resume.js";

// Architectures with a number of leading dense blocks, per-block arrays, or values derived from the number of blocks.

const LEAD = ["leading_dense_block_count"] as const;

const SHARED_INDEXER: Rule = {
	rule: "shared-indexer",
	why: "it uses the positions that an earlier block chose",
	source: "models/glm-dsa.cpp:364",
};

const HY_INDEXER: IndexerPattern = {
	absent: "none",
	when: { key: "attention.indexer.top_k", above: 0, absent: 0 },
	source: "models/hy-v4.cpp:59",
};

// llama.cpp recognizes models without low-rank queries by their number of blocks. Such a model may have any other number, because the
// absence can be stated (`derived`). A model that has such queries must not end up with one of those numbers.
const LOW_RANK: Condition = { key: "attention.q_lora_rank", above: 0, absent: 0 };
const NOT_LITE: readonly Rule[] = [
	{
		rule: "count",
		equals: [26, 27],
		together: true,
		when: LOW_RANK,
		why: "llama.cpp assumes that a model of 26 or 27 blocks has no low-rank queries",
		source: "models/deepseek2.cpp:8",
	},
	{
		rule: "count",
		equals: [48],
		when: [LOW_RANK, { vocabulary: 128256 }],
		why: "llama.cpp assumes that a model of 48 blocks and 128256 tokens has no low-rank queries",
		source: "models/deepseek2.cpp:8",
	},
];

const deepseek2 = (name: string): ArchitectureEntry => ({
	name,
	source: "models/deepseek2.cpp:3",
	proof: "bits",
	leading: LEAD,
	derived: "deepseek2",
	rules: NOT_LITE,
});

export const EXPERTS: readonly ArchitectureEntry[] = [
	{ name: "deepseek", source: "models/deepseek.cpp:3", proof: "bits", leading: LEAD },
	deepseek2("deepseek2"),
	deepseek2("mistral4"),
	{ name: "deepseek2-ocr", source: "models/deepseek2ocr.cpp:3", proof: "bits", leading: LEAD },
	{ name: "deepseek32", source: "models/deepseek32.cpp:6", proof: "bits", leading: LEAD },
	{
		name: "deepseek4",
		source: "models/deepseek4.cpp:19",
		proof: "source",
		perBlock: ["attention.compress_ratios", "swiglu_clamp_exp", "swiglu_clamp_shexp"],
		leading: ["hash_layer_count"],
		tailNeedsTensors: true,
		rules: [
			{
				rule: "need",
				kinds: ["compressed-by-4"],
				view: true,
				why: "llama.cpp crashes if no kept block has keys compressed by 4 (those have the indexers)",
				source: "llama-kv-cache.cpp:1447",
			},
		],
		resume: STREAMS,
		oracle: { none: "each block mixes the streams of the residual (hyper-connections) even where it adds nothing" },
		notes: "all blocks slide (models/deepseek4.cpp:68); compress_ratios may be longer than the model (models/deepseek4.cpp:57)",
	},
	{
		name: "glm-dsa",
		source: "models/glm-dsa.cpp:29",
		proof: "bits",
		leading: LEAD,
		indexer: { absent: "glm-5.2", source: "models/glm-dsa.cpp:60" },
		rules: [SHARED_INDEXER],
	},
	{
		name: "hy_v4",
		source: "models/hy-v4.cpp:24",
		proof: "bits",
		perBlock: ["swiglu_clamp_exp"],
		leading: LEAD,
		indexer: HY_INDEXER,
		rules: [{ ...SHARED_INDEXER, source: "models/hy-v4.cpp:443" }],
		resume: STREAMS,
	},
	{ name: "glm4moe", source: "models/glm4-moe.cpp:3", proof: "bits", leading: LEAD, resume: ASSERTS },
	{ name: "bailingmoe2", source: "models/bailingmoe2.cpp:3", proof: "bits", leading: LEAD },
	{ name: "dots1", source: "models/dots1.cpp:3", proof: "bits", leading: LEAD },
	{
		name: "ernie4_5-moe",
		source: "models/ernie4-5.cpp:3",
		proof: "bits",
		leading: LEAD,
		rules: [
			{
				rule: "refuse",
				when: { key: "interleave_moe_layer_step", above: 1, absent: 0 },
				why: "llama.cpp loads expert blocks by one rule and runs them by another when interleave_moe_layer_step is above 1",
				source: "models/ernie4-5-moe.cpp:64, models/ernie4-5.cpp:49",
			},
		],
	},
	{
		name: "minimax-m3",
		source: "models/minimax-m3.cpp:13",
		proof: "bits",
		leading: LEAD,
		rules: [
			{
				rule: "need",
				kinds: ["sparse"],
				view: true,
				why: "its memory needs at least one block of sparse attention (those after the leading dense blocks)",
				source: "llama-model.cpp:2297",
			},
		],
	},
	{
		name: "openelm",
		source: "models/openelm.cpp:3",
		proof: "bits",
		widthsPerBlock: true,
		notes: "heads and widths differ from block to block",
	},
	{
		name: "apertus",
		source: "models/apertus.cpp:3",
		proof: "bits",
		perBlockPlain: ["xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps"],
	},
	{
		name: "minicpm",
		source: "models/minicpm.cpp:3",
		proof: "bits",
		derived: "residual-scale",
		resume: SCALED,
	},
	{
		name: "granite",
		source: "models/granite.cpp:5",
		proof: "bits",
		perBlock: ["deepstack_mapping"],
		rules: [
			{
				rule: "freeze",
				blocks: "deepstack-mapped",
				proof: "source",
				why: "image embeddings are added before it",
				source: "models/granite.cpp:153",
			},
		],
		resume: SCALED,
	},
];
