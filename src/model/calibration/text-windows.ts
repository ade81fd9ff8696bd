import { CalibrationError } from "../../errors.js";
import type { TextModel } from "../runtime/text-model.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import type { CalibrationDocument } from "./documents.js";

/** Token ids of documents, one after another, without start tokens (each window has its own). */
function tokenizeDocuments(model: TextModel, documents: readonly CalibrationDocument[], name: string): Int32Array {
	const parts = documents.map((document) => {
		if ("text" in document) return model.tokenize(document.text, { addSpecial: false });
		const chat = model.applyChatTemplate(document.messages);
		if (chat === undefined) {
			throw new CalibrationError(
				`${name} holds chats, but the model's file has no chat template that llama.cpp knows; give plain text instead`,
			);
		}
		return withoutStart(model, model.tokenize(chat, { addSpecial: false, parseSpecial: true }));
	});
	const tokens = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
	let at = 0;
	for (const part of parts) {
		tokens.set(part, at);
		at += part.length;
	}
	return tokens;
}

function withoutStart(model: TextModel, tokens: Int32Array): Int32Array {
	return model.facts.addBos && tokens[0] === model.facts.bos ? tokens.subarray(1) : tokens;
}

/** How windows lie in a text. */
interface Layout {
	/** Windows, before further ones. */
	readonly count: number;
	/** Tokens of all documents, one after another. */
	readonly tokens: Int32Array;
	/** Tokens at the beginning of each window. */
	readonly start: readonly number[];
	/** Tokens of the text in a window. */
	readonly body: number;
	/** Tokens from the beginning of a window to that of the next. */
	readonly stride: number;
}

/** The windows to cut from a text. */
export interface WantedWindows {
	readonly count: number;
	/** Tokens of each window, including the start token. */
	readonly length: number;
	/** Name of the text, for messages. */
	readonly name: string;
}

/** @throws CalibrationError if the text is too short, with the number of tokens it has and needs */
function layOut(model: TextModel, documents: readonly CalibrationDocument[], { count, length, name }: WantedWindows): Layout {
	const tokens = tokenizeDocuments(model, documents, name);
	const start = model.facts.addBos && model.facts.bos !== undefined ? [model.facts.bos] : [];
	const body = length - start.length;
	if (tokens.length < count * body) {
		throw new CalibrationError(
			`${name} holds ${tokens.length} tokens; ${count} windows of ${length} need ${count * body}. Give more text, or fewer or shorter windows.`,
		);
	}
	return { count, tokens, start, body, stride: Math.floor(tokens.length / count) };
}

/** The windows that begin at these tokens of the text. */
function cut({ tokens, start, body }: Layout, offsets: readonly number[]): TokenWindows {
	const length = start.length + body;
	const packed = new Int32Array(offsets.length * length);
	offsets.forEach((offset, i) => {
		packed.set(start, i * length);
		packed.set(tokens.subarray(offset, offset + body), i * length + start.length);
	});
	return makeWindows(packed, length);
}

/**
 * Windows from documents, spread evenly over all of their text and disjoint. Each begins with the start token if the
 * model wants one.
 * @throws CalibrationError if the text is too short, with the number of tokens it has and needs
 */
export function windowsOfDocuments(model: TextModel, documents: readonly CalibrationDocument[], wanted: WantedWindows): TokenWindows {
	const layout = layOut(model, documents, wanted);
	return cut(layout, startsOf(layout));
}

/**
 * Further windows of a text, from the gaps between those of {@link windowsOfDocuments}. They come in parts, each spread over the full text.
 * All are disjoint and as far from one another as possible.
 * @param dealt windows already cut from the text
 * @param further `size`: windows in a part; `most`: number of parts, fewer if the text does not hold so many
 */
export function windowsBetween(
	model: TextModel,
	documents: readonly CalibrationDocument[],
	dealt: WantedWindows,
	{ size, most }: { readonly size: number; readonly most: number },
): { readonly dealt: TokenWindows; readonly further: TokenWindows[] } {
	const layout = layOut(model, documents, dealt);
	const { count, stride, body } = layout;
	// Places between two windows that are already cut.
	const places = Math.floor(stride / body) - 1;
	const [gapStep, placeStep] = [spreadingStep(count), spreadingStep(places)];
	const offsetOf = (index: number) => {
		const gap = (index * gapStep) % count;
		const place = ((Math.floor(index / count) + 1) * placeStep) % places;
		return gap * stride + (1 + place) * body;
	};
	const parts = Math.min(most, Math.floor((count * places) / size));
	const further = Array.from({ length: parts }, (_, part) =>
		cut(
			layout,
			Array.from({ length: size }, (_, i) => offsetOf(part * size + i)),
		),
	);
	return { dealt: cut(layout, startsOf(layout)), further };
}

function startsOf({ count, stride }: Layout): number[] {
	return Array.from({ length: count }, (_, i) => i * stride);
}

/** A step that visits all of `count` places and keeps consecutive ones far from each other: near the golden ratio, without a common divisor. */
function spreadingStep(count: number): number {
	const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
	let step = Math.max(1, Math.round(count * 0.618));
	while (divisor(step, count) > 1) step++;
	return step;
}
