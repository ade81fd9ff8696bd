// What goes to a terminal, and was not written by us: names and keys in files, paths, llama.cpp's log lines.

/**
 * Characters that a terminal obeys instead of showing them: C0 (ESC among them) but for tab and newline, DEL, C1, marks that turn the
 * direction of text around, and Unicode's own ends of lines.
 */
const obeyed = /(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;
const obeyedOrBreaks = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/** Text in which such characters are written as JSON writes them: ESC becomes `\u001b`. So JSON stays the same document. */
export function printable(text: string): string {
	return text.replace(obeyed, escaped);
}

/**
 * The same of every string in a result, keys too; a tab or a newline in one would break a table or feign a line, so they are written
 * so as well. What is the same object stays the same object.
 */
export function printableData<T>(data: T): T {
	const done = new Map<object, unknown>();
	const clean = (value: unknown): unknown => {
		if (typeof value === "string") return value.replace(obeyedOrBreaks, escaped);
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

function escaped(character: string): string {
	return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A list or an object as JSON has them; of other objects (dates, typed arrays) none holds text. */
function isPlain(value: unknown): value is object {
	if (Array.isArray(value)) return true;
	return typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null);
}
