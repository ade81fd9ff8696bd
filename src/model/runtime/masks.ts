// Sets of blocks in the form that the addon takes.
import { EvaluationError, InvalidCandidateError } from "../../errors.js";
import { MASK } from "../../game/coalition.js";
import { originOf, removedPositions, type StackedBlock, stackWithout } from "../../game/parts.js";
import { amountsOf, formatBlocks } from "../../notation.js";
import type { BlockVersion } from "./addon.js";
import type { LoadedModel } from "./loaded-model.js";
import { shownText } from "../../storage/shown-text.js";
import { checkTensorValues } from "./tensor-values.js";

/** The byte that names the first of the versions given with the masks. */
const FIRST_VERSION = 2;

/**
 * A set of kept blocks: anything that gives one byte per block (a `Coalition`). 0 is removed, 1 kept. 2 + i means that the block is kept in
 * the i-th of the versions given with the masks, 0 to 251. Only the attention part of the block is kept with 254, only its feed-forward part
 * with 255. After a 254 the next one kept is a 255: the two parts then are one block. Any other 255 is a block without attention.
 */
export interface BlockMask {
	toBytes(): Uint8Array;
}

/** One byte per block, checked. @throws InvalidCandidateError for a set that the model cannot run */
export function packMask(model: LoadedModel, mask: BlockMask): Uint8Array {
	const { blocks, architecture } = model.facts;
	const bytes = mask.toBytes();
	if (bytes.length !== blocks)
		throw new InvalidCandidateError(`expected a mask of ${blocks} blocks for this model, got one of ${bytes.length}`);
	const removed = removedBy(bytes);
	const problem = problemOf(model, removed);
	if (problem)
		throw new InvalidCandidateError(`blocks ${formatBlocks(removed)} cannot be removed from ${shownText(architecture)}: ${problem}`);
	return bytes;
}

/**
 * What a mask removes, ascending: i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the
 * attention part of block i + 1.
 * @throws InvalidCandidateError if an attention part is kept without a feed-forward part that follows it
 */
export function removedBy(bytes: Uint8Array): number[] {
	const kept = Array.from(bytes, (byte) => [
		byte !== MASK.removed && byte !== MASK.feedForward,
		byte !== MASK.removed && byte !== MASK.attention,
	]);
	try {
		return removedPositions(kept.flat());
	} catch (error) {
		throw new InvalidCandidateError(`a mask cannot run: ${(error as RangeError).message}`, { cause: error });
	}
}

/** The blocks that a mask keeps, in order, from a depth on that lies in no merged block. */
export function stackFrom(bytes: Uint8Array, depth: number): StackedBlock[] {
	return stackWithout(bytes.length, removedBy(bytes)).filter((block) => originOf(block) >= depth);
}

/** Whether a depth lies between an attention part and the feed-forward part that is one block with it: no state can be kept there. */
export function isInsideMerged(bytes: Uint8Array, depth: number): boolean {
	let block = depth - 1;
	while (bytes[block] === MASK.removed) block--;
	return bytes[block] === MASK.attention;
}

/** The empty set cannot be a file, but it has a value: the LM head alone, run through a block made the identity. */
function problemOf({ blocks, facts }: LoadedModel, removed: number[]): string | undefined {
	if (removed.length === 0) return undefined;
	if (amountsOf(removed).blocks < facts.blocks || blocks.support === "refused") return blocks.check(removed);
	return blocks.view.empty.length > 0 ? undefined : "no block can be made the identity";
}

/** Versions of blocks in one call: as many as bytes that mean nothing else. */
const MOST_VERSIONS = MASK.attention - FIRST_VERSION;

/**
 * A mask names versions of blocks that it keeps as a whole; the parts of a merged block have none.
 * @throws InvalidCandidateError if a mask names a version that the block lacks
 * @throws EvaluationError for a version of a tensor of another block, or too many versions
 */
export function checkVersions(masks: Uint8Array, { facts, file }: LoadedModel, versions: readonly BlockVersion[]): void {
	if (versions.length > MOST_VERSIONS)
		throw new EvaluationError(`masks can name ${MOST_VERSIONS} versions of blocks, got ${versions.length}: measure them in several calls`);
	for (const { block, matrices } of versions) {
		for (const { name, type, bytes } of matrices) {
			const tensor = name.startsWith(`blk.${block}.`) ? file.tensor(name) : undefined;
			if (!tensor) throw new EvaluationError(`a version of block ${block} replaces the matrix ${name}, which that block lacks`);
			checkTensorValues(tensor, { type, bytes });
		}
	}
	for (const [i, byte] of masks.entries()) {
		const block = i % facts.blocks;
		const version = byte - FIRST_VERSION;
		if (version >= 0 && version < MOST_VERSIONS && versions[version]?.block !== block)
			throw new InvalidCandidateError(`a mask names version ${version} of block ${block}, which is not among the given versions`);
	}
}
