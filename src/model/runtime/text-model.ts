import type { ChatMessage } from "./chat.js";
import type { LoadedModel } from "./loaded-model.js";
import type { BlockMask } from "./masks.js";

/** How to sample text from a model. */
export interface SampleOptions {
	/** Tokens of a finished sequence, its prompt included; at most the model's context. */
	length: number;
	/** Ends a sequence after its first end-of-generation token. @default false */
	stopAtEog?: boolean | undefined;
	/** At least 0, which takes the most likely token. @default 1 */
	temperature?: number | undefined;
	/** Run only these blocks. @default all */
	mask?: BlockMask | undefined;
	/** Sequence i draws from its own stream, made from (seed, i). A whole number from 0. @default 0 */
	seed?: number | undefined;
	signal?: AbortSignal | undefined;
	/** Called with tokens done and in total. */
	onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A loaded model, for code that only reads and writes text with it. */
export interface TextModel extends LoadedModel {
	/** Token ids of a text. */
	tokenize(text: string, options?: { addSpecial?: boolean; parseSpecial?: boolean }): Int32Array;
	/** The text of token ids. */
	detokenize(tokens: Int32Array, options?: { special?: boolean }): string;
	/** A chat as the model expects it; undefined if its file has no template that llama.cpp knows. */
	applyChatTemplate(messages: readonly ChatMessage[], addAssistant?: boolean): string | undefined;
	/** Continues each prompt. */
	sample(prompts: readonly Int32Array[], options: SampleOptions): Promise<Int32Array[]>;
}
