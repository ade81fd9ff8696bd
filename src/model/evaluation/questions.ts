import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { FileError, InvalidQuestionsError } from "../../errors.js";
import { readInput } from "../../storage/input-file.js";

/** Divisor of the log-likelihoods. */
export type Normalization = "characters" | "tokens";

/** A multiple-choice question. */
export interface Question {
	/** The text that the choices continue. */
	readonly query: string;
	/** At least two. The choice follows the query after one space. */
	readonly choices: readonly string[];
	/** Index of the right choice, 0-based. */
	readonly gold: number;
}

/** `jsonl`: one question per line; `hellaswag`: the six-line text of `llama-perplexity --hellaswag`. Each is scored as by its program. */
export type QuestionFormat = "jsonl" | "hellaswag";

export interface QuestionFile {
	/** File name, without folders. */
	readonly name: string;
	readonly format: QuestionFormat;
	readonly questions: readonly Question[];
}

/**
 * Reads questions, with or without gzip. A text that begins with `{` is JSON Lines: one object per line with `query`, `choices` and `gold`,
 * or with these under `doc`; lines of one `doc_id` are one question. Otherwise it is the format of `llama-perplexity --hellaswag`
 * (tools/perplexity/perplexity.cpp): six lines per question, the context, the number of the right ending, and four endings.
 * @param limit number of questions from the beginning; all if undefined
 * @throws FileError, or InvalidQuestionsError that names file and line
 */
export async function readQuestions(path: string, limit?: number): Promise<QuestionFile> {
	const text = await readText(path);
	const json = text.trimStart().startsWith("{");
	const questions = (json ? parseLines(text, path) : parseHellaswag(text, path)).slice(0, limit);
	if (questions.length === 0) throw new InvalidQuestionsError(`${path} holds no question`);
	return { name: basename(path), format: json ? "jsonl" : "hellaswag", questions };
}

async function readText(path: string): Promise<string> {
	const bytes = await readInput(path, { what: "the questions", give: "JSON Lines or HellaSwag's text" });
	try {
		return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("utf8").replace(/^\uFEFF/, "");
	} catch (cause) {
		throw new FileError(`the questions ${path} cannot be read: ${(cause as Error).message}`, { cause });
	}
}

function parseLines(text: string, path: string): Question[] {
	const questions: Question[] = [];
	const seen = new Set<string>();
	for (const [i, line] of text.split("\n").entries()) {
		if (line.trim() === "") continue;
		const place = `${path}, line ${i + 1}`;
		const value = parseJson(line, place);
		const { doc, doc_id: id, task_name: task } = value;
		if (doc !== undefined) {
			// One line per request: each choice of a question has one, and sometimes a second one without the query.
			const key = JSON.stringify([task, id ?? doc]);
			if (seen.has(key)) continue;
			seen.add(key);
		}
		questions.push(asQuestion(doc ?? value, place));
	}
	return questions;
}

function parseJson(line: string, place: string): Record<string, unknown> {
	try {
		const value: unknown = JSON.parse(line);
		if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
	} catch (cause) {
		throw new InvalidQuestionsError(`${place}: not JSON. A file of questions must hold one JSON object per line.`, { cause });
	}
	throw new InvalidQuestionsError(`${place}: expected an object with "query", "choices" and "gold"`);
}

function asQuestion(value: unknown, place: string): Question {
	const { query, choices, gold } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
	if (typeof query !== "string") throw new InvalidQuestionsError(`${place}: "query" must be text`);
	if (!Array.isArray(choices) || choices.length < 2 || !choices.every((choice) => typeof choice === "string" && choice !== ""))
		throw new InvalidQuestionsError(`${place}: "choices" must be a list of at least two texts, none of them empty`);
	return checkGold({ query, choices: choices as string[], gold: gold as number }, place);
}

function checkGold(question: Question, place: string): Question {
	const { gold, choices } = question;
	if (Number.isInteger(gold) && gold >= 0 && gold < choices.length) return question;
	throw new InvalidQuestionsError(
		`${place}: the right choice must be a number from 0 to ${choices.length - 1}, got ${JSON.stringify(gold)}`,
	);
}

const HELLASWAG_LINES = 6;

function parseHellaswag(text: string, path: string): Question[] {
	if (text.trim() === "") return [];
	// llama.cpp's programs leave out one newline at the end of a text file (common/arg.cpp).
	const lines = text.replace(/\n$/, "").split("\n");
	if (lines.length % HELLASWAG_LINES !== 0) {
		throw new InvalidQuestionsError(
			`${path} holds ${lines.length} lines: expected JSON Lines, or six lines per question (context, number of the right ending, four endings)`,
		);
	}
	return Array.from({ length: lines.length / HELLASWAG_LINES }, (_, i) => {
		const [query = "", gold = "", ...choices] = lines.slice(i * HELLASWAG_LINES, (i + 1) * HELLASWAG_LINES);
		return checkGold(
			{ query, choices, gold: /^\s*\d+\s*$/.test(gold) ? Number(gold) : Number.NaN },
			`${path}, line ${i * HELLASWAG_LINES + 2}`,
		);
	});
}
