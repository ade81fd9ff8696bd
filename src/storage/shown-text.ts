/** Characters of a text that a message shows. */
const most = 100;
/** What ends a line or is obeyed by a terminal. */
const unseen = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/**
 * Text that a file holds (a key, a name, a value), for a message: a newline in it would feign a line of ours. Control characters, ends
 * of lines and marks that turn text around are written as JSON writes them.
 * @param longest characters, from which on it is cut
 */
export function shownText(text: string, longest = most): string {
	return escaped(cut(text, longest));
}

/** The same in quotes, for names that may be empty or hold spaces. */
export const quotedText = (text: string): string => escaped(JSON.stringify(cut(text, most)));

const cut = (text: string, longest: number) => (text.length > longest ? `${text.slice(0, longest)}...` : text);

const escaped = (text: string) => text.replace(unseen, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
