import { CalibrationError } from "../../errors.js";
import type { TextModel } from "../runtime/text-model.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import { continuedWindows } from "./continued.js";
import { isBroken, isLoop } from "./sound-text.js";
import type { TextKind } from "./text-kinds.js";
import { defaultMix } from "./text-mix.js";
import type { SelfGeneratedOptions } from "./types.js";

/** Self-generated text, and the kind of each window. */
export interface DrawnText {
	readonly windows: TokenWindows;
	readonly kinds: readonly TextKind[];
}

/** A user's turn is cut at this share of a window, so that an answer fits too. */
const userTurnShare = 0.4;

/**
 * Windows of self-generated text, sampled at temperature 1, so that no other text is needed. They are documents from the start token, so the
 * original model is measured on what it believes; see docs/calibration.md. With `chats` every second window is a chat whose user turn is sampled
 * too, if the file has a chat template that llama.cpp knows. A wide text continues openings in every second window; a continuation that is in another
 * script is drawn again with other openings. Any window that loops, or holds more than 5 % of broken characters, is drawn again, twice at most.
 */
export async function selfGeneratedWindows(model: TextModel, options: SelfGeneratedOptions): Promise<TokenWindows> {
	return (await selfGeneratedText(model, options)).windows;
}

/** The same, with the kind of each window. */
export function selfGeneratedText(model: TextModel, options: SelfGeneratedOptions): Promise<DrawnText> {
	return drawText(model, options);
}

/** The same with every window from nothing as it was drawn first: what a plan says to draw again must come out as it did. */
export async function windowsAsDrawn(model: TextModel, options: SelfGeneratedOptions): Promise<TokenWindows> {
	return (await drawText(model, { ...options, asDrawn: true })).windows;
}

interface DrawnWindow {
	readonly tokens: Int32Array;
	readonly kind: TextKind;
}

interface DrawOptions extends SelfGeneratedOptions {
	/** Whether loops and broken text stay. @default false */
	readonly asDrawn?: boolean;
	/** Share of a window that a user's turn takes at most. @default 0 */
	readonly answered?: number;
}

async function drawText(model: TextModel, options: DrawOptions): Promise<DrawnText> {
	const { count, length, mix = defaultMix } = options;
	const total = count * length;
	const begun =
		mix === "wide"
			? await continuedWindows(model, Math.floor(count / 2), { ...options, seed: options.seed + 3, onProgress: toldOf(0) })
			: [];
	// Where no opening gave a sound text, one from nothing stands in.
	const continued = begun.filter((window) => window !== undefined);
	const plain = await plainWindows(model, { ...options, count: count - continued.length, onProgress: toldOf(continued.length) });
	const drawn = interleave<DrawnWindow>(plain, continued);
	const tokens = new Int32Array(total);
	drawn.forEach((window, i) => {
		tokens.set(window.tokens, i * length);
	});
	return { windows: makeWindows(tokens, length), kinds: drawn.map(({ kind }) => kind) };

	function toldOf(before: number) {
		return (done: number) => options.onProgress?.(before * length + done, total);
	}
}

/** Documents from the start token; chats among them, in turns, if they are to be there and there is a template. Loops and broken text are drawn again. */
async function plainWindows(model: TextModel, options: DrawOptions): Promise<DrawnWindow[]> {
	const { count, length, mix } = options;
	const opening = mix === "chats" ? chatOpening(model, length) : undefined;
	const chats = opening ? Math.floor(count / 2) : 0;
	const documents = count - chats;
	const told = (before: number) => (done: number) => options.onProgress?.(before * length + done, count * length);
	const sampled = await drawSound(model, { ...options, count: documents, onProgress: told(0) }, documentWindows);
	const turns = opening
		? await drawSound(model, { ...options, count: chats, answered: userTurnShare, onProgress: told(documents) }, (...asked) =>
				chatWindows(opening, ...asked),
			)
		: [];
	const asKind = (kind: TextKind) => (tokens: Int32Array) => ({ tokens, kind });
	return interleave(sampled.map(asKind("document")), turns.map(asKind(opening?.fits ? "chat" : "document")));
}

/** How often windows are drawn again. */
const redraws = 2;
/** Seeds of windows that are drawn again, beyond all others: those of further text begin at 2^40. */
const redrawnSeed = 2 ** 44;

/** Draws windows, and those that loop or are broken again; what still is so after two more draws stays. */
async function drawSound(
	model: TextModel,
	options: DrawOptions,
	draw: (model: TextModel, options: SelfGeneratedOptions) => Promise<Int32Array[]>,
): Promise<Int32Array[]> {
	const { seed, asDrawn, answered } = options;
	const windows = await draw(model, options);
	if (asDrawn) return windows;
	for (let again = 1; again <= redraws; again++) {
		const open = [...windows.keys()].filter((i) => !isSound(model, windows[i]!, answered));
		if (open.length === 0) break;
		const drawn = await draw(model, { ...options, count: open.length, seed: seed + again * redrawnSeed, onProgress: undefined });
		for (const [at, window] of drawn.entries()) windows[open[at]!] = window;
	}
	return windows;
}

/** @param answered share of the window before the answer: one that loops stands behind a turn that does not @default 0 */
function isSound(model: TextModel, window: Int32Array, answered = 0): boolean {
	const loops = isLoop(window) || isLoop(window.subarray(Math.floor(answered * window.length)));
	return !loops && !isBroken(model.detokenize(window, { special: false }));
}

/** Whether no window would be drawn again, be it a document or a chat: such text is the same however it was drawn. */
export function areSound(model: TextModel, { tokens, count, length }: TokenWindows): boolean {
	const windows = Array.from({ length: count }, (_, i) => tokens.subarray(i * length, (i + 1) * length));
	return windows.every((window) => isSound(model, window, userTurnShare));
}

function documentWindows(model: TextModel, { count, length, seed, signal, onProgress }: SelfGeneratedOptions): Promise<Int32Array[]> {
	const prompts = Array.from({ length: count }, () => documentPrompt(model));
	return model.sample(prompts, { length, seed, signal, onProgress: (done) => onProgress?.(done, count * length) });
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

/** How a chat begins. */
interface ChatOpening {
	/** Up to the user's words. */
	readonly prompt: Int32Array;
	/** Tokens with the user's words, and whether they leave room for an answer: documents stand in where they do not. */
	readonly userLength: number;
	readonly fits: boolean;
}

/** Whether the file has a chat template that llama.cpp knows: without one `chats` are documents. */
export const knowsChats = (model: TextModel): boolean => chatOpening(model, model.facts.contextLength) !== undefined;

/** What the template writes before a marker; undefined without a template. */
function chatOpening(model: TextModel, length: number): ChatOpening | undefined {
	const marker = "\u0001prune-gguf\u0001";
	const chat = model.applyChatTemplate([{ role: "user", content: marker }], false);
	const at = chat?.indexOf(marker) ?? -1;
	if (at < 0) return undefined;
	const prompt = model.tokenize(chat!.slice(0, at), { addSpecial: true, parseSpecial: true });
	const userLength = Math.max(prompt.length + 1, Math.floor(length * userTurnShare));
	return { prompt, userLength, fits: userLength < length };
}

async function chatWindows(
	{ prompt, userLength, fits }: ChatOpening,
	model: TextModel,
	options: SelfGeneratedOptions,
): Promise<Int32Array[]> {
	const { count, length, seed, signal } = options;
	if (!fits) return documentWindows(model, { count, length, seed: seed + 1, signal });
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
