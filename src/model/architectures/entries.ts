import { type GgufEntry, VALUE_BYTES } from "../gguf/types.js";
import { encodeEntry } from "../gguf/value.js";
import { originOf } from "../../game/parts.js";
import { architectureWithout, headEntries, renamedEntries } from "./attention.js";
import { explicitEntries } from "./explicit.js";
import { BASE_PER_BLOCK_KEYS, INDEXER_KEY, OWN_KEYS, PER_LAYER_EMBEDDING_KEY, RECURRENT_KEY, SHARED_KV_KEY, SLIDING_KEY } from "./keys.js";
import { ownerOfKey, type Places, placesWithout } from "./owners.js";
import { provenanceEntries } from "./provenance.js";
import type { RuledModel } from "./rules.js";
import type { ArchitectureEntry, Frozen, Provenance } from "./types.js";

/**
 * Metadata of the model without the removed blocks: rewritten in place, with newly stated keys at the end.
 * @param removed ascending: i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the
 * attention part of block i + 1
 */
export function prunedEntries(
	model: RuledModel,
	entries: readonly GgufEntry[],
	removed: readonly number[],
	provenance: Provenance,
): GgufEntry[] {
	const places = placesWithout(model.facts.trunk + model.facts.tail, removed);
	const stated = removed.length > 0 ? [...explicitEntries(model, places.stack), ...headEntries(model, places.stack)] : [];
	const replaced = new Map(stated.map((entry) => [entry.key, entry]));
	const kept = entries.filter((entry) => !entry.key.startsWith(OWN_KEYS));
	const present = new Set(kept.map((entry) => entry.key));
	const rewrite = rewriter(model, places);
	const written = [...kept.map((entry) => replaced.get(entry.key) ?? rewrite(entry)), ...stated.filter(({ key }) => !present.has(key))];
	return [
		...renamedEntries(model.keys, written, architectureWithout(model.keys.architecture, removed)),
		...provenanceEntries(model.keys.file, removed, model.facts.trunk + model.facts.tail, provenance),
	];
}

/** Keys whose arrays hold one entry per block, as they stand in the file. */
export function perBlockKeys(name: string, entry: ArchitectureEntry): Set<string> {
	const patterns = [
		...(entry.sliding ? [SLIDING_KEY] : []),
		...(entry.recurrent?.by === "interval" ? [RECURRENT_KEY] : []),
		...(entry.indexer ? [INDEXER_KEY] : []),
	];
	const keys = [...BASE_PER_BLOCK_KEYS, ...patterns, ...(entry.perBlock ?? [])].map((key) => `${name}.${key}`);
	return new Set([...keys, ...(entry.perBlockPlain ?? [])]);
}

/** Keys of counts that removed blocks lower, besides the number of blocks; named after the architecture's name. */
export function loweredKeys(entry: ArchitectureEntry): string[] {
	return [...(entry.leading ?? []), ...(freezes(entry, "kv-donors") ? [SHARED_KV_KEY] : [])];
}

/** Keys of arrays that hold the numbers of blocks; named after the architecture's name. */
export function renumberedKeys(entry: ArchitectureEntry): string[] {
	return freezes(entry, "per-layer-embedding") ? [PER_LAYER_EMBEDDING_KEY] : [];
}

function freezes({ rules = [] }: ArchitectureEntry, blocks: Frozen): boolean {
	return rules.some((rule) => rule.rule === "freeze" && rule.blocks === blocks);
}

function rewriter({ keys, entry, facts }: RuledModel, { removed, below, stack }: Places): (one: GgufEntry) => GgufEntry {
	const arrays = perBlockKeys(keys.architecture, entry);
	const gone = facts.trunk + facts.tail - stack.length;
	const firstShared = facts.trunk + facts.tail - (keys.number(SHARED_KV_KEY) ?? 0);
	const numbers = new Map<string, (value: number) => number>([[keys.full("block_count"), (count) => count - gone]]);
	for (const key of loweredKeys(entry)) {
		// All count feed-forward parts from the start, except for the attention parts that share keys and values, which are the last ones.
		const lost = (count: number) => (key === SHARED_KV_KEY ? gone - below("attention", firstShared) : below("feedForward", count));
		numbers.set(keys.full(key), (count) => count - lost(count));
	}
	// A block without attention has a value there too: that of its own block.
	const standing = new Set(stack.map(originOf));
	const unused = { attention: removed.attention.filter((block) => !standing.has(block)), feedForward: removed.feedForward };
	const lists = new Map(renumberedKeys(entry).map((key) => [keys.full(key), keys.numbers(key)!]));

	return (one) => {
		if (one.type === "array") {
			const list = lists.get(one.key);
			if (list) return renumbered(one, list, (block) => below("attention", block));
			return arrays.has(one.key) ? withoutItems(one, unused[ownerOfKey(one.key)]) : one;
		}
		const change = numbers.get(one.key);
		const value = change && Number(keys.file.value(one.key));
		return change && value !== undefined && Number.isInteger(value) ? encodeEntry(one.key, one.type, change(value)) : one;
	};
}

function renumbered(entry: GgufEntry, blocks: readonly number[], below: (bound: number) => number): GgufEntry {
	if (entry.itemType === undefined || entry.itemType === "array") return entry;
	return encodeEntry(
		entry.key,
		"array",
		blocks.map((block) => block - below(block)),
		entry.itemType,
	);
}

/** An array without the items at these places (if it reaches them), the others byte for byte. */
export function withoutItems(entry: GgufEntry, places: readonly number[]): GgufEntry {
	const { itemType, raw } = entry;
	if (itemType === undefined || itemType === "array" || itemType === "string") return entry;
	const width = VALUE_BYTES[itemType];
	const count = (raw.length - VALUE_BYTES.array) / width;
	const gone = new Set(places);
	const left = Array.from({ length: count }, (_, i) => i).filter((i) => !gone.has(i));
	const bytes = new Uint8Array(VALUE_BYTES.array + left.length * width);
	bytes.set(raw.subarray(0, 4));
	new DataView(bytes.buffer).setBigUint64(4, BigInt(left.length), true);
	left.forEach((from, to) => {
		const start = VALUE_BYTES.array + from * width;
		bytes.set(raw.subarray(start, start + width), VALUE_BYTES.array + to * width);
	});
	return { ...entry, raw: bytes };
}
