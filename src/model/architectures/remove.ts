import { InvalidMaskError, UnsupportedArchitectureError } from "../../errors.js";
import { contentOf, type GgufFile } from "../gguf/file.js";
import type { GgufContent, GgufContentTensor } from "../gguf/types.js";
import { describeBlocks } from "./describe.js";
import { prunedEntries } from "./entries.js";
import { blockFacts } from "./facts.js";
import { ModelKeys } from "./keys.js";
import { unknownEntry } from "./outputs.js";
import { ARCHITECTURES } from "./table.js";
import type { ArchitectureOptions, Provenance } from "./types.js";
import { shownText } from "../../storage/shown-text.js";

/**
 * The model without these blocks, ready to write: blocks are renumbered, counts and per-block values rewritten, patterns that
 * llama.cpp would derive from the index written out, and provenance added. Everything else stays byte for byte and in order.
 * @param removed blocks as in `blk.N`, from 0, in any order
 * @throws UnsupportedArchitectureError if no block of this model can be removed exactly
 * @throws InvalidMaskError if this set cannot be removed exactly
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
		throw new InvalidMaskError(
			`cannot remove blocks ${set.join(", ")} from ${file.paths[0]} (architecture ${shownText(plan.architecture)}): ${fault}`,
		);
	return removeBlocksUnchecked(file, set, provenance);
}

/**
 * The same for any set, whatever model results: it shows what a rule prevents.
 * @param set ascending
 * @internal
 */
export function removeBlocksUnchecked(file: GgufFile, set: readonly number[], provenance: Provenance): GgufContent {
	const keys = new ModelKeys(file);
	const entry = ARCHITECTURES.get(keys.architecture) ?? unknownEntry(keys.architecture);
	const content = contentOf(file);
	return {
		...content,
		entries: prunedEntries({ keys, entry, facts: blockFacts(keys, entry) }, content.entries, set, provenance),
		tensors: renumbered(content.tensors, set, entry.prefix ?? "blk."),
	};
}

/** Drops the tensors of removed blocks and closes the gaps in the numbers of the others. */
function renumbered(tensors: readonly GgufContentTensor[], removed: readonly number[], prefix: string): GgufContentTensor[] {
	const gone = new Set(removed);
	return tensors.flatMap((tensor) => {
		if (!tensor.name.startsWith(prefix)) return [tensor];
		const number = /^\d+(?=\.)/.exec(tensor.name.slice(prefix.length))?.[0];
		if (number === undefined) return [tensor];
		const block = Number(number);
		if (gone.has(block)) return [];
		const below = removed.filter((other) => other < block).length;
		return [{ ...tensor, name: `${prefix}${block - below}${tensor.name.slice(prefix.length + number.length)}` }];
	});
}
