// What goes to a terminal, and was not written by us: names and keys in files, paths, llama.cpp's log lines.
import { escapeUnseen } from "../characters.js";

/** Text in which characters that a terminal obeys are escaped, but for tabs and newlines. */
export function printable(text: string): string {
	return escapeUnseen(text, "\t\n");
}

/**
 * The same of every string in a result, keys too; a tab or a newline in one would break a table or feign a line, so they are written
 * so as well. What is the same object stays the same object.
 */
export function printableData<T>(data: T): T {
	const done = new Map<object, unknown>();
	const clean = (value: unknown): unknown => {
		if (typeof value === "string") return escapeUnseen(value);
		if (!isPlain(value)) return value;
		let copy = done.get(value);
		if (copy === undefined) {
			copy = Array.isArray(value)
				? value.map(clean)
				: Object.fromEntries(Object.entries(value).map(([key, item]) => [clean(key), clean(item)]));
			done.set(value, copy);
		}
		return copy;
	};
	return clean(data) as T;
}

/** A list or an object as JSON has them; of other objects (dates, typed arrays) none holds text. */
function isPlain(value: unknown): value is object {
	if (Array.isArray(value)) return true;
	return typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null);
}
