import type { ArchitectureEntry, Condition, Rule } from "../types.js";
import { INPUT_NORM, SCALED } from "./resume.js";

// Architectures that mix sliding-window and full attention by a pattern. Real files often lack the pattern, and llama.cpp then takes a
// default period from its source. So the pattern of the kept blocks is written out as an array.

/** The key decides whether there are sliding windows; without the key there are none. */
const IF_WINDOW: Condition = { key: "attention.sliding_window", above: 0, absent: 0 };

const SLIDING_LEFT: Rule = {
	rule: "need",
	kinds: ["sliding"],
	why: "its memory needs at least one sliding-window block",
	source: "llama-model.cpp:2685",
};
const SLIDING_LEFT_IF_WINDOW: Rule = { ...SLIDING_LEFT, when: IF_WINDOW };

export const WINDOWS: readonly ArchitectureEntry[] = [
	{
		name: "gemma3",
		source: "models/gemma3.cpp:3",
		proof: "bits",
		sliding: { period: 6, when: IF_WINDOW, source: "models/gemma3.cpp:7" },
		rules: [
			SLIDING_LEFT_IF_WINDOW,
			{
				rule: "count",
				equals: [62],
				when: { headSize: "stated apart" },
				why: "llama.cpp takes another attention scale for exactly 62 blocks (27B)",
				source: "models/gemma3.cpp:29",
			},
		],
		notes: "scales token inputs only, so that a hidden state can be resumed (models/gemma3.cpp)",
	},
	{
		name: "gemma2",
		source: "models/gemma2.cpp:3",
		proof: "bits",
		sliding: { period: 2, source: "models/gemma2.cpp:6" },
		rules: [
			SLIDING_LEFT,
			{
				rule: "count",
				equals: [46],
				when: { headSize: "stated apart" },
				why: "llama.cpp takes another attention scale for exactly 46 blocks (27B)",
				source: "models/gemma2.cpp:25",
			},
		],
		resume: SCALED,
	},
	{
		name: "gemma4",
		source: "models/gemma4.cpp:3",
		proof: "bits",
		sliding: { source: "models/gemma4.cpp:5" },
		sizesPerBlock: "all",
		widthsPerBlock: true,
		setToOne: ["layer_output_scale.weight"],
		viewCounts: [{ member: "n_layer_kv_from_start" }],
		rules: [
			{
				rule: "refuse",
				when: { key: "embedding_length_per_layer_input", above: 0, absent: 0 },
				why: "its per-layer embeddings are one tensor that holds a slice for each block",
				source: "models/gemma4.cpp:58,451",
			},
			SLIDING_LEFT,
			{
				rule: "need",
				kinds: ["full"],
				aborts: false,
				why: "the first block with full attention takes the rotary factors (rope_freqs)",
				source: "models/gemma4.cpp:93",
			},
			{
				rule: "at-least",
				blocks: 2,
				ownKeys: true,
				proof: "source",
				why: "at least two blocks must hold keys and values of their own",
				source: "llama-model.cpp:2660",
			},
			{
				rule: "freeze",
				blocks: "kv-donors",
				when: { key: "attention.shared_kv_layers", above: 0, absent: 0 },
				why: "later blocks use its keys and values",
				source: "llama-model.cpp:2662",
			},
		],
	},
	{
		name: "cohere2",
		source: "models/cohere2.cpp:3",
		proof: "bits",
		sliding: { period: 4, source: "models/cohere2.cpp:5" },
		rules: [SLIDING_LEFT],
	},
	{
		name: "cohere2moe",
		source: "models/cohere2moe.cpp:3",
		proof: "bits",
		sliding: { period: 4, denseFirst: true, source: "models/cohere2moe.cpp:28" },
		leading: ["leading_dense_block_count"],
		rules: [SLIDING_LEFT],
		notes: "leading dense blocks are rotated too (models/cohere2moe.cpp:171)",
	},
	{
		name: "gpt-oss",
		source: "models/openai-moe.cpp:3",
		proof: "bits",
		sliding: { period: 2, source: "models/openai-moe.cpp:9" },
		rules: [SLIDING_LEFT],
	},
	{
		name: "plamo3",
		source: "models/plamo3.cpp:3",
		proof: "bits",
		sliding: { period: 8, when: IF_WINDOW, source: "models/plamo3.cpp:9" },
		widthsPerBlock: true,
		rules: [SLIDING_LEFT_IF_WINDOW],
	},
	{
		name: "olmo2",
		source: "models/olmo2.cpp:3",
		proof: "bits",
		sliding: { period: 4, when: IF_WINDOW, source: "models/olmo2.cpp:9" },
		rules: [SLIDING_LEFT_IF_WINDOW],
	},
	{
		name: "muse-glimmer",
		source: "models/muse-glimmer.cpp:3",
		proof: "bits",
		sliding: { period: 4, source: "models/muse-glimmer.cpp:13" },
		rules: [SLIDING_LEFT],
		resume: INPUT_NORM,
	},
	{
		name: "mellum",
		source: "models/mellum.cpp:3",
		proof: "bits",
		sliding: { period: 4, when: IF_WINDOW, source: "models/mellum.cpp:11" },
		rules: [SLIDING_LEFT_IF_WINDOW],
	},
	{
		name: "maple",
		source: "models/maple.cpp:3",
		proof: "bits",
		sliding: { source: "models/maple.cpp:10" },
		perBlock: ["swiglu_clamp_exp"],
		sizesPerBlock: "rotation",
		rules: [SLIDING_LEFT],
	},
	{
		name: "spark2_5",
		source: "models/spark2-5.cpp:3",
		proof: "bits",
		sliding: { source: "models/spark2-5.cpp:8" },
		sizesPerBlock: "rotation",
		rules: [SLIDING_LEFT],
	},
	{
		name: "mimo2",
		source: "models/mimo2.cpp:3",
		proof: "bits",
		sliding: { source: "models/mimo2.cpp:12" },
		rules: [SLIDING_LEFT],
	},
	{
		name: "step35",
		source: "models/step35.cpp:3",
		proof: "bits",
		sliding: { source: "models/step35.cpp:26" },
		perBlock: ["swiglu_clamp_exp", "swiglu_clamp_shexp"],
		sizesPerBlock: "rotation",
		rules: [
			SLIDING_LEFT,
			{
				rule: "widest-rotation",
				why: "the rotary factors are as wide as the largest rotation of any block, so one such block must stay",
				source: "models/step35.cpp:61",
			},
		],
		resume: { no: "the next block gives the hidden state another name than l_out, which is searched for (models/step35.cpp:213)" },
	},
	{
		name: "granite_swa",
		source: "models/granite-swa.cpp:5",
		proof: "bits",
		sliding: { source: "models/granite-swa.cpp:17" },
		perBlock: ["attention.rope_pattern", "deepstack_mapping"],
		rules: [
			SLIDING_LEFT,
			{ rule: "need", kinds: ["rope"], view: true, why: "one block must use the positions", source: "models/granite-swa.cpp:211" },
			{
				rule: "freeze",
				blocks: "deepstack-mapped",
				proof: "source",
				why: "image embeddings are added before it",
				source: "models/granite-swa.cpp:148",
			},
		],
		resume: SCALED,
	},
	{
		name: "exaone-moe",
		source: "models/exaone-moe.cpp:3",
		proof: "bits",
		sliding: { period: 4, source: "models/exaone-moe.cpp:6" },
		leading: ["leading_dense_block_count"],
		rules: [SLIDING_LEFT],
	},
	{
		name: "exaone4",
		source: "models/exaone4.cpp:3",
		proof: "bits",
		sliding: { period: 4, when: { blocks: 64 }, source: "models/exaone4.cpp:7" },
		rules: [
			{
				rule: "count",
				equals: [64],
				why: "llama.cpp uses sliding windows for exactly 64 blocks (32B)",
				source: "models/exaone4.cpp:4",
			},
		],
	},
	{
		name: "laguna",
		source: "models/laguna.cpp:9",
		proof: "bits",
		sliding: { period: 4, denseFirst: true, when: IF_WINDOW, source: "models/laguna.cpp:39" },
		leading: ["leading_dense_block_count"],
		rules: [SLIDING_LEFT_IF_WINDOW],
		notes: "full blocks take their rotation from the first block (models/laguna.cpp:179): held by the check of the first block",
	},
	{
		name: "dots3note",
		source: "models/dots3note.cpp:8",
		proof: "bits",
		sliding: { source: "models/dots3note.cpp:34" },
		perBlock: ["attention.indexer.types"],
		leading: ["leading_dense_block_count"],
		rules: [
			{
				rule: "need",
				kinds: ["sliding", "full"],
				view: true,
				why: "its memory needs at least one block of each kind of attention",
				source: "llama-model.cpp:2414",
			},
		],
		notes: "each full block chooses by itself, whatever attention.indexer.types says (models/dots3note.cpp:205)",
	},
];
