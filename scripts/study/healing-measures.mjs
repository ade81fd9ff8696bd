// What healing.mjs measures of a model in its current state: losses and divergences on texts, answers to questions.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { maskOf } from "./healing-methods.mjs";
import { round } from "./healing-rows.mjs";
import { load } from "./lib.mjs";

const { removeBlocks } = await load("model/architectures/index.js");
const { accuracyOf, answersOf, compareAnswers, rightOf } = await load("model/evaluation/accuracy.js");
const { packQuestions, scoreChoices, tokenizeQuestions } = await load("model/evaluation/choices.js");
const { readQuestions } = await load("model/evaluation/questions.js");
const { writtenSize } = await load("model/gguf/index.js");
const { withHealed } = await load("model/fitting/tensors.js");
const { packageVersion } = await load("model/runtime/paths.js");
const { bytesOfReference } = await load("model/runtime/positions.js");
const { firstWindows, makeWindows } = await load("model/runtime/windows.js");
const { meanAndError } = await load("game/statistics.js");

/** Size of the file that a set with these tensors gives, in bytes. */
export function bytesOf({ file }, sha256, removed, tensors) {
	if (removed.length === 0) return file.size;
	return writtenSize(withHealed(removeBlocks(file, removed, { version: packageVersion, sourceSha256: sha256 }, {}), file, tensors));
}

/** The first windows of a text. If the model wants a start token, it replaces the first token of each window, as in llama-perplexity. */
export async function windowsOf(model, path, count, length) {
	// As much as is needed, and more: a token rarely has more than 12 characters.
	const text = (await readFile(path, "utf8")).slice(0, 12 * count * length);
	const tokens = model.tokenize(text).slice(0, count * length);
	if (tokens.length < count * length) throw new Error(`${path} holds ${tokens.length} tokens of ${count * length}`);
	const { addBos, bos } = model.facts;
	if (addBos && bos !== undefined) for (let i = 0; i < count; i++) tokens[i * length] = bos;
	return makeWindows(tokens, length);
}

/** The judged texts. The original model's distributions are kept for as many windows as the bytes allow, and made when first needed. */
export class Texts {
	#model;
	#evaluator;
	#texts;

	static async open(model, evaluator, paths, { windows, length, bytes }) {
		const each = bytesOfReference(length - 1, model.facts.vocabulary);
		// Complete ubatches, so that no window's bits depend on where the reference ends.
		const together = Math.max(1, Math.floor(evaluator.ubatch / length));
		const compared = Math.min(windows, Math.floor(bytes / each / together) * together);
		const texts = [];
		for (const path of paths) texts.push({ name: basename(path), compared, windows: await windowsOf(model, path, windows, length) });
		return new Texts(model, evaluator, texts);
	}

	constructor(model, evaluator, texts) {
		this.#model = model;
		this.#evaluator = evaluator;
		this.#texts = texts;
	}

	/** Makes the references: the model must be in its original state. */
	async prepare() {
		for (const text of this.#texts) {
			if (text.reference || text.compared === 0) continue;
			text.head = firstWindows(text.windows, text.compared);
			const maxBytes = Number.MAX_SAFE_INTEGER;
			text.reference = await this.#evaluator.createReference(maskOf(this.#model, []), text.head, { maxBytes });
		}
	}

	/** By text: the loss of each window; divergence and agreement over the first ones. */
	async measure(removed) {
		const result = {};
		for (const { name, windows, compared, head, reference } of this.#texts) {
			const mask = [maskOf(this.#model, removed)];
			const [first] = reference ? await this.#evaluator.evaluate(mask, head, { reference }) : [];
			const left = compared < windows.count && makeWindows(windows.tokens.subarray(compared * windows.length), windows.length);
			const [rest] = left ? await this.#evaluator.evaluate(mask, left) : [];
			const losses = [...(first?.losses ?? []), ...(rest?.losses ?? [])].map((x) => round(x));
			const mean = (values) => round(meanAndError(values).mean);
			const against = first ? { divergence: mean(first.divergences), agreement: mean(first.agreements), compared } : {};
			result[name] = { losses, ...against };
		}
		return result;
	}
}

/** Multiple-choice questions, by file. */
export class Questions {
	#model;
	#evaluator;
	#limit;
	#prepared = new Map();

	constructor(model, evaluator, limit) {
		this.#model = model;
		this.#evaluator = evaluator;
		this.#limit = limit;
	}

	/** `right`, `rightNormalized`: a digit for each question, 1 if the pick (by length) was right. */
	async measure(path, removed) {
		if (!this.#prepared.has(path)) {
			const file = await readQuestions(path, this.#limit);
			this.#prepared.set(path, packQuestions(tokenizeQuestions(this.#model, file), file.format));
		}
		const prepared = this.#prepared.get(path);
		const [sums] = await scoreChoices(this.#evaluator, [maskOf(this.#model, removed)], prepared);
		const answers = answersOf(prepared, sums);
		const digits = (normalized) => rightOf(answers, normalized).map(Number).join("");
		return {
			right: digits(false),
			rightNormalized: digits(true),
			goldLoss: round(answers.reduce((a, b) => a + b.goldLoss, 0) / answers.length),
		};
	}
}

/** Accuracy from stored digits, and how it compares with others on the same questions. */
export function accuracy(digits, against) {
	const right = (text) => [...text].map((digit) => digit === "1");
	return { ...accuracyOf(right(digits)), ...(against ? { difference: compareAnswers(right(against), right(digits)) } : {}) };
}
