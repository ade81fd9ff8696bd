import { freemem, totalmem } from "node:os";
import { checkCounts } from "../architectures/sound.js";
import { ARCHITECTURES } from "../architectures/table.js";
import { NotEnoughMemoryError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { giveUpContexts } from "./load-addon.js";
import { bytesOfReference } from "./positions.js";
import { defaultUbatch, vocabularyOf } from "./ubatch.js";

/** The parts of a later measurement that take memory. */
export interface MemoryShape {
	/** Tokens that run through a block at once. @default the evaluator's: 512, less for large vocabularies */
	ubatch?: number | undefined;
	/** Windows in the largest split, and tokens in a window. @default one window of a ubatch */
	windows?: number | undefined;
	windowLength?: number | undefined;
	/** Windows in one decode, and the first scored position, as the evaluator receives them. @default 0 */
	batchWindows?: number | undefined;
	scoreFrom?: number | undefined;
	/** Memory for hidden states kept between masks, bytes. @default 0: one mask at a time */
	stateBytes?: number | undefined;
	/** Positions whose distributions are kept as a reference for masks. @default 0 */
	referencePositions?: number | undefined;
}

/** Bytes that loading and measuring takes, by their use. */
export interface MemoryNeed {
	/** All tensors: mapped from the file, but read repeatedly. */
	tensors: number;
	/** Keys and values (or recurrent states) of the windows that run together. */
	context: number;
	/** Hidden states that later sets of blocks resume from. */
	states: number;
	/** Logits of one ubatch in the graph, and the copied ones of one decode: as many again, or the scored rows of `batchWindows`. */
	logits: number;
	/** Distributions of the original model that masks are compared with. */
	references: number;
	/** Other values of the graph, and the program. */
	rest: number;
	total: number;
}

/**
 * Bytes this process may still use: what is free in the system, within a container's limit. The memory that an idle model keeps for its
 * next measurement is freed first.
 */
export function availableMemory(): number {
	giveUpContexts();
	const limit = process.constrainedMemory();
	// macOS counts only completely unused memory as free; it releases most of the rest when needed.
	const free = process.platform === "darwin" ? Math.max(freemem(), 0.75 * totalmem()) : freemem();
	return limit > 0 && limit < Number.MAX_SAFE_INTEGER ? Math.min(free, limit - process.memoryUsage.rss()) : free;
}

/**
 * Memory that loading a model and measuring it in this shape takes, bytes.
 * @throws InvalidGgufError if the file states counts that it cannot hold
 */
export function neededMemory(file: GgufFile, shape: MemoryShape = {}): MemoryNeed {
	checkCounts(file);
	const number = numberIn(file);
	const width = number("embedding_length");
	const vocabulary = vocabularyOf(file);
	const { windows, length, ubatch, together } = batchOf(file, shape);
	// A window that is decoded alone goes ubatch by ubatch; with several, llama.cpp's output buffer holds all rows until the last ubatch ran.
	const outputs = shape.batchWindows && together > 1 ? together * (length - (shape.scoreFrom ?? 0)) : ubatch;
	const blocks = number("block_count");
	const need = {
		tensors: file.tensors.reduce((sum, tensor) => sum + tensor.source.size, 0),
		context: sumOf(blocks, blockContext(file, shape)),
		states: Math.min(shape.stateBytes ?? 0, blocks * windows * length * width * FLOAT),
		logits: (ubatch + outputs) * vocabulary * FLOAT,
		references: bytesOfReference(shape.referencePositions ?? 0, vocabulary),
		rest: 64 * 2 ** 20 + 8 * ubatch * width * FLOAT,
	};
	return { ...need, total: Object.values(need).reduce((sum, bytes) => sum + bytes, 0) };
}

/** What runs together: tokens in a ubatch, windows in a decode. */
function batchOf(file: GgufFile, shape: MemoryShape) {
	const windows = shape.windows ?? 1;
	const most = shape.ubatch ?? defaultUbatch(Math.max(1, vocabularyOf(file)));
	const length = shape.windowLength ?? most;
	// No decode holds more tokens than there are.
	const ubatch = Math.min(most, windows * length);
	const together = Math.max(1, Math.min(windows, shape.batchWindows || Math.floor(ubatch / length)));
	return { windows, length, ubatch, together };
}

/** Bytes that the windows which run together keep in each block: keys and values, or recurrent states. */
export function blockContext(file: GgufFile, shape: MemoryShape = {}): (block: number) => number {
	checkCounts(file);
	const { length, together } = batchOf(file, shape);
	const width = keyValueWidth(file);
	const recurrent = recurrentWidth(file);
	return (block) => together * (cells(length) * width(block) * HALF + recurrent * FLOAT);
}

/** Bytes that the graph of a ubatch computes in beside the logits: several rows of the widest matrices, and the scores of one block's attention. */
export function graphBytes(file: GgufFile, shape: MemoryShape = {}): number {
	checkCounts(file);
	const { length, ubatch } = batchOf(file, shape);
	const perBlock = (key: string) => file.perBlock(`${file.architecture}.${key}`)(0) || 0;
	const wide = perBlock("feed_forward_length") + perBlock("embedding_length");
	return ubatch * FLOAT * (4 * wide + 2 * perBlock("attention.head_count") * cells(length));
}

const sumOf = (count: number, of: (i: number) => number): number => {
	let sum = 0;
	for (let i = 0; i < count; i++) sum += of(i);
	return sum;
};

const numberIn = (file: GgufFile) => (key: string) => Number(file.value(`${file.architecture}.${key}`) ?? 0) || 0;

const FLOAT = 4;
const HALF = 2;
/** llama.cpp rounds the cells of a sequence up to 256. */
const cells = (length: number) => 256 * Math.ceil(length / 256);

/**
 * Numbers that a token leaves in a block: its keys and values. Without flash attention, which llama.cpp decides on only when it loads the
 * model, the values of every block take as much as those of the largest (llama-kv-cache.cpp:210); a recurrent block has none.
 */
function keyValueWidth(file: GgufFile): (block: number) => number {
	const { keys, values } = keyValueNumbers(file);
	const recurrent = ARCHITECTURES.get(file.architecture)?.recurrent !== undefined;
	const most = values.reduce((largest, count) => Math.max(largest, count), 0);
	return (block) => (keys[block] ?? 0) + (recurrent && !keys[block] ? 0 : most);
}

/** Numbers that a token leaves in each block: its keys and its values, if all blocks with attention keep full ones. */
export function keyValueNumbers(file: GgufFile): { readonly keys: number[]; readonly values: number[] } {
	const perBlock = (key: string) => file.perBlock(`${file.architecture}.${key}`);
	const heads = perBlock("attention.head_count");
	const stated = file.entry(`${file.architecture}.attention.head_count_kv`) !== undefined;
	const kvHeads = stated ? perBlock("attention.head_count_kv") : heads;
	const perHead = Math.floor(perBlock("embedding_length")(0) / Math.max(1, heads(0)));
	const of = (size: number) => Array.from({ length: numberIn(file)("block_count") }, (_, block) => kvHeads(block) * size);
	return { keys: of(perBlock("attention.key_length")(0) || perHead), values: of(perBlock("attention.value_length")(0) || perHead) };
}

/** Numbers in the recurrent state of one sequence in a block (Mamba and RWKV; other kinds have a similar size). */
function recurrentWidth(file: GgufFile): number {
	const number = numberIn(file);
	const width = number("embedding_length");
	const inner = number("ssm.inner_size");
	const mamba = inner * (number("ssm.state_size") + number("ssm.conv_kernel"));
	return mamba + number("wkv.head_size") * width;
}

/**
 * @param elsewhere bytes of the weights that lie in the memory of devices
 * @throws NotEnoughMemoryError if the model, or the later measurement, cannot fit. That is better than a killed process or a machine that
 * swaps.
 */
export function checkMemory(file: GgufFile, shape: MemoryShape = {}, available = availableMemory(), elsewhere = 0): void {
	const all = neededMemory(file, shape);
	const need = { ...all, tensors: all.tensors - elsewhere, total: all.total - elsewhere };
	if (need.total <= available) return;
	const { tensors, context, states, logits, references } = need;
	const lower = [...(states > 0 ? [" lower --state-bytes,"] : []), ...(references > 0 ? [" give --reference-bytes 0,"] : [])].join("");
	const distributions = references > 0 ? `, ${sizeText(references)} distributions to compare with` : "";
	throw new NotEnoughMemoryError(
		`${file.paths[0]} needs about ${sizeText(need.total)} of memory and ${sizeText(available)} are free ` +
			`(${sizeText(tensors)} weights, ${sizeText(context)} context, ${sizeText(states)} hidden states kept, ${sizeText(logits)} logits${distributions}). ` +
			`Close other programs, measure fewer or shorter windows,${lower} or take a smaller quantization of the model.`,
	);
}

/** Memory budget for hidden states, bytes: what is left besides the rest, at most `most`. */
export function memoryForStates(file: GgufFile, shape: MemoryShape, most: number, available = availableMemory()): number {
	const rest = neededMemory(file, { ...shape, stateBytes: 0 }).total;
	return Math.max(0, Math.min(most, Math.floor(available - rest)));
}

/** The same if the weights are in memory already, such as those of a working copy. */
export function memoryBesideWeights(file: GgufFile, shape: MemoryShape, most: number, available = availableMemory()): number {
	return Math.max(0, Math.min(most, Math.floor(available - neededBesideWeights(file, { ...shape, stateBytes: 0 }))));
}

/** Bytes that measuring takes in addition to the weights of a loaded model. */
export function neededBesideWeights(file: GgufFile, shape: MemoryShape = {}): number {
	const { total, tensors } = neededMemory(file, shape);
	return total - tensors;
}

/** Bytes for people. */
export function sizeText(bytes: number): string {
	return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
