// Characters of texts by others that act instead of being seen: the one rule for the terminal, messages, pages and cards.

/**
 * Control characters (ESC, DEL and C1 among them), ends of lines, and marks that turn the direction of text around: all that ends a
 * line, or that a terminal obeys.
 */
const unseen = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/**
 * Text in which such characters are written as JSON writes them: ESC becomes `\u001b`. So JSON stays the same document.
 * @param kept those of them that stay as they are
 */
export function escapeUnseen(text: string, kept = ""): string {
	return text.replace(unseen, (character) =>
		kept.includes(character) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
