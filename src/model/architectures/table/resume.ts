import type { Resume } from "../types.js";

// Why the hidden state between two blocks cannot be fed back in as an embedding.

export const SCALED: Resume = { no: "the graph scales its input, which would scale the hidden state again" };
export const POSITIONS: Resume = { no: "the graph adds learned positions to its input, which would be added again" };
export const LEARNED_POSITIONS_IF_ANY: Resume = { ...POSITIONS, when: { tensor: "position_embd.weight" } };
export const INPUT_NORM: Resume = { no: "the graph normalizes its input, which would normalize the hidden state again" };
export const FOUR_POSITIONS: Resume = { no: "rotary positions have four parts (M-RoPE), which an embedding would have to supply" };
export const STREAMS: Resume = { no: "the hidden state is several streams wide (hyper-connections), an embedding is one" };
export const ASSERTS: Resume = { no: "llama.cpp aborts on an embedding as input" };
export const FIRST_BLOCK: Resume = { no: "later blocks use what the first block computed" };
export const UNNAMED_SUM: Resume = {
	no: "the hidden state after a block is not named l_out, the name that is searched for: l_out is the feed-forward alone, before the residual is added (models/nemotron-h.cpp:230,337)",
};
