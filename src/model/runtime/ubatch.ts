import type { GgufFile } from "../gguf/file.js";

/** Logits held at a time, bytes, if the ubatch is not given. */
export const logitsBytes = 2 ** 28;

/** Most sequences, and so windows, in one decode of llama.cpp (LLAMA_MAX_SEQ). */
export const mostSequences = 256;

/** A multiple of 64 from 64 to 512, so that the logits of a ubatch stay below their bound. */
export function defaultUbatch(vocabulary: number): number {
	return Math.max(64, Math.min(512, Math.floor(logitsBytes / (4 * vocabulary) / 64) * 64));
}

/** Tokens of the vocabulary, by the header: rows of the embeddings, which llama.cpp compares with the vocabulary. 0 if there are none. */
export function vocabularyOf(file: GgufFile): number {
	return file.tensor("token_embd.weight")?.dims[1] ?? 0;
}
