import { InvalidOptionError, NotEnoughMemoryError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { availableMemory, type MemoryShape, neededMemory, sizeText } from "../runtime/memory.js";

// Two models that are compared token by token.

/** @throws InvalidOptionError if the two files do not number the same tokens alike */
export function checkSameVocabulary(file: GgufFile, other: GgufFile): void {
	const problem = vocabularyDifference(file, other);
	if (problem === undefined) return;
	throw new InvalidOptionError(
		`${other.paths[0]} and ${file.paths[0]} have different vocabularies: ${problem}. A divergence needs the same tokens; --questions FILE --against compares any two models.`,
	);
}

/** Why two models do not read the same tokens; undefined if they do. */
export function vocabularyDifference(file: GgufFile, other: GgufFile): string | undefined {
	const key = "tokenizer.ggml.tokens";
	const [one, two] = [file.entry(key), other.entry(key)];
	if (!one || !two) return `${(one ? other : file).paths[0]} names no tokens`;
	const kind = "tokenizer.ggml.model";
	if (file.string(kind) !== other.string(kind)) return `their tokenizers are ${other.string(kind)} and ${file.string(kind)}`;
	if (Buffer.from(one.raw).equals(Buffer.from(two.raw))) return undefined;
	const [first, second] = [file.array(key) ?? [], other.array(key) ?? []];
	if (first.length !== second.length) return `${second.length} tokens and ${first.length}`;
	const at = first.findIndex((token, i) => token !== second[i]);
	return `token ${at} is ${JSON.stringify(second[at])} and ${JSON.stringify(first[at])}`;
}

/**
 * Both are in memory at the same time: their weights are mapped from the files, and distributions go from one to the other for a few windows
 * at a time. Only one of them computes at a time, and the compute memory of the other one is freed by then.
 * @param shape of the measurements with each of them, including the distributions
 * @throws NotEnoughMemoryError
 */
export function checkMemoryForBoth(file: GgufFile, other: GgufFile, shape: MemoryShape, available = availableMemory()): void {
	const [one, two] = [neededMemory(file, shape), neededMemory(other, shape)];
	const need = one.tensors + two.tensors + Math.max(one.total - one.tensors, two.total - two.tensors);
	if (need <= available) return;
	throw new NotEnoughMemoryError(
		`${file.paths[0]} and ${other.paths[0]} need about ${sizeText(need)} of memory together and ${sizeText(available)} are free. Close other programs, take a smaller --window-length, or compare smaller quantizations.`,
	);
}
