// Faults that perplexity hides: a text that runs in a loop, repeats itself, changes its script or language, or is empty. Pure: it reads
// texts and draws none.
import { francAll } from "franc-min";

/** What can be wrong with a continuation. */
export const collapseKinds = ["loop", "repetition", "script", "language", "empty"] as const;
export type CollapseKind = (typeof collapseKinds)[number];

/** What a model wrote after a prompt. */
export interface Continuation {
	/** Without an end-of-generation token. */
	readonly tokens: ArrayLike<number>;
	readonly text: string;
}

/** What is wrong with one continuation. */
export interface Mark {
	readonly kind: CollapseKind;
	/** For people. */
	readonly detail: string;
}

/** Longest piece that counts as a loop, tokens. */
const longestLoop = 20;
/** A loop repeats its piece at least so many times at the end of the text, and over at least so many tokens. */
const loopTurns = 3;
const loopTokens = 16;

/**
 * The repeated piece at the end of a text.
 * @returns tokens in the piece and in the repeated part, or undefined if the end does not repeat
 */
export function loopOf(tokens: ArrayLike<number>): { period: number; length: number } | undefined {
	const n = tokens.length;
	for (let period = 1; period <= longestLoop && loopTurns * period <= n; period++) {
		let length = period;
		while (length < n && tokens[n - 1 - length] === tokens[n - 1 - length + period]) length++;
		if (length >= Math.max(loopTurns * period, loopTokens)) return { period, length };
	}
	return undefined;
}

/** Share of the n-grams of a text that do not repeat an earlier one (distinct-n, Li et al. 2016); 1 if there are none. */
export function distinctShare(tokens: ArrayLike<number>, n: number): number {
	const all = tokens.length - n + 1;
	if (all < 1) return 1;
	const seen = new Set<string>();
	for (let i = 0; i < all; i++) seen.add(Array.from({ length: n }, (_, k) => tokens[i + k]).join());
	return seen.size / all;
}

/** Below this share of distinct trigrams a text counts as repeating itself, if it has so many tokens. */
const leastDistinct = 0.5;
const repetitionTokens = 24;

const scripts = [
	...["Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Kannada", "Malayalam", "Gujarati"],
	...["Gurmukhi", "Sinhala", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan", "Georgian", "Armenian", "Ethiopic", "Mongolian", "Hangul"],
	...["Hiragana", "Katakana", "Han"],
].map((name) => ({ name, letter: new RegExp(`\\p{Script=${name}}`, "u") }));
const letter = /\p{L}/u;

/** Letters of a text by Unicode script; those of a rare one count as `other`. */
export function scriptsOf(text: string): Map<string, number> {
	const counts = new Map<string, number>();
	for (const character of text) {
		if (!letter.test(character)) continue;
		const script = scripts.find((one) => one.letter.test(character))?.name ?? "other";
		counts.set(script, (counts.get(script) ?? 0) + 1);
	}
	return counts;
}

/** Scripts that are written together are one. */
const family = (script: string) => (script === "Hiragana" || script === "Katakana" || script === "Han" ? "Han and kana" : script);

/** A text changes its script with at least so many letters, and this share of them, in scripts that the prompt does not use. */
const foreignLetters = 8;
const foreignShare = 0.2;
/** Share of characters that are not valid UTF-8. */
const brokenShare = 0.1;

/** What is wrong with a continuation of a prompt. A loop also repeats itself, which is not reported again. */
export function marksOf({ tokens, text }: Continuation, prompt: string): Mark[] {
	if (text.trim() === "") return [{ kind: "empty", detail: tokens.length === 0 ? "ends at once" : "writes nothing visible" }];
	const marks: Mark[] = [];
	const loop = loopOf(tokens);
	const distinct = distinctShare(tokens, 3);
	if (loop) marks.push({ kind: "loop", detail: `its last ${loop.length} tokens repeat a piece of ${loop.period}` });
	else if (tokens.length >= repetitionTokens && distinct < leastDistinct)
		marks.push({ kind: "repetition", detail: `${Math.round(100 * distinct)} % of its trigrams are new` });
	const script = foreignScript(text, prompt);
	const language = script === undefined ? foreignLanguage(text, prompt) : undefined;
	if (script !== undefined) marks.push({ kind: "script", detail: script });
	if (language !== undefined) marks.push({ kind: "language", detail: language });
	return marks;
}

/** Fewer letters than this do not show a language. */
const languageLetters = 60;
/** A language with this probability relative to the most likely one (1) may be meant, too. */
const clearly = 0.9;

/**
 * Probabilities of languages, the most likely one first with 1 (trigrams, the 82 most spoken ones); empty if there are too few letters.
 * Names are in English.
 */
export function languagesOf(text: string): { name: string; likelihood: number }[] {
	const letters = [...text].filter((character) => letter.test(character)).length;
	if (letters < languageLetters) return [];
	return francAll(text)
		.filter(([code]) => code !== "und")
		.map(([code, likelihood]) => ({ name: languageNames.of(code) ?? code, likelihood }));
}
const languageNames = new Intl.DisplayNames(["en"], { type: "language" });

function foreignLanguage(text: string, prompt: string): string | undefined {
	// Related languages are hard to distinguish, so any overlap of the likely ones counts as the same language.
	const [own, found] = [prompt, text].map((one) => languagesOf(one).filter(({ likelihood }) => likelihood > clearly));
	if (own!.length === 0 || found!.length === 0 || found!.some(({ name }) => own!.some((one) => one.name === name))) return undefined;
	return `it reads as ${found![0]!.name}, and the prompt as ${own![0]!.name}`;
}

function foreignScript(text: string, prompt: string): string | undefined {
	const characters = [...text];
	const broken = characters.filter((character) => character === "\uFFFD").length;
	if (broken >= foreignLetters && broken / characters.length > brokenShare) return `${broken} characters are not valid text`;
	const usual = new Set([...scriptsOf(prompt).keys()].map(family));
	// A prompt without letters implies no script.
	if (usual.size === 0) return undefined;
	const counts = scriptsOf(text);
	const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
	const foreign = [...counts].filter(([script]) => !usual.has(family(script)));
	const letters = foreign.reduce((sum, [, count]) => sum + count, 0);
	if (letters < foreignLetters || letters / all <= foreignShare) return undefined;
	return `${Math.round((100 * letters) / all)} % of its letters are ${foreign.map(([script]) => script).join(" and ")}, which the prompt does not use`;
}

/** Both models after one prompt. */
export interface ContinuationPair {
	readonly prompt: string;
	readonly mode: "greedy" | "sampled";
	readonly before: Continuation;
	readonly after: Continuation;
}

export interface CollapseFinding {
	readonly kind: CollapseKind;
	/** Index of the pair. */
	readonly pair: number;
	readonly detail: string;
}

export interface KindCount {
	readonly kind: CollapseKind;
	/** Number of texts of the original and of the pruned model with this mark. */
	readonly before: number;
	readonly after: number;
	/** Whether it counts as a change: see {@link checkPairs}. */
	readonly worse: boolean;
}

/** A change needs at least so many texts more than before, and this share of all: a single text may be chance. */
const moreTexts = 2;
const moreShare = 0.15;

/**
 * Compares the two models, kind by kind. Small models loop by themselves with greedy decoding. So a kind is a change only if at least two
 * texts more, and 15 % of all, have it than before.
 * @returns the count of each kind, the marks of every text, and the texts that are newly marked by a kind that changed
 */
export function checkPairs(pairs: readonly ContinuationPair[]): {
	kinds: KindCount[];
	marks: { before: Mark[]; after: Mark[] }[];
	findings: CollapseFinding[];
} {
	const marks = pairs.map(({ prompt, before, after }) => ({ before: marksOf(before, prompt), after: marksOf(after, prompt) }));
	const has = (list: readonly Mark[], kind: CollapseKind) => list.some((mark) => mark.kind === kind);
	const least = Math.max(moreTexts, moreShare * pairs.length);
	const kinds = collapseKinds.map((kind) => {
		const before = marks.filter((one) => has(one.before, kind)).length;
		const after = marks.filter((one) => has(one.after, kind)).length;
		return { kind, before, after, worse: after - before >= least };
	});
	const findings = kinds
		.filter(({ worse }) => worse)
		.flatMap(({ kind }) =>
			marks.flatMap(({ before, after }, pair) => {
				const mark = has(before, kind) ? undefined : after.find((one) => one.kind === kind);
				return mark ? [{ kind, pair, detail: mark.detail }] : [];
			}),
		);
	return { kinds, marks, findings };
}
