import type { OwnModel } from "./own-fixtures.js";
import type { KeyValue } from "./rewrite.js";

// Metadata of models made here.

export const u32 = (value: number): KeyValue => ["uint32", value];
export const f32 = (value: number): KeyValue => ["float32", value];
export const u32s = (...values: number[]): KeyValue => ["array", values, "uint32"];
export const i32s = (...values: number[]): KeyValue => ["array", values, "int32"];
export const f32s = (...values: number[]): KeyValue => ["array", values, "float32"];
export const bools = (...values: number[]): KeyValue => ["array", values.map(Boolean), "bool"];

export const SLIDING = "attention.sliding_window_pattern";
export const EXPERTS = { expert_count: u32(4), expert_used_count: u32(2), expert_feed_forward_length: u32(64) };

/** So narrow that dozens of blocks are small. */
export const NARROW = {
	embedding_length: u32(64),
	feed_forward_length: u32(96),
	"attention.head_count": u32(2),
	"attention.head_count_kv": u32(1),
};

/** These sets instead of the usual ones. */
export const only = (...sets: (readonly number[])[]): NonNullable<OwnModel["options"]> => ({
	sets: () => sets.map((removed) => ({ kind: `${removed.length} blocks`, removed })),
});
