import type { ArchitectureEntry, Condition } from "../types.js";
import { FIRST_BLOCK, FOUR_POSITIONS, INPUT_NORM, SCALED } from "./resume.js";

// Architectures whose graph tests the block index or the number of blocks, so that only some sets of blocks may go.

const NOPE = "every fourth block has no rotary positions, by its index";

const IF_WINDOW: Condition = { key: "attention.sliding_window", above: 0, absent: 0 };
/** llama4 takes a window of 8192 unless the key says 0. */
const IF_CHUNKED: Condition = { key: "attention.sliding_window", above: 0, absent: 8192 };
const IF_NOT_CHUNKED: Condition = { not: IF_CHUNKED };

const qwen3vl = (name: string, line: number): ArchitectureEntry => ({
	name,
	source: `models/${name}.cpp:3`,
	proof: "bits",
	rules: [
		{
			rule: "freeze",
			blocks: "deepstack",
			when: { key: "n_deepstack_layers", above: 0, absent: 0 },
			proof: "source",
			why: "image embeddings are added after it, by its index",
			source: `models/${name}.cpp:${line}`,
		},
	],
	resume: FOUR_POSITIONS,
});

const rwkv7 = (name: string, source: string): ArchitectureEntry => ({
	name,
	source: `models/${name}.cpp:3`,
	proof: "bits",
	rules: [
		{ rule: "freeze", blocks: "first", why: "all later blocks mix in its values", source },
		{
			rule: "refuse",
			when: { key: "wkv.head_size", notMultipleOf: 64 },
			aborts: true,
			proof: "source",
			why: "on processors with 512-bit vectors llama.cpp reads and writes 64 values of a head at a time (ggml_compute_forward_rwkv_wkv7), and so beyond the end of this head",
			source: "models/rwkv7-base.cpp:107",
		},
	],
	resume: FIRST_BLOCK,
});

export const CONSTRAINED: readonly ArchitectureEntry[] = [
	{
		name: "smollm3",
		source: "models/smollm3.cpp:3",
		proof: "bits",
		rules: [{ rule: "position", period: 4, offset: 1, why: NOPE, source: "models/smollm3.cpp:5,69" }],
	},
	{
		name: "llama4",
		source: "models/llama4.cpp:3",
		proof: "bits",
		sliding: { period: 4, when: IF_CHUNKED, source: "models/llama4.cpp:19" },
		rules: [
			{ rule: "position", period: 4, offset: 1, when: IF_CHUNKED, why: NOPE, source: "models/llama4.cpp:143" },
			{
				rule: "position",
				period: "interleave_moe_layer_step",
				offset: 1,
				why: "blocks are loaded as experts or dense by their index",
				source: "models/llama4.cpp:62",
			},
			{
				rule: "refuse",
				when: IF_NOT_CHUNKED,
				aborts: true,
				why: "llama.cpp aborts on every llama4 without sliding windows, pruned or not (it sets a scale that it needs only for the others)",
				source: "llama-graph.cpp:161, models/llama4.cpp:11",
			},
			{
				rule: "need",
				kinds: ["sliding"],
				when: IF_CHUNKED,
				why: "its memory needs at least one sliding-window block",
				source: "llama-model.cpp:2685",
			},
			{
				rule: "at-least",
				blocks: 4,
				when: IF_CHUNKED,
				why: "one block without rotary positions must be left, and the first of these is the fourth block",
				source: "models/llama4.cpp:120",
			},
		],
	},
	{
		name: "afmoe",
		source: "models/afmoe.cpp:3",
		proof: "bits",
		sliding: { period: 4, when: IF_WINDOW, source: "models/afmoe.cpp:17" },
		leading: ["leading_dense_block_count"],
		rules: [
			{ rule: "position", period: 4, offset: 1, why: NOPE, source: "models/afmoe.cpp:135" },
			{
				rule: "need",
				kinds: ["sliding"],
				when: IF_WINDOW,
				why: "its memory needs at least one sliding-window block",
				source: "llama-model.cpp:2685",
			},
		],
		resume: SCALED,
	},
	{
		name: "smallthinker",
		source: "models/smallthinker.cpp:3",
		proof: "bits",
		sliding: { period: 4, denseFirst: true, when: IF_WINDOW, source: "models/smallthinker.cpp:9" },
		viewCounts: [{ member: "n_no_rope_layer_step", when: { not: IF_WINDOW } }],
		rules: [
			{ rule: "position", period: 4, offset: 0, when: IF_WINDOW, why: NOPE, source: "models/smallthinker.cpp:106" },
			{
				rule: "count",
				equals: [4],
				view: true,
				when: IF_WINDOW,
				why: "with exactly four blocks every block is rotated",
				source: "models/smallthinker.cpp:106",
			},
			{
				rule: "need",
				kinds: ["sliding"],
				when: IF_WINDOW,
				why: "its memory needs at least one sliding-window block",
				source: "llama-model.cpp:2685",
			},
			{
				rule: "at-least",
				blocks: 2,
				when: IF_WINDOW,
				why: "one block with rotary positions must be left, and the first has none",
				source: "models/smallthinker.cpp:106",
			},
		],
	},
	{
		name: "deci",
		source: "models/deci.cpp:3",
		proof: "bits",
		widthsPerBlock: true,
		rules: [
			{
				rule: "need",
				kinds: ["attention"],
				view: true,
				why: "one block must use the positions and the memory",
				source: "models/deci.cpp:119",
			},
			{
				rule: "last-is",
				kind: "feed-forward",
				why: "the last block chooses the output tokens, and a block without feed-forward skips that",
				source: "models/deci.cpp:147",
			},
		],
		resume: {
			no: "a block without feed-forward gives no hidden state of its own (models/deci.cpp:147)",
			when: { not: { everyNumber: "feed_forward_length", above: 0 } },
		},
		notes: "heads and widths differ from block to block; a block without feed-forward adds nothing",
	},
	{
		name: "baichuan",
		source: "models/baichuan.cpp:3",
		proof: "bits",
		rules: [
			{
				rule: "count",
				equals: [32, 40],
				why: "llama.cpp uses rotary positions for exactly 32 blocks, ALiBi for exactly 40, and neither for other numbers",
				source: "models/baichuan.cpp:5,11,58,77",
			},
		],
	},
	{
		name: "command-r",
		source: "models/command-r.cpp:3",
		proof: "bits",
		rules: [
			{
				rule: "count",
				atLeast: 64,
				why: "llama.cpp loads the query and key norms only in models of 64 blocks and more",
				source: "models/command-r.cpp:28",
			},
		],
	},
	qwen3vl("qwen3vl", 153),
	qwen3vl("qwen3vlmoe", 164),
	rwkv7("rwkv7", "models/rwkv7-base.cpp:74, models/rwkv7.cpp:84"),
	rwkv7("arwkv7", "models/rwkv7-base.cpp:74, models/arwkv7.cpp:74"),
	{
		name: "rwkv6",
		source: "models/rwkv6.cpp:3",
		proof: "bits",
		rules: [
			{
				rule: "freeze",
				blocks: "all-but-last-group",
				when: { key: "rescale_every_n_layers", above: 0, absent: 0 },
				why: "the hidden state is halved every rescale_every_n_layers blocks, by index, and later weights are scaled for it",
				source: "models/rwkv6.cpp:164",
			},
		],
		resume: INPUT_NORM,
	},
	{
		name: "nanbeige",
		source: "models/nanbeige.cpp:3",
		proof: "bits",
		rules: [
			{
				rule: "refuse",
				when: { key: "num_loops", above: 1, absent: 1 },
				proof: "source",
				why: "its blocks run several times (num_loops)",
				source: "models/nanbeige.cpp:31",
			},
		],
		notes:
			"with loops (num_loops) a written file is right: every candidate that was written gave the same bits. But the layer view does not follow loops, so no candidate can be measured.",
	},
];
