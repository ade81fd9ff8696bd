import { escapeUnseen } from "../characters.js";

/** Characters of a text that a message shows. */
const most = 100;

/**
 * Text that a file holds (a key, a name, a value), for a message: a newline in it would feign a line of ours. Control characters, ends
 * of lines and marks that turn text around are written as JSON writes them.
 * @param longest characters, from which on it is cut
 */
export function shownText(text: string, longest = most): string {
	return escapeUnseen(cut(text, longest));
}

/** The same in quotes, for names that may be empty or hold spaces. */
export const quotedText = (text: string): string => escapeUnseen(JSON.stringify(cut(text, most)));

const cut = (text: string, longest: number) => (text.length > longest ? `${text.slice(0, longest)}...` : text);
