// What is wrong with a text: words that must go, and long sentences.
import { exemptions } from "./exemptions.mjs";
import { sentencesOf } from "./sentences.mjs";
import { wrongWords } from "./words.mjs";

/** Words that a sentence may have. */
export const LONGEST = 30;
/** Words that a sentence may have on average over a page. */
export const MEAN = 20;

/** @typedef {{ file: string, line: number, fault: string, sentence: string }} Fault */

/**
 * @param {import("./areas.mjs").Area} area whose rules hold
 * @param {{ file: string, passages: import("./markdown.mjs").Passage[] }[]} pages
 * @returns {{ faults: Fault[], figures: { file: string, words: number, sentences: number, mean: number }[] }} figures: of each page
 */
export function checkPages(area, pages) {
	const faults = [];
	const figures = pages.map(({ file, passages }) => {
		let words = 0;
		let sentences = 0;
		for (const { line, text, counted } of passages)
			for (const sentence of sentencesOf(text)) {
				const count = sentence.words;
				const place = { file, line: line + sentence.line, sentence: sentence.text };
				faults.push(...wordFaults(place, area.readers(file)));
				if (!counted || !area.mean || count === 0) continue;
				words += count;
				sentences++;
				if (count > LONGEST) faults.push({ ...place, fault: `${count} words in a sentence, at most ${LONGEST}` });
			}
		return { file, words, sentences, mean: words / Math.max(1, sentences) };
	});
	return { faults: [...faults, ...meanFaults(area, figures)], figures };
}

function wordFaults(place, readers) {
	return wrongWords(place.sentence, readers)
		.filter(({ name }) => !exemptions.some((one) => one.word === name && one.file === place.file && place.sentence.includes(one.says)))
		.map(({ found, write }) => ({ ...place, fault: `"${found}": write ${write}` }));
}

function meanFaults(area, figures) {
	const words = figures.reduce((sum, one) => sum + one.words, 0);
	const sentences = figures.reduce((sum, one) => sum + one.sentences, 0);
	const whole = { file: `(${area.name})`, mean: words / Math.max(1, sentences) };
	const held = { page: figures, area: [whole] };
	return (held[area.mean] ?? [])
		.filter(({ mean }) => mean > MEAN)
		.map(({ file, mean }) => ({ file, line: 1, fault: `${mean.toFixed(1)} words a sentence on average, at most ${MEAN}`, sentence: "" }));
}

/** @param {Fault} fault */
export const faultLine = ({ file, line, fault, sentence }) => `${file}:${line}: ${fault}${sentence ? `: ${sentence}` : ""}`;
