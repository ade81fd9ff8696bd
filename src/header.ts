import { type BlockPlan, describeBlocks } from "./architectures/index.js";
import { InvalidOptionError, UnsupportedArchitectureError } from "./errors.js";
import { GgufFile } from "./gguf/index.js";

// What a model's header says is checked before the model is loaded, let alone measured.

/** A model's header, and what its blocks allow. */
export interface Header {
	readonly file: GgufFile;
	readonly blocks: BlockPlan;
}

export interface HeaderOptions {
	readonly signal?: AbortSignal | undefined;
	readonly allowUnknownArchitecture?: boolean | undefined;
}

/**
 * Reads a model's header.
 * @throws InvalidGgufError, FileError
 * @throws UnsupportedArchitectureError where no block of the model can be removed
 */
export async function readHeader(path: string, options: HeaderOptions): Promise<Header> {
	const file = await GgufFile.read(path, options.signal ? { signal: options.signal } : {});
	const blocks = describeBlocks(file, { allowUnknown: options.allowUnknownArchitecture ?? false });
	if (blocks.support === "refused") {
		throw new UnsupportedArchitectureError(`${path} (architecture ${blocks.architecture}): ${blocks.reason}`);
	}
	return { file, blocks };
}

/** A list of blocks without repetitions, ascending. @throws InvalidOptionError where they cannot be removed from this model */
export function checkedRemoval(path: string, blocks: BlockPlan, list: readonly number[]): number[] {
	const removed = [...new Set(list)].sort((a, b) => a - b);
	if (removed.length === 0) throw new InvalidOptionError("nothing to remove: the list of blocks is empty");
	const problem = blocks.check(removed);
	if (problem === undefined) return removed;
	throw new InvalidOptionError(
		`blocks ${removed.join(", ")} cannot be removed from ${path}: ${problem} (at most ${blocks.maxRemovable} of ${blocks.blocks} blocks can go)`,
	);
}

/** @throws InvalidOptionError where the model cannot lose that many blocks */
export function checkCount(blocks: BlockPlan, count: number): void {
	if (count <= blocks.maxRemovable) return;
	const frozen = [...blocks.frozen.keys()];
	const why = frozen.length > 0 ? ` (blocks ${frozen.join(", ")} must stay)` : "";
	throw new InvalidOptionError(
		`${count} blocks cannot be removed: the model has ${blocks.blocks}, and at most ${blocks.maxRemovable} of them can go${why}`,
	);
}

/**
 * A file is kept only where its removals are proven: for most architectures they were, for others on the user's file.
 * @param removed the blocks that will go; undefined where any may
 * @throws UnsupportedArchitectureError where that proof cannot be made
 */
export function checkProvable(path: string, blocks: BlockPlan, removed?: readonly number[]): void {
	if (blocks.proof === "bits") return;
	const candidates = removed ?? Array.from({ length: blocks.blocks }, (_, block) => block).filter((block) => !blocks.frozen.has(block));
	const problem = blocks.oracleProblem(candidates);
	if (problem === undefined) return;
	throw new UnsupportedArchitectureError(
		`${path}: nothing can be written: ${proofText(blocks)}, so a file is kept only if it computes what the original computes with the ` +
			`removed blocks' output tensors set to zero, and here that cannot be compared: ${problem}`,
	);
}

/**
 * Bytes that must be free to write the model without blocks, or at least so many where only their number is known: its tensors, or
 * those of the zeroed original where that is needed for the proof (it is deleted before).
 */
export function bytesToWrite({ file, blocks }: Header, removed: number | readonly number[]): number {
	if (blocks.proof !== "bits") return file.size;
	const sizes = new Array<number>(blocks.blocks).fill(0);
	for (const { name, source } of file.tensors) {
		const block = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? Number.NaN);
		if (block < sizes.length) sizes[block] = sizes[block]! + source.size;
	}
	const sum = (list: readonly number[]) => list.reduce((total, size) => total + size, 0);
	const gone = typeof removed === "number" ? sizes.sort((a, b) => b - a).slice(0, removed) : removed.map((block) => sizes[block]!);
	return sum(file.tensors.map(({ source }) => source.size)) - sum(gone);
}

/** What is known of removals from this architecture, for people. */
export function proofText({ architecture, proof }: BlockPlan): string {
	if (proof === "unknown") return `prune-gguf does not know the architecture ${architecture}`;
	if (proof === "source") return `the rule for the architecture ${architecture} was read from the source of llama.cpp and never run`;
	return `removals from the architecture ${architecture} were compared bit for bit`;
}
