import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	type Continuation,
	type ContinuationPair,
	checkPairs,
	distinctShare,
	languagesOf,
	loopOf,
	marksOf,
	scriptsOf,
} from "../../../src/model/evaluation/collapse.js";

/** Tokens that never repeat, then a piece so often. */
const looping = (start: number, piece: number[], times: number) => [
	...Array.from({ length: start }, (_, i) => 1000 + i),
	...Array.from({ length: times }, () => piece).flat(),
];
const written = (tokens: number[], text = "a calm text"): Continuation => ({ tokens, text });
const fresh = (n: number) => looping(n, [], 0);
const kindsOf = (continuation: Continuation, prompt = "Once upon a time") => marksOf(continuation, prompt).map(({ kind }) => kind);

describe("a loop", () => {
	it("is a piece that ends the text at least three times, 16 tokens or more", () => {
		expect(loopOf(looping(10, [1, 2, 3], 6))).toEqual({ period: 3, length: 18 });
		expect(loopOf(looping(10, [7], 16))).toEqual({ period: 1, length: 16 });
		expect(loopOf(looping(10, [7], 15))).toBeUndefined();
		expect(loopOf(looping(0, [1, 2, 3, 4, 5, 6, 7, 8, 9], 2))).toBeUndefined();
		expect(loopOf(looping(4, [1, 2, 3, 4, 5, 6, 7, 8, 9], 3))).toEqual({ period: 9, length: 27 });
	});

	it("may be cut in its last turn, and must be at the end", () => {
		expect(loopOf([...looping(5, [1, 2, 3, 4], 5), 1, 2])).toEqual({ period: 4, length: 22 });
		expect(loopOf([...looping(5, [1, 2, 3, 4], 5), 99])).toBeUndefined();
		expect(loopOf([])).toBeUndefined();
	});

	it("is found with its shortest piece wherever one was put (property)", () => {
		const piece = fc.uniqueArray(fc.nat(500), { minLength: 1, maxLength: 20 });
		fc.assert(
			fc.property(fc.nat(40), piece, fc.integer({ min: 3, max: 8 }), (start, tokens, times) => {
				const found = loopOf(looping(start, tokens, times));
				if (tokens.length * times < 16) expect(found).toBeUndefined();
				else expect(found).toEqual({ period: tokens.length, length: tokens.length * times });
			}),
		);
	});
});

describe("the marks of a text", () => {
	it("are none for a text that goes on", () => {
		expect(kindsOf(written(fresh(64)))).toEqual([]);
	});

	it("tell a loop from other repetition", () => {
		expect(kindsOf(written(looping(10, [1, 2, 3], 15)))).toEqual(["loop"]);
		const twice = [...Array.from({ length: 5 }, () => [1, 2, 3, 4, 5, 6]).flat(), 77, 78, 79];
		expect(distinctShare(twice, 3)).toBeLessThan(0.5);
		expect(kindsOf(written(twice))).toEqual(["repetition"]);
		expect(kindsOf(written(twice.slice(0, 12)))).toEqual([]);
	});

	it("call a text empty that nobody sees", () => {
		expect(marksOf(written([], ""), "x")).toEqual([{ kind: "empty", detail: "ends at once" }]);
		expect(kindsOf(written([1, 2], " \n\t"))).toEqual(["empty"]);
	});

	it("see letters that the prompt's scripts lack", () => {
		const tokens = fresh(30);
		expect(kindsOf(written(tokens, "and then она сказала ему"))).toEqual(["script"]);
		expect(kindsOf(written(tokens, "and then она сказала ему"), "Она сказала: hello")).toEqual([]);
		expect(kindsOf(written(tokens, "the word ура is Russian, and stands alone here"))).toEqual([]);
		expect(kindsOf(written(tokens, "12 + 30 = 42"))).toEqual([]);
		expect(kindsOf(written(tokens, "она сказала ему"), "1 + 2 =")).toEqual([]);
		// Japanese mixes its scripts.
		expect(kindsOf(written(tokens, "これはペンです、とても良い"), "日本語の文章")).toEqual([]);
		expect(kindsOf(written(tokens, "a\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDb"))).toEqual(["script"]);
	});

	it("see a language that is not the prompt's, where both are clear", () => {
		const english = "The council met on Monday to talk about the new school, which shall be built beside the river next year.";
		const french = "Le conseil a décidé de construire une nouvelle école près de la rivière, et les travaux vont commencer bientôt.";
		const german = "Die Antwort ist einfach: Wir gehen nach Hause, weil es regnet und niemand einen Schirm mitgenommen hat.";
		const tokens = fresh(30);
		expect(marksOf(written(tokens, french), english)).toEqual([
			{ kind: "language", detail: "it reads as French, and the prompt as English" },
		]);
		expect(kindsOf(written(tokens, english), french)).toEqual(["language"]);
		expect(kindsOf(written(tokens, german), german)).toEqual([]);
		expect(kindsOf(written(tokens, english), english)).toEqual([]);
		// Too short to show a language.
		expect(kindsOf(written(tokens, french.slice(0, 30)), english)).toEqual([]);
		expect(kindsOf(written(tokens, french), "Once upon a time")).toEqual([]);
		// Another script is said once.
		expect(
			kindsOf(written(tokens, "она сказала ему, что завтра они поедут в город, и он согласился, потому что давно хотел"), english),
		).toEqual(["script"]);
		expect(languagesOf("")).toEqual([]);
		expect(languagesOf(german)[0]).toEqual({ name: "German", likelihood: 1 });
	});

	it("count scripts by letters", () => {
		expect([...scriptsOf("Ab, Ωя 漢字 3")]).toEqual([
			["Latin", 2],
			["Greek", 1],
			["Cyrillic", 1],
			["Han", 2],
		]);
	});
});

describe("two models", () => {
	const good = written(fresh(64));
	const bad = written(looping(10, [1, 2, 3], 15));
	const pair = (before: Continuation, after: Continuation): ContinuationPair => ({ prompt: "Once", mode: "greedy", before, after });

	it("are compared by how often each is marked: what loops by itself is no news", () => {
		const { kinds, findings } = checkPairs([pair(bad, bad), pair(bad, good), pair(good, bad), pair(good, bad)]);
		expect(kinds.find(({ kind }) => kind === "loop")).toEqual({ kind: "loop", before: 2, after: 3, worse: false });
		expect(findings).toEqual([]);
	});

	it("differ where two texts more are marked, and only the new ones are named", () => {
		const { kinds, findings, marks } = checkPairs([pair(bad, bad), pair(good, bad), pair(good, bad), pair(good, good)]);
		expect(kinds.find(({ kind }) => kind === "loop")).toEqual({ kind: "loop", before: 1, after: 3, worse: true });
		expect(findings.map(({ kind, pair: at }) => [kind, at])).toEqual([
			["loop", 1],
			["loop", 2],
		]);
		expect(marks[0]!.before[0]!.detail).toBe("its last 45 tokens repeat a piece of 3");
	});

	it("need more texts where more were drawn", () => {
		const many = Array.from({ length: 30 }, (_, i) => pair(good, i < 4 ? bad : good));
		expect(checkPairs(many).findings).toEqual([]);
		expect(checkPairs(many.map((one, i) => (i === 4 ? pair(good, bad) : one))).findings.length).toBe(5);
	});
});
