// How many blocks must go for a file of a given size.
import { removeBlocks } from "../../model/architectures/index.js";
import type { UnknownOptions } from "../../api/index.js";
import { InvalidOptionError } from "../../errors.js";
import { blockOfTensor, contentOf, type GgufFile, writtenSize } from "../../model/gguf/index.js";
import { healedTypes, mostAdded } from "./heal-disk.js";
import { withTypes } from "../../model/fitting/tensors.js";
import { type Header, nearestCounts } from "./model-header.js";
import { formatBytes } from "../../report/format.js";
import { predictedBytes } from "../../model/runtime/file-types.js";
import { packageVersion } from "../../model/runtime/paths.js";
import type { HealSettings, QuantizeSettings } from "../../api/options/settings.js";

/** Blocks to remove for a size, or attention parts for a share of the KV cache. */
export interface SizeRange {
	/** Numbers that may be the fewest, ascending: several where blocks differ in size. */
	readonly counts: readonly number[];
	/** Whether what is left without these is small enough. */
	readonly reaches: (removed: readonly number[]) => boolean;
}

/** @throws InvalidOptionError for what is no number of bytes */
export function checkTargetSize(targetSize: number | undefined): void {
	if (targetSize !== undefined && !(Number.isFinite(targetSize) && targetSize >= 1))
		throw new InvalidOptionError(`target-size must be a number of bytes of at least 1, got ${targetSize}`);
}

/**
 * Size of the file without blocks: every byte of it, or as predicted for llama.cpp's quantizer. A healed one has at most that size.
 * @param file whose weights are written
 */
function fileSizes(header: Header, file: GgufFile, options: SizeOptions) {
	const { quantize } = options;
	const allowed = { allowUnknown: options.allowUnknownArchitecture ?? false };
	const healed = healedTypes(header, options);
	// Any hash is as long as another.
	const origin = { version: packageVersion, sourceSha256: "0".repeat(64) };
	return (removed: readonly number[]): number => {
		const content = removed.length === 0 ? contentOf(file) : removeBlocks(file, removed, origin, allowed);
		return quantize === undefined ? writtenSize(withTypes(content, file, healed(removed))) : predictedBytes(file, quantize, content);
	};
}

type SizeOptions = QuantizeSettings & UnknownOptions & HealSettings;

/** Bytes by which a file may be larger or smaller than the sums of its blocks say: by its keys, and by types that depend on the other blocks. */
const slackOf = (whole: number, { quantize }: QuantizeSettings) => 4096 + (quantize === undefined ? 0 : Math.ceil(0.01 * whole));

/** A size in bytes, and what has it. */
export interface AskedSize {
	/** Whose weights are written: the model's, or the original's where one is quantized. */
	readonly file: GgufFile;
	readonly target: number;
	/** Whether tied groups go as a whole. */
	readonly tied: boolean;
}

/**
 * The numbers of blocks that may be the fewest for a size, by the sizes of the blocks.
 * @throws InvalidOptionError where the size is reached without removing a block, or cannot be reached, with how small the file can get
 */
export function countsForSize(header: Header, { file, target, tied }: AskedSize, options: SizeOptions): SizeRange {
	checkTargetSize(target);
	const { blocks } = header;
	const sizes = fileSizes(header, file, options);
	const healing = mostAdded({ file, blocks }, healedTypes(header, options));
	const as = options.quantize === undefined ? "" : ` as ${options.quantize}`;
	const whole = sizes([]);
	const slack = slackOf(whole, options);
	if (whole <= target) {
		const instead = options.quantize === undefined ? "nothing need be removed" : "quantizing alone is enough (llama-quantize)";
		throw new InvalidOptionError(`target-size ${formatBytes(target)}: the original model${as} has ${formatBytes(whole)}: ${instead}`);
	}
	const saved = savings(file, options, whole)
		.filter(({ block }) => block < blocks.blocks && !blocks.frozen.has(block))
		.map(({ bytes }) => bytes)
		.sort((a, b) => b - a);
	const most = Math.min(blocks.maxRemovable, saved.length);
	const bytesOf = (list: readonly number[], count: number) => whole - list.slice(0, count).reduce((sum, bytes) => sum + bytes, 0);
	const counts = Array.from({ length: most }, (_, i) => i + 1);
	const least = counts.find((count) => bytesOf(saved, count) - slack <= target);
	if (least === undefined) throw outOfReach({ target, smallest: bytesOf(saved, most), most, blocks: blocks.blocks, as });
	const smallestFirst = saved.toReversed();
	// Every block may be a cut of its own.
	const certain = counts.find((count) => bytesOf(smallestFirst, count) + count * healing + slack <= target) ?? most;
	const highest = nearestCounts(blocks, certain, { tied }).at(-1) ?? certain;
	const possible = counts.filter((count) => count >= least && count <= highest && blocks.countProblem(count, { tied }) === undefined);
	return { counts: possible.length > 0 ? possible : [highest], reaches: (removed) => sizes(removed) <= target };
}

/** What each block's going saves in the file. */
function savings(file: GgufFile, { quantize }: QuantizeSettings, whole: number): { block: number; bytes: number }[] {
	const content = contentOf(file);
	const all = [...new Set(content.tensors.map(({ name }) => blockOfTensor(name)))].filter((block) => block !== undefined);
	return all.map((block) => {
		const left = { ...content, tensors: content.tensors.filter(({ name }) => blockOfTensor(name) !== block) };
		return { block, bytes: whole - (quantize === undefined ? writtenSize(left) : predictedBytes(file, quantize, left)) };
	});
}

function outOfReach({
	target,
	smallest,
	most,
	blocks,
	as,
}: Readonly<Record<"target" | "smallest" | "most" | "blocks", number>> & { readonly as: string }): InvalidOptionError {
	return new InvalidOptionError(
		`target-size ${formatBytes(target)} is out of reach: without ${most} of its ${blocks} blocks, as many as can go, the file${as} still has about ${formatBytes(smallest)}. Give a larger size, or take a smaller type of weights (--quantize).`,
	);
}
