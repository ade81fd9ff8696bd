// What a frontier is asked for, checked against the model's header.
import { logger } from "../../api/logger.js";
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
import type { FrontierResult, JobOptions } from "../../api/index.js";
import { removableAttentions, usualAttentions } from "../../pipeline/preflight/method-options.js";
import { attentionSizeText, promptAtContext } from "../../pipeline/pruning/attention-amount.js";
import { canTimeParts } from "../../pipeline/speed/at-context.js";

type FrontierSettings = Settings<"frontier"> & JobOptions;

/** Types that are tried where none is named: one a step of about a bit. */
const usualTypes: readonly FileType[] = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"];

export interface FrontierRequest {
	readonly types: readonly FileType[];
	/** Blocks, or attention parts, to remove at most, and how many can go. */
	readonly kmax: number;
	readonly most: number;
	readonly goal: Goal;
	readonly axis: FrontierResult["computeAxis"];
}

/**
 * @param whole whose weights are quantized
 * @throws InvalidOptionError for what the model cannot do, or what no cell could meet
 */
export function frontierRequest(header: Header, whole: Pick<ModelWeights, "file">, options: FrontierSettings): FrontierRequest {
	checkHealingOfFrontier(options);
	const axis = axisOf(header, options);
	const goal = goalOf(axis, options);
	if (goal.targetSize !== undefined && options.granularity === "attention") logger(options)("note", attentionSizeText(header));
	const kmax = kmaxOf(header, options);
	const types = typesOf(whole, options);
	if (types.length > 0) warnTwice({ path: whole.file.paths[0]!, file: whole.file }, options);
	const smallest = smallestOf(header, whole, { types, kmax }, options);
	if (goal.targetSize !== undefined && smallest > 1.05 * goal.targetSize) {
		const parts = namedParts(options);
		throw new InvalidOptionError(
			`target-size ${formatBytes(goal.targetSize)} is out of reach: ${kmax} ${parts} less and the smallest type make about ${formatBytes(smallest)}. Allow more ${parts} (--max-blocks), name a smaller type (--types), or give a larger size.`,
		);
	}
	return { types, kmax, most: mostOf(header, options), goal, axis };
}

type Parts = Pick<FrontierSettings, "granularity">;

/** What is removed, for people. */
export const namedParts = ({ granularity }: Parts): "attention parts" | "blocks" =>
	granularity === "attention" ? "attention parts" : "blocks";

/** How many can go at most. */
const mostOf = ({ blocks }: Header, { granularity }: Parts): number =>
	granularity === "attention" ? removableAttentions(blocks).length : blocks.maxRemovable;

/** What stands for compute. */
function axisOf(header: Header, { granularity, targetSpeedup, speedupOf = "generation" }: FrontierSettings): FrontierRequest["axis"] {
	if (granularity === "attention") return canTimeParts(header) || targetSpeedup !== undefined ? "time" : "kvCache";
	return targetSpeedup === undefined ? "blocks" : speedupOf;
}

function goalOf(axis: FrontierRequest["axis"], options: FrontierSettings): Goal {
	const { targetSize, targetCompute, targetSpeedup, speedupOf = "generation" } = options;
	checkTargetSize(targetSize);
	checkSpeedup(options);
	if (options.granularity === "attention") checkAttentionTargets(options);
	if (targetCompute !== undefined && !(Number.isFinite(targetCompute) && targetCompute > 1))
		throw new InvalidOptionError(`target-compute must be above 1, got ${targetCompute}`);
	const targets = {
		...(targetSize === undefined ? {} : { targetSize }),
		...(targetCompute === undefined ? {} : { targetCompute }),
		...(targetSpeedup === undefined ? {} : { targetSpeedup, speedupOf }),
	};
	if (Object.keys(targets).length > 0) return targets;
	return { maxAdded: sensibleLoss, ...(axis === "time" || axis === "kvCache" ? { least: axis } : {}) };
}

/** @throws InvalidOptionError for what counts blocks, and for a speed that is measured with them */
function checkAttentionTargets({ targetCompute, speedupOf }: FrontierSettings): void {
	if (targetCompute !== undefined)
		throw new InvalidOptionError(
			"target-compute counts blocks, which --granularity attention does not remove: give --target-speedup, which counts time at the context",
		);
	if (speedupOf === "prompt") throw new InvalidOptionError(promptAtContext);
}

function kmaxOf(header: Header, options: FrontierSettings): number {
	const { blocks } = header;
	const { maxBlocks, targetCompute } = options;
	const largest = mostOf(header, options);
	if (maxBlocks !== undefined && (!Number.isInteger(maxBlocks) || maxBlocks < 1))
		throw new InvalidOptionError(`max-blocks must be a whole number of at least 1, got ${maxBlocks}`);
	if (maxBlocks !== undefined && maxBlocks > largest)
		throw new InvalidOptionError(`max-blocks: at most ${largest} of ${blocks.blocks} ${namedParts(options)} can go, got ${maxBlocks}`);
	if (options.granularity === "attention") return maxBlocks ?? usualAttentions(blocks);
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

/** Bytes of the smallest cell, nearly: without the largest blocks or attention parts, in the smallest type. */
function smallestOf(
	{ file, blocks }: Header,
	whole: Pick<ModelWeights, "file">,
	{ types, kmax }: Pick<FrontierRequest, "types" | "kmax">,
	{ granularity }: Parts,
): number {
	const alone = granularity === "attention";
	const stay = new Set(alone ? Array.from({ length: blocks.blocks }, (_, block) => blocks.view.feedForward(block)).flat() : []);
	const partOf = (name: string) => (stay.has(name) ? undefined : blockOfTensor(name));
	const canGo = (block: number) => (alone ? blocks.check([block + 0.25]) === undefined : !blocks.frozen.has(block));
	const sizes = new Map<number, number>();
	for (const { name, source } of file.tensors) {
		const block = partOf(name);
		if (block !== undefined) sizes.set(block, (sizes.get(block) ?? 0) + source.size);
	}
	const free = [...sizes].filter(([block]) => block < blocks.blocks && canGo(block));
	const gone = new Set<number | undefined>(
		free
			.sort(([, a], [, b]) => b - a)
			.slice(0, kmax)
			.map(([block]) => block),
	);
	const stays = ({ name }: { readonly name: string }) => !gone.has(partOf(name));
	const left = (of: ModelWeights["file"]) => {
		const content = contentOf(of);
		return { ...content, tensors: content.tensors.filter(stays) };
	};
	const own = left(file).tensors.reduce((sum, { source }) => sum + (source instanceof Uint8Array ? source.length : source.size), 0);
	return Math.min(own, ...types.map((type) => predictedBytes(whole.file, type, left(whole.file))));
}
