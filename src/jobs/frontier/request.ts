// What a frontier is asked for, checked against the model's header.
import { InvalidOptionError } from "../../errors.js";
import { blocksFor, type Goal } from "./choice.js";
import { sensibleLoss } from "../../pipeline/race/curve.js";
import { checkHealingOfFrontier } from "./healed.js";
import { blockOfTensor, contentOf } from "../../model/gguf/index.js";
import type { Header } from "../../pipeline/preflight/model-header.js";
import { warnTwice, checkFileType, type ModelWeights } from "../../pipeline/writing/quantize-weights.js";
import { formatBytes } from "../../report/format.js";
import { predictedBytes } from "../../model/runtime/file-types.js";
import type { FileType } from "../../model/runtime/quantize.js";
import { checkTargetSize } from "../../pipeline/preflight/target-size.js";
import { checkSpeedup } from "../../pipeline/speed/target.js";
import type { Settings } from "../../api/options/settings.js";
import type { JobOptions } from "../../api/index.js";

type FrontierSettings = Settings<"frontier"> & JobOptions;

/** Types that are tried where none is named: one a step of about a bit. */
const usualTypes: readonly FileType[] = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"];

export interface FrontierRequest {
	readonly types: readonly FileType[];
	/** Blocks to remove at most. */
	readonly kmax: number;
	readonly goal: Goal;
}

/**
 * @param whole whose weights are quantized
 * @throws InvalidOptionError for what the model cannot do, or what no cell could meet
 */
export function frontierRequest(header: Header, whole: Pick<ModelWeights, "file">, options: FrontierSettings): FrontierRequest {
	checkHealingOfFrontier(options);
	if (options.granularity === "attention")
		throw new InvalidOptionError(
			"a frontier counts blocks: attention parts alone are searched by prune-gguf MODEL OUTPUT --remove-attention N; leave out granularity attention",
		);
	const goal = goalOf(options);
	const kmax = kmaxOf(header, options);
	const types = typesOf(whole, options);
	if (types.length > 0) warnTwice({ path: whole.file.paths[0]!, file: whole.file }, options);
	const smallest = smallestOf(header, whole, types, kmax);
	if (goal.targetSize !== undefined && smallest > 1.05 * goal.targetSize) {
		throw new InvalidOptionError(
			`target-size ${formatBytes(goal.targetSize)} is out of reach: ${kmax} blocks less and the smallest type make about ${formatBytes(smallest)}. Allow more blocks (--max-blocks), name a smaller type (--types), or give a larger size.`,
		);
	}
	return { types, kmax, goal };
}

function goalOf(options: FrontierSettings): Goal {
	const { targetSize, targetCompute, targetSpeedup, speedupOf = "generation" } = options;
	checkTargetSize(targetSize);
	checkSpeedup(options);
	if (targetCompute !== undefined && !(Number.isFinite(targetCompute) && targetCompute > 1))
		throw new InvalidOptionError(`target-compute must be above 1, got ${targetCompute}`);
	const targets = {
		...(targetSize === undefined ? {} : { targetSize }),
		...(targetCompute === undefined ? {} : { targetCompute }),
		...(targetSpeedup === undefined ? {} : { targetSpeedup, speedupOf }),
	};
	return Object.keys(targets).length > 0 ? targets : { maxAdded: sensibleLoss };
}

function kmaxOf({ blocks }: Header, { maxBlocks, targetCompute }: FrontierSettings): number {
	if (maxBlocks !== undefined && (!Number.isInteger(maxBlocks) || maxBlocks < 1))
		throw new InvalidOptionError(`max-blocks must be a whole number of at least 1, got ${maxBlocks}`);
	if (maxBlocks !== undefined && maxBlocks > blocks.maxRemovable)
		throw new InvalidOptionError(`max-blocks: at most ${blocks.maxRemovable} of ${blocks.blocks} blocks can go, got ${maxBlocks}`);
	const needed = targetCompute === undefined ? 1 : blocksFor(blocks.blocks, targetCompute);
	const most = maxBlocks ?? blocks.maxRemovable;
	if (needed > most) {
		const bound = maxBlocks === undefined ? `at most ${most} of ${blocks.blocks} can go` : `max-blocks allows ${most}`;
		throw new InvalidOptionError(`target-compute ${targetCompute} needs ${needed} blocks removed, and ${bound}`);
	}
	return maxBlocks ?? Math.max(needed, Math.min(blocks.maxRemovable, Math.max(1, Math.floor(blocks.blocks / 3))));
}

function typesOf({ file }: Pick<ModelWeights, "file">, { types, targetSpeedup }: FrontierSettings): readonly FileType[] {
	if (types === undefined) {
		const sizes = usualTypes.map((type) => predictedBytes(file, type));
		// A larger type may be the faster one.
		const sensible = (size: number) => targetSpeedup !== undefined || size < file.size;
		// Where rows are no whole blocks of 256 two types may become the same one.
		return usualTypes.filter((_, i) => sensible(sizes[i]!) && sizes.indexOf(sizes[i]!) === i);
	}
	types.forEach((type, i) => {
		checkFileType(type);
		if (types.indexOf(type) !== i) throw new InvalidOptionError(`the type ${type} is named twice`);
	});
	return types;
}

/** Bytes of the smallest cell, nearly: without the largest blocks, in the smallest type. */
function smallestOf({ file, blocks }: Header, whole: Pick<ModelWeights, "file">, types: readonly FileType[], kmax: number): number {
	const sizes = new Map<number, number>();
	for (const { name, source } of file.tensors) {
		const block = blockOfTensor(name);
		if (block !== undefined) sizes.set(block, (sizes.get(block) ?? 0) + source.size);
	}
	const free = [...sizes].filter(([block]) => block < blocks.blocks && !blocks.frozen.has(block));
	const gone = new Set<number | undefined>(
		free
			.sort(([, a], [, b]) => b - a)
			.slice(0, kmax)
			.map(([block]) => block),
	);
	const stays = ({ name }: { readonly name: string }) => !gone.has(blockOfTensor(name));
	const left = (of: ModelWeights["file"]) => {
		const content = contentOf(of);
		return { ...content, tensors: content.tensors.filter(stays) };
	};
	const own = left(file).tensors.reduce((sum, { source }) => sum + (source instanceof Uint8Array ? source.length : source.size), 0);
	return Math.min(own, ...types.map((type) => predictedBytes(whole.file, type, left(whole.file))));
}
