import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { FileError, InvalidQuestionsError } from "../../../src/errors.js";
import { readQuestions } from "../../../src/model/evaluation/questions.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
let files = 0;
const write = (content: string | Uint8Array) => {
	const path = join(folder, `questions-${files++}`);
	writeFileSync(path, content);
	return path;
};
const question = { query: "The sky is", choices: ["blue.", "made of tin."], gold: 0 };
const other = { query: "Water is", choices: ["dry.", "wet.", "loud."], gold: 1 };
const lines = (...values: unknown[]) => `${values.map((value) => JSON.stringify(value)).join("\n")}\n`;
const hellaswag = "A man sits\n2\nflies.\nsinks.\nstands up.\nmelts.\nThe dog\n0\nbarks.\nreads.\nsings.\ncooks.\n";

describe("questions", () => {
	it("are read from JSON Lines, a question a line", async () => {
		const file = await readQuestions(write(lines({ ...question, id: 7 }, other)));
		expect(file).toMatchObject({ format: "jsonl", questions: [question, other] });
		expect((await readQuestions(write(lines(question, other)), 1)).questions).toEqual([question]);
	});

	it("are read from requests, of which a question has several, packed or not", async () => {
		const requests = [question, other].flatMap((doc, id) =>
			doc.choices.flatMap((choice, idx) =>
				[doc.query, "Answer:"].map((context) => ({
					doc,
					doc_id: id,
					idx,
					label: doc.gold,
					request: { context, continuation: ` ${choice}` },
				})),
			),
		);
		for (const content of [lines(...requests), gzipSync(lines(...requests))])
			expect((await readQuestions(write(content))).questions).toEqual([question, other]);
		const twoTasks = [
			{ doc: question, doc_id: 0, task_name: "a" },
			{ doc: other, doc_id: 0, task_name: "b" },
		];
		expect((await readQuestions(write(lines(...twoTasks)))).questions).toEqual([question, other]);
		expect((await readQuestions(write(lines({ doc: question }, { doc: other }, { doc: question })))).questions).toEqual([question, other]);
	});

	it("are read from the text of HellaSwag", async () => {
		expect(await readQuestions(write(hellaswag))).toMatchObject({
			format: "hellaswag",
			questions: [
				{ query: "A man sits", choices: ["flies.", "sinks.", "stands up.", "melts."], gold: 2 },
				{ query: "The dog", choices: ["barks.", "reads.", "sings.", "cooks."], gold: 0 },
			],
		});
	});

	it.each<[string, string, RegExp]>([
		["nothing", "", /holds no question/],
		["lines that are not six a question", "a\n0\nb\n", /holds 3 lines: expected JSON Lines, or six lines per question/],
		["an ending that is not there", hellaswag.replace("\n2\n", "\n4\n"), /line 2: the right choice must be a number from 0 to 3, got 4/],
		["an ending that is no number", hellaswag.replace("\n0\n", "\nfirst\n"), /line 8: the right choice/],
		["broken JSON", `${lines(question)}{"query": `, /line 2: not JSON/],
		["no query", lines({ choices: ["a", "b"], gold: 0 }), /line 1: "query" must be text/],
		["one choice", lines({ ...question, choices: ["a"] }), /line 1: "choices" must be a list of at least two/],
		["an empty choice", lines({ ...question, choices: ["a", ""] }), /"choices" must be/],
		["no gold", lines({ ...question, gold: undefined }), /from 0 to 1, got undefined/],
		["gold beyond the choices", lines({ doc: { ...question, gold: 2 } }), /from 0 to 1, got 2/],
	])("refuse %s", async (_, content, message) => {
		const failed = readQuestions(write(content));
		await expect(failed).rejects.toThrow(InvalidQuestionsError);
		await expect(failed).rejects.toThrow(message);
	});

	it("that are not there are a file error", async () => {
		await expect(readQuestions(join(folder, "nowhere.jsonl"))).rejects.toThrow(FileError);
		await expect(readQuestions(write(Uint8Array.of(0x1f, 0x8b, 1)))).rejects.toThrow(FileError);
	});
});
