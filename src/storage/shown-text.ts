/** Characters of a text that a message shows. */
const most = 100;
/** What ends a line or is obeyed by a terminal. */
const unseen = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/**
 * Text that a file holds (a key, a name, a value), for a message: a newline in it would feign a line of ours. Control characters, ends
 * of lines and marks that turn text around are written as JSON writes them, and what is longer than 100 characters is cut.
 */
export function shownText(text: string): string {
	return escaped(cut(text));
}

/** The same in quotes, for names that may be empty or hold spaces. */
export const quotedText = (text: string): string => escaped(JSON.stringify(cut(text)));

const cut = (text: string) => (text.length > most ? `${text.slice(0, most)}...` : text);

const escaped = (text: string) => text.replace(unseen, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
