import { EXPERTS, NARROW, only, u32 } from "./keys.js";
import type { OwnModel } from "./own-fixtures.js";

// llama4 and smallthinker take windows of 8,192 and 4,096 tokens whatever the key says (models/llama4.cpp:14,
// models/smallthinker.cpp:8), so prompts must be longer for their attention masks to matter.

const MANY_TOKENS = { ...NARROW, ...EXPERTS, context_length: u32(16384), "attention.sliding_window": u32(8192) };

export const LONG: readonly OwnModel[] = [
	{
		name: "llama4-beyond-8192",
		architecture: "llama4",
		keys: { ...MANY_TOKENS, interleave_moe_layer_step: u32(2) },
		options: { ...only([0, 1, 2, 3], [1, 2, 3, 4], [0.5, 1.5, 2.5, 3.5]), length: 8320, windows: 1, timeout: 600_000 },
	},
	{
		name: "smallthinker-beyond-4096",
		architecture: "smallthinker",
		keys: { ...MANY_TOKENS, expert_gating_func: u32(2) },
		options: { ...only([7], [1, 2, 3, 4], [6, 7]), length: 4224, windows: 1, timeout: 600_000 },
	},
];
