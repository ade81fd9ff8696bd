import { createHash } from "node:crypto";
import { InvalidQuestionsError } from "../../errors.js";
import type { EvaluationStats, Evaluator } from "../runtime/evaluator.js";
import type { TextModel } from "../runtime/text-model.js";
import { makeWindows } from "../runtime/windows.js";
import type { ChoiceBatch, PreparedQuestions, TokenizedChoice, TokenizedQuestion } from "./prepared-questions.js";
import type { Normalization, Question, QuestionFile, QuestionFormat } from "./questions.js";
import type { BlockMask } from "../runtime/masks.js";

// Questions as windows of tokens, and the log-likelihoods of their choices.

/** Most tokens in the windows of a batch, so that the hidden states that masks share stay small. */
const batchTokens = 8192;

/**
 * Tokenizes questions. JSON Lines are read as by lm-evaluation-harness for causal models (`TemplateLM._encode_pair`): query and choice are
 * one text with one space between. Only the tokens beyond those of the query count. Blanks at the end of a query go to the choice, and a
 * text that is longer than the context loses its beginning. A start token is added if the model wants one. The format of HellaSwag is read
 * as by llama-perplexity (`hellaswag_score`): only the tokens that differ among the four texts count.
 * @throws InvalidQuestionsError if a choice adds no token, or is longer than the context
 */
export function tokenizeQuestions(model: TextModel, { questions, format, name }: QuestionFile): TokenizedQuestion[] {
	return questions.map((question, i) => {
		const choices = format === "hellaswag" ? hellaswagChoices(model, question) : continuedChoices(model, question);
		for (const choice of choices) checkChoice(choice, `${name}, question ${i + 1}`);
		return { gold: question.gold, choices };
	});
}

/** Groups tokenized questions for scoring. */
export function packQuestions(questions: readonly TokenizedQuestion[], format: QuestionFormat): PreparedQuestions {
	const normalization: Normalization = format === "hellaswag" ? "tokens" : "characters";
	const flat = questions.flatMap(({ choices }) => choices);
	const batches = batchChoices(flat);
	return {
		questions,
		normalization,
		batches,
		tokens: batches.reduce((sum, { windows }) => sum + windows.tokens.length, 0),
		truncated: flat.filter(({ truncated }) => truncated).length,
		sha256: hashOf(questions, normalization),
	};
}

function continuedChoices(model: TextModel, { query, choices }: Question): TokenizedChoice[] {
	const trimmed = query.trimEnd();
	const between = `${query.slice(trimmed.length)} `;
	const context = startedText(model, trimmed);
	return choices.map((choice) => {
		const whole = trimmed === "" ? [...context, ...plain(model, between + choice)] : startedText(model, trimmed + between + choice);
		return cut(model, Int32Array.from(whole), context.length, [...choice].length);
	});
}

const plain = (model: TextModel, text: string): Int32Array => model.tokenize(text, { addSpecial: false });

/** Tokens after a start token if the model wants one. An empty text always becomes a start (or end) token: something must predict the first one. */
function startedText(model: TextModel, text: string): number[] {
	const { addBos, bos, eos } = model.facts;
	const start = addBos || text === "" ? (bos ?? (text === "" ? eos : undefined)) : undefined;
	if (start === undefined && text === "")
		throw new InvalidQuestionsError(
			"a question has no query, and the model has no start token that the choices could follow: give every question a query",
		);
	return [...(start === undefined ? [] : [start]), ...plain(model, text)];
}

function hellaswagChoices(model: TextModel, { query, choices }: Question): TokenizedChoice[] {
	const texts = choices.map((choice) => model.tokenize(`${query} ${choice}`));
	const [first = new Int32Array()] = texts;
	const differs = first.findIndex((token, i) => texts.some((other) => other[i] !== token));
	const common = differs < 0 ? first.length : differs;
	return texts.map((tokens) => cut(model, tokens, common, tokens.length - common));
}

/** The part at the end of a text that fits the context. */
function cut(model: TextModel, tokens: Int32Array, from: number, length: number): TokenizedChoice {
	const beyond = Math.max(0, tokens.length - model.facts.contextLength);
	return { tokens: tokens.slice(beyond), from: from - beyond, length, truncated: beyond > 0 };
}

function checkChoice({ tokens, from }: TokenizedChoice, place: string): void {
	if (from >= tokens.length) throw new InvalidQuestionsError(`${place}: a choice adds no token to the text before it`);
	if (from < 1) throw new InvalidQuestionsError(`${place}: a choice is longer than the model's context, or has nothing before it`);
}

/** Widths grow with the length, so that padding stays below about an eighth. */
function widthOf(length: number): number {
	const step = Math.max(4, 2 ** Math.floor(Math.log2(Math.max(1, length)) - 3));
	return Math.ceil(length / step) * step;
}

/** Choices of similar length grouped, padded at the end to one width. */
export function batchChoices(choices: readonly TokenizedChoice[]): ChoiceBatch[] {
	const longest = choices.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
	const byWidth = new Map<number, number[]>();
	choices.forEach(({ tokens }, i) => {
		// Padding must not exceed the longest choice, which may be as long as the context.
		const width = Math.min(longest, widthOf(tokens.length));
		const members = byWidth.get(width);
		if (members) members.push(i);
		else byWidth.set(width, [i]);
	});
	return [...byWidth]
		.sort(([a], [b]) => a - b)
		.flatMap(([width, members]) => {
			const size = Math.max(1, Math.floor(batchTokens / width));
			return Array.from({ length: Math.ceil(members.length / size) }, (_, i) =>
				padded(choices, members.slice(i * size, (i + 1) * size), width),
			);
		});
}

/** Padding at the end, which a causal model cannot see from earlier positions, so any token works. */
function padded(choices: readonly TokenizedChoice[], members: readonly number[], width: number): ChoiceBatch {
	const tokens = new Int32Array(members.length * width);
	const flags = new Uint8Array(tokens.length);
	members.forEach((member, row) => {
		const choice = choices[member]!;
		tokens.set(choice.tokens, row * width);
		flags.fill(1, row * width + choice.from - 1, row * width + choice.tokens.length - 1);
	});
	return { windows: makeWindows(tokens, width), positions: { flags, scoreFrom: 0 }, choices: members };
}

function hashOf(questions: readonly TokenizedQuestion[], normalization: Normalization): string {
	const text = JSON.stringify([
		normalization,
		questions.map(({ gold, choices }) => [gold, choices.map(({ tokens, from, length }) => [Array.from(tokens), from, length])]),
	]);
	return createHash("sha256").update(text).digest("hex");
}

/**
 * Sums of the log-likelihoods of each choice's tokens, nats, one list per mask, in the order of the questions and their choices. NaN if
 * the model broke down. Masks that start alike share the work of their common blocks.
 */
export async function scoreChoices(
	evaluator: Evaluator,
	masks: readonly BlockMask[],
	{ batches, questions }: PreparedQuestions,
	options: {
		signal?: AbortSignal | undefined;
		onProgress?: ((tokens: number, blocks: Pick<EvaluationStats, "blocksDone" | "blocksShared">) => void) | undefined;
	} = {},
): Promise<Float64Array[]> {
	const count = questions.reduce((sum, { choices }) => sum + choices.length, 0);
	const results = masks.map(() => new Float64Array(count));
	let done = 0;
	// A batch counts a block once, however many windows it has.
	let before = { blocksDone: 0, blocksShared: 0 };
	for (const { windows, positions, choices } of batches) {
		let blocks = before;
		const scored = choices.map((_, row) =>
			positions.flags.subarray(row * windows.length, (row + 1) * windows.length).reduce((a, b) => a + b, 0),
		);
		await evaluator.evaluate(masks, windows, {
			positions,
			signal: options.signal,
			onCandidate: (mask, { losses }, stats) => {
				for (const [row, choice] of choices.entries()) results[mask]![choice] = -losses[row]! * scored[row]!;
				done += windows.tokens.length;
				blocks = { blocksDone: before.blocksDone + stats.blocksDone, blocksShared: before.blocksShared + stats.blocksShared };
				options.onProgress?.(done, blocks);
			},
		});
		before = blocks;
	}
	return results;
}
