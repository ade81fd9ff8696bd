import { type BlockPlan, type CountOptions, describeBlocks } from "../../model/architectures/index.js";
import { InvalidCandidateError, InvalidOptionError, UnsupportedArchitectureError } from "../../errors.js";
import { GgufFile } from "../../model/gguf/index.js";
import { beyondBlocks, formatBlocks, readBlocks } from "../../notation.js";
import { storedBytes, partSizes, weightOf } from "./model-sizes.js";
import { shownText } from "../../storage/shown-text.js";

// What a model's header says is checked before the model is loaded, let alone measured.

/** A model's header, and what its blocks allow. */
export interface Header {
	/** As it was given: of a split model any of its shards. */
	readonly path: string;
	readonly file: GgufFile;
	readonly blocks: BlockPlan;
}

/** What reading a header takes of the options. */
export interface ModelHeaderOptions {
	readonly signal?: AbortSignal | undefined;
	readonly allowUnknownArchitecture?: boolean | undefined;
}

/**
 * Reads a model's header.
 * @throws InvalidGgufError, FileError
 * @throws UnsupportedArchitectureError where no block of the model can be removed
 */
export async function readModelHeader(path: string, options: ModelHeaderOptions): Promise<Header> {
	return headerOf(path, await readFile(path, options), options);
}

/** What the blocks of a file that was read allow. @throws UnsupportedArchitectureError where no block of the model can be removed */
function headerOf(path: string, file: GgufFile, options: ModelHeaderOptions): Header {
	const blocks = describeBlocks(file, { allowUnknown: options.allowUnknownArchitecture ?? false });
	if (blocks.support === "refused") {
		throw new UnsupportedArchitectureError(`${path} (architecture ${shownText(blocks.architecture)}): ${blocks.reason}`);
	}
	return { path, file, blocks };
}

/** A file whose header is read when it is first asked for, and once. */
export class ReadOnce {
	readonly #path: string | undefined;
	readonly #options: ModelHeaderOptions;
	#file: Promise<GgufFile> | undefined;

	/** @param path undefined where there is no file: nothing is read then */
	constructor(path: string | undefined, options: ModelHeaderOptions) {
		this.#path = path;
		this.#options = options;
	}

	/** @throws InvalidGgufError, FileError */
	async file(): Promise<GgufFile | undefined> {
		if (this.#path === undefined) return undefined;
		this.#file ??= readFile(this.#path, this.#options);
		return this.#file;
	}

	/** @throws UnsupportedArchitectureError where no block of the model can be removed */
	async header(): Promise<Header | undefined> {
		const file = await this.file();
		return file && headerOf(this.#path!, file, this.#options);
	}
}

const readFile = (path: string, { signal }: ModelHeaderOptions) => GgufFile.read(path, signal ? { signal } : {});

/**
 * A set of blocks without repetitions, ascending.
 * @param given positions in any order, or text
 * @throws InvalidOptionError for what is no set of blocks, or an empty one
 * @throws InvalidCandidateError where they cannot be removed from this model
 */
export function checkedRemoval(path: string, blocks: BlockPlan, given: readonly number[] | string): number[] {
	const read = readBlocks(given);
	if ("problem" in read) throw new InvalidOptionError(`remove: ${read.problem}`);
	const removed = read.positions;
	if (removed.length === 0) throw new InvalidOptionError("nothing to remove: the list of blocks is empty");
	const beyond = beyondBlocks(removed, blocks.blocks);
	if (beyond !== undefined) throw new InvalidCandidateError(`${path}: ${beyond}`);
	const problem = blocks.check(removed);
	if (problem === undefined) return removed;
	const groups = blocks.units ? `; blocks go in groups: ${blocks.units.map(formatBlocks).join(", ")}` : "";
	throw new InvalidCandidateError(
		`blocks ${formatBlocks(removed)} cannot be removed from ${path}: ${problem} (at most ${blocks.maxRemovable} of ${blocks.blocks} blocks can go${groups})`,
	);
}

/**
 * Checks the number before anything is measured. @param options whether tied groups go as a whole
 * @throws InvalidOptionError where the model cannot lose that many blocks, with the nearest numbers that it can
 */
export function checkCount(blocks: BlockPlan, count: number, options: CountOptions = {}): void {
	const problem = blocks.countProblem(count, options);
	if (problem === undefined) return;
	const near = nearestCounts(blocks, count, options);
	const instead = near.length > 0 ? `; remove ${near.join(" or ")}` : "";
	throw new InvalidOptionError(`${count} of ${blocks.blocks} blocks cannot be removed: ${problem}${instead}`);
}

/** The number itself where the model can lose as many blocks, otherwise the next smaller one and the next larger one that it can lose. */
export function nearestCounts(blocks: BlockPlan, count: number, options: CountOptions = {}): number[] {
	const possible = (one: number) => blocks.countProblem(one, options) === undefined;
	if (possible(count)) return [count];
	const all = Array.from({ length: blocks.maxRemovable }, (_, i) => i + 1);
	const below = all.filter((one) => one < count).findLast(possible);
	const above = all.filter((one) => one > count).find(possible);
	return [below, above].filter((one) => one !== undefined);
}

/**
 * A file is kept only where its removals are proven: for most architectures they were, for others on the user's file.
 * @param removed the blocks that will go; undefined where any may
 * @throws UnsupportedArchitectureError where that proof cannot be made
 */
export function checkProvable(path: string, blocks: BlockPlan, removed?: readonly number[]): void {
	refuse(path, blocks.unwritable(removed ?? Array.from({ length: blocks.blocks }, (_, i) => i).filter((i) => !blocks.frozen.has(i))));
}

/**
 * The same where nothing is written yet: a set that is found by hours of measuring should be one that can be written.
 * @param removed the blocks that would go; undefined where any may
 * @returns what to warn of: the proof can be made for some blocks only
 * @throws UnsupportedArchitectureError where it can be made for none
 */
export function checkEverProvable(path: string, blocks: BlockPlan, removed?: readonly number[]): string | undefined {
	refuse(path, blocks.unwritable(removed));
	const not = removed
		? []
		: Array.from({ length: blocks.blocks }, (_, i) => i).filter((i) => !blocks.frozen.has(i) && blocks.unwritable([i]));
	return not.length === 0 ? undefined : `no file without block ${formatBlocks(not)} can be written: ${blocks.unwritable([not[0]!])}`;
}

function refuse(path: string, obstacle: string | undefined): void {
	if (obstacle !== undefined) throw new UnsupportedArchitectureError(`${path}: nothing can be written: ${obstacle}`);
}

/**
 * Bytes that must be free to write the model without blocks, or nearly the fewest where only their number is known: as its file has,
 * with the header of the original (some hundred bytes differ), or those of the zeroed original where that is needed for the proof (it is
 * deleted before).
 */
export function bytesToWrite({ file, blocks }: Header, removed: number | readonly number[]): number {
	if (blocks.proof !== "bits") return file.size;
	const parts = partSizes({ file, blocks }, storedBytes);
	const gone =
		typeof removed === "number"
			? Array.from({ length: blocks.blocks }, (_, block) => weightOf(parts, [block]))
					.sort((a, b) => b - a)
					.slice(0, removed)
					.reduce((total, size) => total + size, 0)
			: weightOf(parts, removed);
	return file.size - gone;
}
