// Sets of blocks in the form that the addon takes.
import { EvaluationError, InvalidMaskError } from "../../errors.js";
import type { BlockVersion } from "./addon.js";
import type { LoadedModel } from "./loaded-model.js";
import { shownText } from "../../storage/shown-text.js";
import { checkTensorValues } from "./tensor-values.js";

/**
 * A set of kept blocks: anything that gives one byte per block, 1 kept and 0 removed (a `Coalition`). 2 + i means that the block is kept in
 * the i-th of the versions given with the masks.
 */
export interface BlockMask {
	toBytes(): Uint8Array;
}

/** One byte per block, checked. @throws InvalidMaskError for a set that the model cannot run */
export function packMask(model: LoadedModel, mask: BlockMask): Uint8Array {
	const { blocks, architecture } = model.facts;
	const bytes = mask.toBytes();
	if (bytes.length !== blocks) throw new InvalidMaskError(`expected a mask of ${blocks} blocks for this model, got one of ${bytes.length}`);
	const removed = [...bytes.keys()].filter((block) => bytes[block] === 0);
	const problem = problemOf(model, removed);
	if (problem) throw new InvalidMaskError(`blocks ${removed.join(", ")} cannot be removed from ${shownText(architecture)}: ${problem}`);
	return bytes;
}

/** The empty set cannot be a file, but it has a value: the LM head alone, run through a block made the identity. */
function problemOf({ blocks, facts }: LoadedModel, removed: number[]): string | undefined {
	if (removed.length === 0) return undefined;
	if (removed.length < facts.blocks || blocks.support === "refused") return blocks.check(removed);
	return blocks.view.empty.length > 0 ? undefined : "no block can be made the identity";
}

/** @throws InvalidMaskError if a mask names a version that the block lacks, EvaluationError for a version of a tensor of another block */
export function checkVersions(masks: Uint8Array, { facts, file }: LoadedModel, versions: readonly BlockVersion[]): void {
	for (const { block, matrices } of versions) {
		for (const { name, type, bytes } of matrices) {
			const tensor = name.startsWith(`blk.${block}.`) ? file.tensor(name) : undefined;
			if (!tensor) throw new EvaluationError(`a version of block ${block} replaces the matrix ${name}, which that block lacks`);
			checkTensorValues(name, tensor.dims, { type, bytes });
		}
	}
	for (const [i, byte] of masks.entries()) {
		const block = i % facts.blocks;
		if (byte >= 2 && versions[byte - 2]?.block !== block)
			throw new InvalidMaskError(`a mask names version ${byte - 2} of block ${block}, which is not among the given versions`);
	}
}
