import { CalibrationError } from "../errors.js";
import type { Model } from "../runtime/model.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import type { CalibrationDocument } from "./documents.js";

/** Token ids of documents, one after another, without start tokens (each window gets its own). */
function tokenizeDocuments(model: Model, documents: readonly CalibrationDocument[], name: string): Int32Array {
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

function withoutStart(model: Model, tokens: Int32Array): Int32Array {
	return model.facts.addBos && tokens[0] === model.facts.bos ? tokens.subarray(1) : tokens;
}

/**
 * Windows from documents, spread evenly over all of their text and disjoint. Each begins with the start token where the
 * model wants one.
 * @throws CalibrationError where the text is too short, saying how many tokens it has and needs
 */
export function windowsOfDocuments(
	model: Model,
	documents: readonly CalibrationDocument[],
	count: number,
	length: number,
	name: string,
): TokenWindows {
	const tokens = tokenizeDocuments(model, documents, name);
	const start = model.facts.addBos && model.facts.bos !== undefined ? [model.facts.bos] : [];
	const body = length - start.length;
	if (tokens.length < count * body) {
		throw new CalibrationError(
			`${name} holds ${tokens.length} tokens; ${count} windows of ${length} need ${count * body}. Give more text, or fewer or shorter windows.`,
		);
	}
	const stride = Math.floor(tokens.length / count);
	const packed = new Int32Array(count * length);
	for (let i = 0; i < count; i++) {
		packed.set(start, i * length);
		packed.set(tokens.subarray(i * stride, i * stride + body), i * length + start.length);
	}
	return makeWindows(packed, length);
}
