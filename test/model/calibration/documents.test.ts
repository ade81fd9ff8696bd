import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDocuments } from "../../../src/model/calibration/documents.js";
import { CalibrationError } from "../../../src/errors.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
let files = 0;
function file(name: string, content: string | Uint8Array): string {
	const path = join(folder, `${files++}-${name}`);
	writeFileSync(path, content);
	return path;
}

describe("readDocuments", () => {
	it("takes plain text as one document, as it stands", async () => {
		const text = "One.\r\n\r\nTwo \u{1F40B}.\n";
		expect(await readDocuments(file("a.txt", text))).toEqual([{ text }]);
		expect(await readDocuments(file("README", '{"text": 3}'))).toEqual([{ text: '{"text": 3}' }]);
	});

	it("takes each line of JSON Lines as a document, empty lines left out", async () => {
		const messages = [
			{ role: "user", content: "Hi" },
			{ role: "assistant", content: "Hello\nthere" },
		];
		const lines = [JSON.stringify({ text: "a\nb", other: 1 }), "", JSON.stringify({ messages }), JSON.stringify({ text: "" }), "  "];
		for (const end of ["\n", "\r\n"]) {
			expect(await readDocuments(file("a.JSONL", lines.join(end)))).toEqual([{ text: "a\nb" }, { messages }, { text: "" }]);
		}
		expect(await readDocuments(file("a.ndjson", '{"text":"x"}'))).toEqual([{ text: "x" }]);
	});

	it("does not take a byte order mark for text", async () => {
		expect(await readDocuments(file("a.txt", "\uFEFFabc"))).toEqual([{ text: "abc" }]);
		expect(await readDocuments(file("a.jsonl", '\uFEFF{"text":"abc"}\n'))).toEqual([{ text: "abc" }]);
	});

	it.each([
		["not JSON", "nonsense"],
		["a number", "3"],
		["null", "null"],
		["no field", "{}"],
		["a text that is none", '{"text": 3}'],
		["no messages", '{"messages": []}'],
		["a message without content", '{"messages": [{"role": "user"}]}'],
		["a list of text", '["text"]'],
	])("names the line of %s", async (_, line) => {
		const path = file("bad.jsonl", `{"text": "good"}\n\n${line}\n`);
		await expect(readDocuments(path)).rejects.toThrow(CalibrationError);
		await expect(readDocuments(path)).rejects.toThrow(`${path}, line 3`);
	});

	it.each([
		["empty.txt", ""],
		["blank.txt", " \n\t\n"],
		["mark.txt", "\uFEFF"],
		["empty.jsonl", ""],
		["blank.jsonl", "\n\n"],
		["nothing.jsonl", '{"text": " "}\n'],
	])("refuses a file without text: %s", async (name, content) => {
		await expect(readDocuments(file(name, content))).rejects.toThrow(/no text/);
	});

	it("refuses what is no text, no file, or not there", async () => {
		await expect(readDocuments(file("binary.txt", Buffer.from([65, 0, 66])))).rejects.toThrow(/not text/);
		await expect(readDocuments(folder)).rejects.toThrow(/is a folder, not a regular file: give plain text/);
		await expect(readDocuments(join(folder, "nowhere.txt"))).rejects.toThrow(CalibrationError);
	});

	it.skipIf(process.platform !== "linux")("reports a file that breaks while it is read", async () => {
		for (const name of ["broken.txt", "broken.jsonl"]) {
			const path = join(folder, name);
			symlinkSync("/proc/self/mem", path);
			await expect(readDocuments(path)).rejects.toThrow(CalibrationError);
		}
	});
});
