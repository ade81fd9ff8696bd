import { writeFileSync } from "node:fs";
import type { Question } from "../../src/model/evaluation/questions.js";
import { Random } from "../../src/game/random.js";
import type { Model } from "../../src/model/runtime/model.js";
import { fixtureWindows } from "./fixture.js";

/** Questions made from the fixture's own kind of text: how a passage continues, among pieces of other passages of similar length. */
export function madeUpQuestions(model: Model, count: number, choices = 4, seed = 1): Question[] {
	const random = new Random(seed);
	const { tokens } = fixtureWindows();
	const piece = (length: number) => {
		const at = Math.floor(random.uniform() * (tokens.length - length));
		return model
			.detokenize(tokens.subarray(at, at + length), { special: false })
			.replace(/\s+/g, " ")
			.trim();
	};
	return Array.from({ length: count }, () => {
		const query = piece(12 + Math.floor(random.uniform() * 30));
		const list = Array.from({ length: choices }, () => `${piece(4 + Math.floor(random.uniform() * 10))}.`);
		return { query, choices: list, gold: Math.floor(random.uniform() * choices) };
	});
}

export function writeQuestions(path: string, questions: readonly Question[]): string {
	writeFileSync(path, questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
	return path;
}

/** The format of `llama-perplexity --hellaswag`. */
export function writeHellaswag(path: string, questions: readonly Question[]): string {
	writeFileSync(path, questions.map(({ query, gold, choices }) => `${[query, gold, ...choices].join("\n")}\n`).join(""));
	return path;
}
