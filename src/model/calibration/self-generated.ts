import { CalibrationError } from "../../errors.js";
import type { TextModel } from "../runtime/text-model.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import { continuedWindows } from "./continued.js";
import type { SelfGeneratedOptions } from "./types.js";

/** A user's turn is cut at this share of a window, so that an answer fits too. */
const userTurnShare = 0.4;

/**
 * Windows of self-generated text, sampled at temperature 1, so that no other text is needed. They are documents from the start token. If
 * the file has a chat template that llama.cpp knows, every second window is a chat whose user turn is sampled too. So the original model
 * is measured on what it believes; see docs/calibration.md. A wide text continues openings in every second window; a continuation that loops, or is in
 * another script, is drawn again with other openings.
 */
export async function selfGeneratedWindows(model: TextModel, options: SelfGeneratedOptions): Promise<TokenWindows> {
	const { count, length, mix = "plain" } = options;
	const total = count * length;
	const begun =
		mix === "wide"
			? await continuedWindows(model, Math.floor(count / 2), { ...options, seed: options.seed + 3, onProgress: toldOf(0) })
			: [];
	// Where no opening gave a sound text, one from nothing stands in.
	const continued = begun.filter((window) => window !== undefined);
	const plain = await plainWindows(model, { ...options, count: count - continued.length, onProgress: toldOf(continued.length) });
	const tokens = new Int32Array(total);
	interleave(plain, continued).forEach((window, i) => {
		tokens.set(window, i * length);
	});
	return makeWindows(tokens, length);

	function toldOf(before: number) {
		return (done: number) => options.onProgress?.(before * length + done, total);
	}
}

/** Documents from the start token, and chats if there is a template, in turns. */
async function plainWindows(model: TextModel, options: SelfGeneratedOptions): Promise<Int32Array[]> {
	const { count, length, seed, signal } = options;
	const opening = chatOpening(model);
	const chats = opening ? Math.floor(count / 2) : 0;
	const documents = count - chats;
	const total = count * length;
	const sampled = await model.sample(
		Array.from({ length: documents }, () => documentPrompt(model)),
		{
			length,
			seed,
			signal,
			onProgress: (done) => options.onProgress?.(done, total),
		},
	);
	const turns = opening
		? await chatWindows(model, opening, chats, { ...options, onProgress: (done) => options.onProgress?.(documents * length + done, total) })
		: [];
	return interleave(sampled, turns);
}

/** The token that a document starts with: the start token, or else an end token (after which a new document begins). */
function documentPrompt(model: TextModel): Int32Array {
	const { bos, eos } = model.facts;
	const start = bos ?? eos;
	if (start === undefined) {
		throw new CalibrationError("the model has no start token, which self-generated text needs; give text with --calibration");
	}
	return Int32Array.of(start);
}

/** The beginning of a chat up to the user's words: what the template writes before a marker. */
function chatOpening(model: TextModel): string | undefined {
	const marker = "\u0001prune-gguf\u0001";
	const chat = model.applyChatTemplate([{ role: "user", content: marker }], false);
	const at = chat?.indexOf(marker) ?? -1;
	return at < 0 ? undefined : chat!.slice(0, at);
}

async function chatWindows(model: TextModel, opening: string, count: number, options: SelfGeneratedOptions): Promise<Int32Array[]> {
	const { length, seed, signal } = options;
	const prompt = model.tokenize(opening, { addSpecial: true, parseSpecial: true });
	const userLength = Math.max(prompt.length + 1, Math.floor(length * userTurnShare));
	if (userLength >= length)
		return model.sample(
			Array.from({ length: count }, () => documentPrompt(model)),
			{ length, seed: seed + 1, signal },
		);
	const users = await model.sample(
		Array.from({ length: count }, () => prompt),
		{ length: userLength, stopAtEog: true, seed: seed + 1, signal },
	);
	const prompts = users.map((user) => {
		const words = model.detokenize(user.subarray(prompt.length), { special: false }).trim();
		const chat = model.applyChatTemplate([{ role: "user", content: words }], true)!;
		return model.tokenize(chat, { addSpecial: true, parseSpecial: true }).subarray(0, length - 1);
	});
	// Sampled past the end of the answer: what the model writes next (most often another turn) is self-generated as well.
	return model.sample(prompts, { length, seed: seed + 2, signal, onProgress: (done) => options.onProgress?.(done, count * length) });
}

/** Alternates the two kinds, so that every split holds both. */
function interleave<T>(a: readonly T[], b: readonly T[]): T[] {
	const mixed: T[] = [];
	for (let i = 0; i < Math.max(a.length, b.length); i++) {
		if (i < a.length) mixed.push(a[i]!);
		if (i < b.length) mixed.push(b[i]!);
	}
	return mixed;
}
