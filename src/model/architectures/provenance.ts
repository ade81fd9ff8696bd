import type { GgufFile } from "../gguf/file.js";
import type { GgufEntry } from "../gguf/types.js";
import { encodeEntry } from "../gguf/value.js";
import { OWN_KEYS } from "./keys.js";
import type { Provenance } from "./types.js";

const HISTORY = `${OWN_KEYS}history`;

/**
 * Where a file comes from. Keys: `prune_gguf.version`, `.source_sha256`, `.removed_blocks` (numbers in the source file) and
 * `.source_block_count`. A source that was pruned before also has `.history`: one line of JSON for each earlier time, oldest first.
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
		encodeEntry(`${OWN_KEYS}removed_blocks`, "array", [...removed], "uint32"),
		encodeEntry(`${OWN_KEYS}source_block_count`, "uint32", sourceBlocks),
		...(history.length > 0 ? [encodeEntry(HISTORY, "array", history, "string")] : []),
	];
}

function historyOf(file: GgufFile): string[] {
	const own = file.entries.filter((entry) => entry.key.startsWith(OWN_KEYS) && entry.key !== HISTORY);
	const earlier = file.value(HISTORY);
	const lines = Array.isArray(earlier) ? earlier.map(String) : [];
	if (own.length === 0) return lines;
	const last = own.map((entry) => [entry.key.slice(OWN_KEYS.length), file.value(entry.key)]);
	return [...lines, JSON.stringify(Object.fromEntries(last), (_, value) => (typeof value === "bigint" ? String(value) : value))];
}
