// Self-generated text that goes on with openings of many kinds. What the model plainly cannot write is drawn again.
import type { SelfGeneratedOptions } from "./types.js";
import { type Opening, type OpeningKind, openings } from "./openings.js";
import { isBroken, isForeign, isLoop } from "./sound-text.js";

/** What writes text: a loaded model. */
export interface TextWriter {
	tokenize(text: string, options: { addSpecial: boolean }): Int32Array;
	detokenize(tokens: Int32Array, options: { special: boolean }): string;
	sample(prompts: readonly Int32Array[], options: Omit<SelfGeneratedOptions, "count" | "mix">): Promise<Int32Array[]>;
}

/** An opening is cut at this share of a window, so that most of it is the model's own. */
const openingShare = 0.4;
/** How often windows are drawn again with the next openings; what is left then is left to the caller. */
const tries = 3;

/** A window, and the kind of the opening that it goes on with. */
export interface ContinuedWindow {
	readonly tokens: Int32Array;
	readonly kind: OpeningKind;
}

/** Windows that go on with openings, one after the other from a place that the seed says. @returns undefined for those that no opening gave */
export async function continuedWindows(
	model: TextWriter,
	count: number,
	options: SelfGeneratedOptions,
): Promise<(ContinuedWindow | undefined)[]> {
	const { length, seed, signal } = options;
	const windows = new Array<ContinuedWindow | undefined>(count).fill(undefined);
	let next = seed % openings.length;
	for (let attempt = 0; attempt < tries; attempt++) {
		const open = [...windows.keys()].filter((i) => windows[i] === undefined);
		if (open.length === 0) break;
		const used = open.map(() => openings[next++ % openings.length]!);
		const prompts = used.map((opening) => promptOf(model, opening, length));
		const onProgress = (done: number) => options.onProgress?.((count - open.length) * length + done, count * length);
		const drawn = await model.sample(prompts, { length, seed, signal, onProgress });
		for (const [at, tokens] of drawn.entries())
			if (isSound(model, used[at]!, tokens, prompts[at]!.length)) windows[open[at]!] = { tokens, kind: used[at]!.kind };
	}
	return windows;
}

function promptOf(model: TextWriter, { text }: Opening, length: number): Int32Array {
	const tokens = model.tokenize(text, { addSpecial: true });
	return tokens.subarray(0, Math.max(1, Math.floor(length * openingShare)));
}

function isSound(model: TextWriter, { text }: Opening, window: Int32Array, prompt: number): boolean {
	const written = window.subarray(prompt);
	const continuation = model.detokenize(written, { special: false });
	return !isLoop(written) && !isBroken(continuation) && !isForeign(text, continuation);
}
