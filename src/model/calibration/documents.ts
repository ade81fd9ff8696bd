import { CalibrationError } from "../../errors.js";
import { openInput } from "../../storage/input-file.js";
import type { ChatMessage } from "../runtime/chat.js";

/** A piece of calibration text: prose, or a chat that the model's template writes out. */
export type CalibrationDocument = { text: string } | { messages: ChatMessage[] };

/** Text beyond this is not read: it is far more than any number of windows needs. */
const maxCharacters = 64 * 2 ** 20;

/**
 * Reads a calibration file. If the name ends in `.jsonl` or `.ndjson` it is JSON Lines: each line is an object with a string `text`, or
 * with `messages` of {role, content}. Otherwise it is plain text (one document).
 * @throws CalibrationError that names file and line
 */
export async function readDocuments(path: string): Promise<CalibrationDocument[]> {
	const documents = /\.(jsonl|ndjson)$/i.test(path) ? await readJsonLines(path) : [{ text: (await readBeginning(path)).text }];
	if (documents.every((document) => "text" in document && document.text.trim() === "")) {
		throw new CalibrationError(`the calibration file ${path} holds no text: give plain text or JSON Lines`);
	}
	return documents;
}

/** The beginning of a file, at most `maxCharacters` and a few more; `cut` if the file is longer. */
async function readBeginning(path: string): Promise<{ text: string; cut: boolean }> {
	const kind = { what: "the calibration file", give: "plain text or JSON Lines", Failure: CalibrationError };
	const { handle } = await openInput(path, kind);
	let text = "";
	let cut = false;
	try {
		// The stream closes the file.
		for await (const chunk of handle.createReadStream({ encoding: "utf8" }) as AsyncIterable<string>) {
			cut = text.length > maxCharacters;
			if (cut) break;
			text += chunk;
		}
	} catch (cause) {
		throw new CalibrationError(`the calibration file ${path} cannot be read: ${(cause as Error).message}`, { cause });
	}
	if (text.includes("\0")) throw new CalibrationError(`${path} is not text (it holds zero bytes); give plain text or JSON Lines`);
	return { text: text.replace(/^\uFEFF/, ""), cut };
}

async function readJsonLines(path: string): Promise<CalibrationDocument[]> {
	const { text, cut } = await readBeginning(path);
	const lines = text.split("\n");
	// The last line of a cut text is incomplete.
	if (cut) lines.pop();
	return lines.flatMap((line, i) => (line.trim() === "" ? [] : [parseLine(line, `${path}, line ${i + 1}`)]));
}

function parseLine(line: string, place: string): CalibrationDocument {
	let value: unknown;
	try {
		value = JSON.parse(line);
	} catch (cause) {
		throw new CalibrationError(`${place}: not JSON. A .jsonl file must hold one JSON object per line.`, { cause });
	}
	if (typeof value === "object" && value !== null) {
		if ("text" in value && typeof value.text === "string") return { text: value.text };
		if ("messages" in value && isMessages(value.messages)) return { messages: value.messages };
	}
	throw new CalibrationError(`${place}: expected an object with a string "text", or with "messages" of {"role", "content"}`);
}

function isMessages(value: unknown): value is ChatMessage[] {
	return (
		Array.isArray(value) &&
		value.length > 0 &&
		value.every(
			(message) =>
				typeof message === "object" && message !== null && typeof message.role === "string" && typeof message.content === "string",
		)
	);
}
