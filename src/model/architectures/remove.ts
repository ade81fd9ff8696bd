import { InvalidCandidateError, UnsupportedArchitectureError } from "../../errors.js";
import { isPosition, keptParts, removedPositions } from "../../game/parts.js";
import { formatBlocks } from "../../notation.js";
import { contentOf, type GgufFile } from "../gguf/file.js";
import type { GgufContent, GgufContentTensor } from "../gguf/types.js";
import { describeBlocks } from "./describe.js";
import { prunedEntries } from "./entries.js";
import { blockFacts } from "./facts.js";
import { ModelKeys } from "./keys.js";
import { unknownEntry } from "./outputs.js";
import { ownerOfTensor, type Places, placesWithout } from "./owners.js";
import { ARCHITECTURES } from "./table.js";
import type { ArchitectureEntry, ArchitectureOptions, Provenance } from "./types.js";
import { shownText } from "../../storage/shown-text.js";

/**
 * The model without these blocks, ready to write: blocks are renumbered, counts and per-block values rewritten, patterns that
 * llama.cpp would derive from the index written out, and provenance added. Everything else stays byte for byte and in order.
 * @param removed blocks as in `blk.N`, from 0, in any order; i + 0.25 is the attention part of block i alone, and the architecture of the
 * result is then `deci`; i + 0.5 is the feed-forward part of block i with the attention part of block i + 1. What is left of two blocks
 * then becomes one
 * @throws UnsupportedArchitectureError if no block of this model can be removed exactly
 * @throws InvalidCandidateError if this set cannot be removed exactly
 */
export function removeBlocks(
	file: GgufFile,
	removed: readonly number[],
	provenance: Provenance,
	options: ArchitectureOptions = {},
): GgufContent {
	const plan = describeBlocks(file, options);
	if (plan.support === "refused") {
		throw new UnsupportedArchitectureError(
			`cannot remove blocks from ${file.paths[0]} (architecture ${shownText(plan.architecture)}): ${plan.reason}`,
		);
	}
	const set = [...removed].sort((a, b) => a - b);
	const fault = plan.check(set);
	if (fault)
		throw new InvalidCandidateError(
			`cannot remove blocks ${plainly(set)} from ${file.paths[0]} (architecture ${shownText(plan.architecture)}): ${fault}`,
		);
	return removeBlocksUnchecked(file, set, provenance);
}

/**
 * The same for any set, whatever model results: it shows what a rule prevents.
 * @param removed in any order; the file says it as a plan does, with 3a, 3f-4a as 3, 4a
 * @internal
 */
export function removeBlocksUnchecked(file: GgufFile, removed: readonly number[], provenance: Provenance): GgufContent {
	const keys = new ModelKeys(file);
	const entry = ARCHITECTURES.get(keys.architecture) ?? unknownEntry(keys.architecture);
	const content = contentOf(file);
	const facts = blockFacts(keys, entry);
	const set = removedPositions(keptParts(facts.trunk + facts.tail, removed));
	return {
		...content,
		entries: prunedEntries({ keys, entry, facts }, content.entries, set, provenance),
		tensors: renumbered(content.tensors, placesWithout(facts.trunk + facts.tail, set), entry),
	};
}

/** The set in its notation; as numbers if they are no positions. */
function plainly(set: readonly number[]): string {
	return set.every(isPosition) ? formatBlocks(set) : set.join(", ");
}

/** Drops the tensors of removed parts and closes the gaps in the numbers of the others. */
function renumbered(tensors: readonly GgufContentTensor[], places: Places, entry: ArchitectureEntry): GgufContentTensor[] {
	const prefix = entry.prefix ?? "blk.";
	return tensors.flatMap((tensor) => {
		if (!tensor.name.startsWith(prefix)) return [tensor];
		const [, number, rest] = /^(\d+)\.(.*)$/s.exec(tensor.name.slice(prefix.length)) ?? [];
		if (number === undefined || rest === undefined) return [tensor];
		const owner = ownerOfTensor(entry, rest);
		const place = places.of(owner, Number(number));
		return place === undefined ? [] : [{ ...tensor, name: `${prefix}${place}.${rest}` }];
	});
}
