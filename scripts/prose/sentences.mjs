// Sentences of a text, and their words.

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });

/** Words that end with a full stop and no sentence. */
const abbreviation = /(?:^|[\s("'])(?:e\.g|i\.e|etc|vs|cf|approx|resp|fig|sec|incl|et al)\.["')\]]*\s*$/i;

/** What a segmenter takes for the middle of a sentence, since a name such as llama.cpp begins the next one in lower case. */
const end = /(?<=[.!?]["'”’)\]*]*)\s+/;

/** Code spans hold no sentences and no words: what would end either is set to a place where Unicode has no letters, and back. */
const PRIVATE = 0xe000;
const closed = (text) =>
	text.replace(/`[^`]*`/g, (code) => code.replace(/[\s.!?]/g, (sign) => String.fromCharCode(PRIVATE + sign.charCodeAt(0))));
const opened = (text) => text.replace(/[\ue000-\ue0ff]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - PRIVATE));

/**
 * @param {string} text line breaks count as spaces
 * @returns {{ text: string, line: number, words: number }[]} sentences, with the line of the text that each begins on, counted from 0
 */
export function sentencesOf(text) {
	const flat = closed(text).replaceAll("\n", " ");
	const parts = [];
	for (const { segment, index } of segmenter.segment(flat)) {
		let at = index;
		for (const part of segment.split(end)) {
			const begin = flat.indexOf(part, at);
			at = begin + part.length;
			const last = parts.at(-1);
			if (last && abbreviation.test(last.text)) last.text = flat.slice(last.begin, at);
			else if (part.trim() !== "") parts.push({ begin: begin + part.search(/\S/), text: part });
		}
	}
	return parts.map(({ begin, text: part }) => ({
		text: opened(part).replaceAll(/\s+/g, " ").trim(),
		line: text.slice(0, begin).split("\n").length - 1,
		words: countWords(part),
	}));
}

/** Words: what stands between spaces and has a letter or a digit. `3,7-9` and `self-generated` are one each. */
export const countWords = (sentence) => sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
