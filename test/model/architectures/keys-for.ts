import type { ArchitectureEntry } from "../../../src/model/architectures/index.js";
import { type Keys, range } from "./model.js";

// Asymmetric metadata, so that a value left in its old place shows.
export const BLOCKS = 13;
export const TAIL = 1;
const all = BLOCKS + TAIL;

export function keysFor(entry: ArchitectureEntry): Keys {
	const u32s = (of: (i: number) => number) => ["array", range(all).map(of), "uint32"] as const;
	const recurrent = (i: number) => entry.recurrent !== undefined && i % 3 !== 1;
	const keys: Record<string, Keys[string]> = {
		embedding_length: ["uint32", 64],
		"attention.head_count": ["uint32", 4],
		"attention.key_length": ["uint32", 16],
		"attention.head_count_kv": u32s((i) => (recurrent(i) ? 0 : 1 + (i % 4))),
		"attention.sliding_window": ["uint32", 64],
		leading_dense_block_count: ["uint32", 3],
		hash_layer_count: ["uint32", 2],
		interleave_moe_layer_step: ["uint32", 1],
		feed_forward_length: u32s((i) => (entry.recurrent?.by === "no-kv-heads-no-ffn" ? 0 : entry.widthsPerBlock ? 100 + i : 100)),
		expert_feed_forward_length: u32s((i) => (entry.expertsPerBlock ? 200 + i : 200)),
	};
	for (const key of entry.perBlock ?? []) keys[key] = u32s((i) => i + 1);
	if (entry.perBlock?.includes("deepstack_mapping")) keys.deepstack_mapping = ["array", range(all).map((i) => (i === 0 ? 0 : -1)), "int32"];
	if (entry.sliding && !entry.sliding.period) keys["attention.sliding_window_pattern"] = u32s((i) => (i % 3 === 0 ? 1 : 0));
	if (entry.indexer) keys["attention.indexer.types"] = u32s((i) => (i % 3 === 0 ? 1 : 0));
	return keys;
}
