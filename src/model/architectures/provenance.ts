import { isWhole } from "../../game/parts.js";
import { formatBlocks, parseWritten } from "../../notation.js";
import type { GgufFile } from "../gguf/file.js";
import type { GgufEntry } from "../gguf/types.js";
import { encodeEntry } from "../gguf/value.js";
import { OWN_KEYS } from "./keys.js";
import type { Provenance } from "./types.js";

const HISTORY = `${OWN_KEYS}history`;

/**
 * Where a file comes from. Keys: `prune_gguf.version`, `.source_sha256`, `.removed` (text such as `3, 6-9a, 12f-15a`, with the numbers of the
 * source file) and `.source_block_count`. If only whole blocks were removed, `.removed_blocks` lists them too, for older readers. A source
 * that was pruned before also has `.history`: one line of JSON for each earlier time, oldest first.
 */
export function provenanceEntries(
	file: GgufFile,
	removed: readonly number[],
	sourceBlocks: number,
	{ version, sourceSha256 }: Provenance,
): GgufEntry[] {
	const history = historyOf(file);
	return [
		encodeEntry(`${OWN_KEYS}version`, "string", version),
		...(sourceSha256 === undefined ? [] : [encodeEntry(`${OWN_KEYS}source_sha256`, "string", sourceSha256)]),
		encodeEntry(`${OWN_KEYS}removed`, "string", formatBlocks(removed)),
		...(isWhole(removed) ? [encodeEntry(`${OWN_KEYS}removed_blocks`, "array", [...removed], "uint32")] : []),
		encodeEntry(`${OWN_KEYS}source_block_count`, "uint32", sourceBlocks),
		...(history.length > 0 ? [encodeEntry(HISTORY, "array", history, "string")] : []),
	];
}

/**
 * What was removed from the source of a file, as numbered there, ascending: i for block i, i + 0.25 for its attention part alone, i + 0.5 for
 * the feed-forward part of block i and the attention part of block i + 1. Undefined if the file does not say, or is not readable so.
 */
export function removedFrom(file: GgufFile): number[] | undefined {
	return removedInRecord({ removed: file.value(`${OWN_KEYS}removed`), removed_blocks: file.value(`${OWN_KEYS}removed_blocks`) });
}

/** The same of one record of a file's history, whose keys lack `prune_gguf.`. */
export function removedInRecord({ removed, removed_blocks: blocks }: Readonly<Record<string, unknown>>): number[] | undefined {
	if (typeof removed === "string") {
		const parsed = parseWritten(removed);
		return "positions" in parsed ? parsed.positions : undefined;
	}
	return Array.isArray(blocks) ? blocks.map(Number) : undefined;
}

function historyOf(file: GgufFile): string[] {
	const own = file.entries.filter((entry) => entry.key.startsWith(OWN_KEYS) && entry.key !== HISTORY);
	const earlier = file.value(HISTORY);
	const lines = Array.isArray(earlier) ? earlier.map(String) : [];
	if (own.length === 0) return lines;
	const last = own.map((entry) => [entry.key.slice(OWN_KEYS.length), file.value(entry.key)]);
	return [...lines, JSON.stringify(Object.fromEntries(last), (_, value) => (typeof value === "bigint" ? String(value) : value))];
}
