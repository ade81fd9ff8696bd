// What of an output varies from run to run, and how two outputs are compared.

const NUMBER = /[-+±≈~]?\d[\d.,]*(?:e[-+]?\d+)?/g;

/** The row of a speed: figures, change, interval and verdict go together. Memory is counted, not measured, so its rows are exact. */
const speedRow = /^([\s|]*(?:generation|prompt)(?:\s+speed)?(?:\s+\(tokens\/s\))?[\s|]+)(?:[x×≈~]\s*)?(?:\d|not measurable).*$/i;

const interval = String.raw`(?:\s*±\s*\d[\d.]*)?(?:\s*\(\d[\d.,]* to \d[\d.,]*\))?`;

/** A change of speed in running text, with its interval. */
const change = new RegExp(
	String.raw`\b((?:generation|prompt|speed|speed-up)(?:\s+speed)?:?\s+)(?:[x×≈~]\s*\d[\d.]*|\d[\d.]*x)${interval}`,
	"gi",
);

/** Tokens per second. */
const rate = new RegExp(String.raw`[≈~]?\d[\d.,]*${interval}\s*(?:tokens\/s|tok\/s|t\/s|tokens per second)`, "g");

const threads = /\b\d+ threads?\b/g;

/** Times: "15 s", "7 min 33 s", "about 2 h". */
const time = /(?:about |under |less than )?\b\d[\d.,]*\s?(?:ms|s|sec|seconds?|min|minutes?|h|hours?)\b(?:\s\d[\d.]*\s?(?:s|min)\b)*/g;

/** A line, wrapped or not, that appears where other programs disturb a measurement. */
const unclear = /^The speed is unclear:\s+close\s+other\s+programs,\s+run\s+prune-gguf\s+speed\s+\S+\s+(?:--remove\s+)?\S+\.$\n?/gm;

/** Blocks as they are written: 3, 7-9, 12f-15a. */
const blocks = /\b\d+[fa]?(?:-\d+[fa]?)?(?:, \d+[fa]?(?:-\d+[fa]?)?)*/g;

/** What is said only where a half-block cut was chosen, wrapped or not. */
const halfBlock = /^\d+f-\d+a is a half-block cut:[\s\S]*?is\s+one\s+block\.\n?/gm;

/** What is said only where candidates tied with the chosen one, wrapped or not. */
const tied = /^Statistically tied on [\s\S]*?(?=^\S+: )/gm;

const date = /\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?Z?)?)?/g;

/** What a line says whatever the machine and the day. */
function maskLine(line) {
	return line
		.replace(date, "<date>")
		.replace(speedRow, "$1<measured>")
		.replace(time, "<time>")
		.replace(rate, "<measured>")
		.replace(change, "$1<measured>")
		.replace(threads, "<threads>");
}

/**
 * @param {string} text
 * @param {{ sample?: boolean }} options sample: only words are compared, since another processor
 * draws another text, on which other blocks may be the best
 * @returns {string[]} what is compared: words, so that it does not matter where a line is wrapped
 */
export function wordsToCompare(text, { sample = false } = {}) {
	return (sample ? text.replace(halfBlock, "").replace(tied, "") : text)
		.replace(unclear, "")
		.split("\n")
		.map(maskLine)
		.map((line) => (sample ? line.replace(blocks, "#").replace(NUMBER, "#") : line))
		.join(" ")
		.split(/\s+/)
		.filter((word) => word !== "" && !/^[-=─]+$/.test(word));
}

/** A measured figure: a number with decimals, and signs around it. Sizes and shares follow from the file, so they are exact. */
const figure = /^([(+-]*)(\d[\d,]*\.\d+)([).,;:]*)$/;
const exactUnits = /^(?:[kMGT]?i?B|M|%)\b|^%/;

/**
 * Whether two words say the same. Another processor rounds otherwise, and then may write another text to measure on: figures of quality
 * may differ by a twentieth or by 0.02, whole percents by 3.
 */
function same(expected, got, i, j) {
	const [a, b, unit = ""] = [expected[i], got[j], expected[i + 1]];
	if (a === b) return true;
	if (/^%[.,;:]?$/.test(unit) && /^\d+$/.test(a) && /^\d+$/.test(b)) return Math.abs(a - b) <= 3;
	const [one, other] = [figure.exec(a), figure.exec(b)];
	if (!one || !other || one[1] !== other[1] || one[3] !== other[3] || exactUnits.test(unit)) return false;
	const [x, y] = [one[2], other[2]].map((text) => Number(text.replaceAll(",", "")));
	return Math.abs(x - y) <= Math.max(0.02, 0.05 * Math.max(x, y));
}

/**
 * Lines of the expected text that are "..." stand for any text.
 * @returns {string | undefined} the first difference, in words
 */
export function difference(expected, got, options = {}) {
	const parts = expected.split(/^[ \t]*(?:\.{3}|…)[ \t]*$/m).map((part) => wordsToCompare(part, options));
	const words = wordsToCompare(got, options);
	let at = 0;
	for (const [index, part] of parts.entries()) {
		const first = index === 0;
		const last = index === parts.length - 1;
		const places = first ? [0] : last ? [words.length - part.length] : range(at, words.length - part.length);
		const found = places.find((place) => place >= at && part.every((_, i) => same(part, words, i, place + i)));
		if (found === undefined) return explain(part, words.slice(first ? 0 : last ? Math.max(at, words.length - part.length) : at));
		at = found + part.length;
	}
	return at === words.length ? undefined : `more is printed: ${words.slice(at, at + 8).join(" ")}`;
}

const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

function explain(expected, got) {
	const place = expected.findIndex((_, i) => !same(expected, got, i, i));
	const around = (words) => words.slice(Math.max(0, place - 3), place + 4).join(" ") || "nothing";
	return `the page says "${around(expected)}", the command printed "${around(got)}"`;
}
