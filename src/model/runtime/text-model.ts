import { InvalidOptionError } from "../../errors.js";
import type { ModelFacts } from "./addon.js";
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

/** @throws InvalidOptionError */
export function checkSampling(
	{ contextLength, vocabulary }: ModelFacts,
	prompts: readonly Int32Array[],
	{ length, temperature = 1, seed = 0 }: SampleOptions,
): void {
	const fail = (message: string) => {
		throw new InvalidOptionError(message);
	};
	if (!Number.isInteger(length) || length < 1 || length > contextLength)
		fail(`length must be 1 to ${contextLength} tokens (the model's context), got ${length}`);
	if (!(temperature >= 0 && Number.isFinite(temperature))) fail(`temperature must be at least 0, got ${temperature}`);
	if (!Number.isSafeInteger(seed) || seed < 0) fail(`seed must be a whole number from 0, got ${seed}`);
	for (const prompt of prompts) {
		if (prompt.length === 0) fail("a prompt needs at least one token (for example the start token)");
		if (prompt.length > length) fail(`a prompt of ${prompt.length} tokens does not fit sequences of ${length}`);
		const foreign = prompt.find((token) => token < 0 || token >= vocabulary);
		if (foreign !== undefined) fail(`token ${foreign} is not in the model's vocabulary of ${vocabulary}`);
	}
}
