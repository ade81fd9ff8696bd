import { InvalidOptionError, NotEnoughMemoryError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { availableMemory, type MemoryShape, neededMemory, sizeText } from "../runtime/memory.js";

// Two models that are compared token by token.

/** @throws InvalidOptionError where the two files do not number the same tokens alike */
export function checkSameVocabulary(file: GgufFile, other: GgufFile): void {
	const problem = vocabularyDifference(file, other);
	if (problem === undefined) return;
	throw new InvalidOptionError(
		`${other.paths[0]} and ${file.paths[0]} have not the same vocabulary: ${problem}. A divergence is one of distributions over the same tokens; --questions FILE --against compares any two models.`,
	);
}

/** What keeps two models from reading the same tokens; undefined where nothing does. */
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
 * Both are in memory at a time: their weights are mapped from the files, and distributions go from one to the other a few windows at a
 * time. One of them computes at a time, and what the other one computed with is given up by then.
 * @param shape of what is measured with each of them, the distributions among it
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
