// Whether a text that a model wrote says something about it: loops, broken bytes and scripts that nobody began do not. Pure.

/** Tokens in a run that is looked for again. */
const RUN = 4;
/** Share of the runs of a text that stand in it before, above which it is a loop. */
const MOST_REPEATED = 0.5;
/** Share of letters of scripts that the opening does not have, above which a continuation is foreign to it. */
const MOST_FOREIGN = 0.3;
/** Share of replacement characters (bytes that are no text) above which a text is broken. */
const MOST_BROKEN = 0.05;

/** Whether more than half of the runs of four tokens stand in the text before. */
export function isLoop(tokens: ArrayLike<number>): boolean {
	const seen = new Set<string>();
	let repeated = 0;
	const runs = tokens.length - RUN + 1;
	for (let at = 0; at < runs; at++) {
		const run = Array.from({ length: RUN }, (_, i) => tokens[at + i]).join();
		if (seen.has(run)) repeated++;
		seen.add(run);
	}
	return runs > 0 && repeated > MOST_REPEATED * runs;
}

const scripts = ["Latin", "Cyrillic", "Greek", "Han", "Hiragana", "Katakana", "Hangul", "Arabic", "Hebrew", "Devanagari", "Thai"] as const;
const letters = /\p{L}/gu;
const inScript = scripts.map((script) => new RegExp(`\\p{Script=${script}}`, "u"));
const OTHER = scripts.length;

/**
 * Whether more than three in ten letters of a continuation are of scripts that its opening has none of. Latin letters are never foreign: names,
 * units and code stand in every text. Han and both kana count as one.
 */
export function isForeign(opening: string, continuation: string): boolean {
	const at = (letter: string) => {
		const script = inScript.findIndex((one) => one.test(letter));
		return script < 0 ? OTHER : scripts[script] === "Hiragana" || scripts[script] === "Katakana" ? scripts.indexOf("Han") : script;
	};
	const known = new Set([scripts.indexOf("Latin"), ...(opening.match(letters) ?? []).map(at)]);
	const written = continuation.match(letters) ?? [];
	return written.filter((letter) => !known.has(at(letter))).length > MOST_FOREIGN * written.length;
}

const REPLACED = "\uFFFD";
/** The bytes of one character that the ends of a window may cut off. */
const CUT = 3;
const cutEnds = new RegExp(`^${REPLACED}{0,${CUT}}|${REPLACED}{0,${CUT}}$`, "g");

/** Whether more than one in twenty characters stand for bytes that are no text. A character that an end of the text cuts through does not count. */
export function isBroken(text: string): boolean {
	const characters = Array.from(text.replace(cutEnds, ""));
	return characters.filter((character) => character === REPLACED).length > MOST_BROKEN * characters.length;
}
