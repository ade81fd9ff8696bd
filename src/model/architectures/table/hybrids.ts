import type { ArchitectureEntry, RecurrentPattern, Rule } from "../types.js";
import { FOUR_POSITIONS, SCALED, STREAMS, UNNAMED_SUM } from "./resume.js";

// Architectures that mix attention with recurrent blocks (state space, linear attention, short convolutions).

const BOTH_LEFT: Rule = {
	rule: "need",
	kinds: ["attention", "recurrent"],
	why: "its memory needs at least one attention block and one recurrent block",
	source: "llama-graph.cpp:1090",
};

const interval = (source: string): RecurrentPattern => ({ by: "interval", source });
const noKvHeads = (source: string): RecurrentPattern => ({ by: "no-kv-heads", source });

/** With experts or without: one loader, one graph. */
const NEMOTRON_H: Omit<ArchitectureEntry, "name"> = {
	source: "models/nemotron-h.cpp:5",
	proof: "bits",
	recurrent: { by: "no-kv-heads-no-ffn", source: "models/nemotron-h.cpp:15" },
	expertsPerBlock: true,
	widthsPerBlock: true,
	rules: [BOTH_LEFT],
	resume: UNNAMED_SUM,
};

export const HYBRIDS: readonly ArchitectureEntry[] = [
	{
		name: "qwen3next",
		source: "models/qwen3next.cpp:4",
		proof: "bits",
		recurrent: interval("models/qwen3next.cpp:17"),
		widthsPerBlock: true,
		rules: [BOTH_LEFT],
	},
	{
		name: "qwen35",
		source: "models/qwen35.cpp:4",
		proof: "bits",
		recurrent: interval("models/qwen35.cpp:17"),
		rules: [BOTH_LEFT],
		resume: FOUR_POSITIONS,
	},
	{
		name: "qwen35moe",
		source: "models/qwen35moe.cpp:4",
		proof: "bits",
		recurrent: interval("models/qwen35moe.cpp:20"),
		rules: [BOTH_LEFT],
		resume: FOUR_POSITIONS,
	},
	{
		name: "qwen4exp",
		source: "models/qwen4exp.cpp:26",
		proof: "bits",
		recurrent: interval("models/qwen4exp.cpp:128"),
		perBlock: ["attention.compress_ratios"],
		rules: [
			BOTH_LEFT,
			{
				rule: "freeze",
				blocks: "per-layer-embedding",
				why: "the per-layer embedding belongs to it",
				source: "models/qwen4exp.cpp:69,188",
			},
		],
		resume: STREAMS,
	},
	{
		name: "plamo2",
		source: "models/plamo2.cpp:4",
		proof: "bits",
		recurrent: noKvHeads("models/plamo2.cpp:19"),
		rules: [
			{
				rule: "refuse",
				when: { firstBlock: "without heads" },
				aborts: true,
				why: "no attention heads are stated for its first block, for which llama.cpp rotates 0 dimensions, in a loop that never ends",
				source: "llama-model.cpp:1388, models/plamo2.cpp:15,239",
			},
			BOTH_LEFT,
		],
		resume: { no: "the hidden state after a block is not named l_out, the name that is searched for (models/plamo2.cpp:177)" },
	},
	{ name: "jamba", source: "models/jamba.cpp:3", proof: "bits", recurrent: noKvHeads("models/jamba.cpp:12"), rules: [BOTH_LEFT] },
	{
		name: "granitehybrid",
		source: "models/granite-hybrid.cpp:3",
		proof: "bits",
		recurrent: noKvHeads("models/granite-hybrid.cpp:24"),
		rules: [BOTH_LEFT],
		resume: SCALED,
	},
	{
		name: "lfm2",
		source: "models/lfm2.cpp:7",
		proof: "bits",
		recurrent: noKvHeads("models/lfm2.cpp:12"),
		rules: [BOTH_LEFT],
		notes: "with a sliding window every attention block is sliding (models/lfm2.cpp:29)",
	},
	{
		name: "lfm2moe",
		source: "models/lfm2moe.cpp:5",
		proof: "bits",
		recurrent: noKvHeads("models/lfm2moe.cpp:13"),
		leading: ["leading_dense_block_count"],
		rules: [BOTH_LEFT],
	},
	{ name: "nemotron_h", ...NEMOTRON_H },
	{ name: "nemotron_h_moe", ...NEMOTRON_H },
	{
		name: "bailingmoe3",
		source: "models/bailingmoe3.cpp:6",
		proof: "bits",
		recurrent: noKvHeads("models/bailingmoe3.cpp:36"),
		perBlock: ["swiglu_clamp_exp", "swiglu_clamp_shexp"],
		leading: ["leading_dense_block_count"],
		rules: [BOTH_LEFT],
	},
	{
		name: "kimi-linear",
		source: "models/kimi-linear.cpp:4",
		proof: "bits",
		recurrent: noKvHeads("models/kimi-linear.cpp:18"),
		leading: ["leading_dense_block_count"],
		rules: [BOTH_LEFT],
	},
	{
		name: "kimi-k3",
		source: "models/kimi-k3.cpp:16",
		proof: "bits",
		recurrent: noKvHeads("models/kimi-k3.cpp:32"),
		leading: ["leading_dense_block_count"],
		rules: [
			{
				rule: "refuse",
				when: { key: "attn_res.block_size", above: 0, absent: 0 },
				why: "later blocks attend to a bank of earlier residuals (attn_res.block_size), which changes with every removed block",
				source: "models/kimi-k3.cpp:288",
			},
			BOTH_LEFT,
		],
	},
];
