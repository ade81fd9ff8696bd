import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// The words and the style of all texts. `node scripts/prose/prose.mjs FILE` lists the faults of a file.

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Areas whose texts are not rewritten yet. */
const notYet: readonly string[] = [];

interface Passage {
	readonly line: number;
	readonly text: string;
	readonly counted: boolean;
}
interface Fault {
	readonly file: string;
	readonly line: number;
	readonly fault: string;
	readonly sentence: string;
}
interface Area {
	readonly name: string;
	readonly mean?: "page" | "area";
	readers(file: string): Readers;
}
type Readers = "users" | "developers" | "code";

/** Scripts are plain JavaScript, so their types are said here. */
const script = async <T>(name: string) => (await import(new URL(`../scripts/prose/${name}.mjs`, import.meta.url).href)) as T;
const { wrongWords, wordRules } = await script<{
	wrongWords(sentence: string, readers: Readers): { name: string; found: string }[];
	wordRules: { name: string }[];
}>("words");
const { sentencesOf, countWords } = await script<{
	sentencesOf(text: string): { text: string; line: number; words: number }[];
	countWords(sentence: string): number;
}>("sentences");
const { passagesOfMarkdown, unreleased } = await script<{
	passagesOfMarkdown(page: string, options?: { tables: boolean }): Passage[];
	unreleased(page: string): string;
}>("markdown");
const { passagesOfStrings, passagesOfComments } = await script<{
	passagesOfStrings(source: string, options: { least: number }): Passage[];
	passagesOfComments(source: string, options: { language: "ts" | "cpp" | "py"; docs?: boolean }): Passage[];
}>("source");
const { areas, filesOf } = await script<{ areas: readonly Area[]; filesOf(root: string, area: Area): string[] }>("areas");
const { checkPages, faultLine } = await script<{
	checkPages(area: Area, pages: { file: string; passages: Passage[] }[]): { faults: Fault[] };
	faultLine(fault: Fault): string;
}>("check");
const { checkArea } = await script<{ checkArea(root: string, area: Area): { faults: Fault[] } }>("prose");
const { exemptions } = await script<{ exemptions: readonly { file: string; word: string; why: string }[] }>("exemptions");

const names = (sentence: string, readers: Readers = "users") => wrongWords(sentence, readers).map(({ name }) => name);

describe("words that must go", () => {
	it.each([
		["The race (40 windows that no search has seen) cannot tell this set from 4, 9-10", ["no search has seen", "race", "set alone"]],
		["5 texts collapsed: loop", ["texts collapsed"]],
		["Not healed: --heal can make up for part of what the cuts cost", ["make up for"]],
		["perplexity rises by 119 %, and from double the model counts as damaged", ["counts as damaged"]],
		["Number of blocks to remove; which ones is found out", ["found out"]],
		["How many times as fast it shall be, such as 1.3; as few blocks go as reach that", ["shall"]],
		["What is kept small", ["what is kept"]],
		["Which blocks stand in for which", ["stand in for"]],
		["the validation fold could not tell 5 sets apart: they were measured on as much further text, which decided", ["fold", "tell apart"]],
		["Of the amount nothing is known yet: the most frees the least of the disk.", ["Of first"]],
		["Of a set that memory was too short for the next run may find another.", ["Of first", "set alone"]],
		["A mask costs a view, not a file.", ["mask"]],
		["the model's own samples, near ties and what was foretold", ["own samples", "foretold", "near tie"]],
		["whole models and the full model, by that which a yardstick says", ["whole model", "full model", "yardstick", "that which"]],
		["The set in the warning is the best; each set is healed, and no such set costs less", ["set alone", "set alone", "set alone"]],
		["no set of that size was found, and the best sets so far are kept", ["set alone", "set alone"]],
		["as if those blocks were gone", ["blocks gone"]],
		["Remove the six blocks that are missed least", ["blocks gone", "missed"]],
		["a quantised copy, by colour and neighbours, on the back end", ["back end", ...Array(3).fill("British spelling")]],
	])("are found: %s", (sentence, found) => {
		expect(names(sentence)).toEqual(found);
	});

	it.each([
		"Statistically tied on 40 validation windows: 4, 9-10",
		"5 of 10 samples newly get stuck in a loop",
		"--heal recovers part of the loss without training",
		"perplexity more than doubled: the model is damaged",
		"Number of blocks to remove (which ones is chosen automatically)",
		"Target speed-up, e.g. 1.3: removes the fewest blocks that reach it",
		"Metric to minimize",
		"Redundant blocks",
		"5 candidates were tied; compared again on twice the text",
		"The amount is not known yet, so assume the largest file.",
		"Do not cache a candidate that ran out of memory: a later run may have enough.",
		"Candidates are evaluated in memory; no file is written.",
	])("are not found: %s", (sentence) => {
		expect(names(sentence)).toEqual([]);
	});

	it("may be named as code, options, files and quotations", () => {
		expect(names('`fold`, --back-end cuda, src/race/race.ts, fold.report, {@link fold} and "the race"')).toEqual([]);
		expect(names("A set of blocks, all sets of 3 blocks, a limit that you set, and an option that sets it.")).toEqual([]);
		expect(names("With the outputs set to zero; -t sets the number, and each option sets one thing.")).toEqual([]);
		expect(names("Each split is two-fold, or k-fold; optimistic analyses raise the noise of organisms.")).toEqual([]);
	});

	it("may be words of the code in comments and developer pages", () => {
		expect(names("The race gates a mask by the ledger.", "code")).toEqual([]);
		expect(names("The race gates a mask by the ledger.", "developers")).toEqual([]);
		expect(names("Of the windows.", "code")).toEqual([]);
		expect(names("Of these, none is left.")).toEqual([]);
	});
});

describe("sentences", () => {
	const texts = (text: string) => sentencesOf(text).map(({ text: one }) => one);

	it("end where they do", () => {
		expect(texts("One block. Two blocks! Three?")).toEqual(["One block.", "Two blocks!", "Three?"]);
		expect(texts("It is written. llama.cpp loads it. (So it does.) Good.")).toEqual([
			"It is written.",
			"llama.cpp loads it.",
			"(So it does.)",
			"Good.",
		]);
	});

	it("do not end at abbreviations, decimals and names of files", () => {
		expect(texts("Take fewer, e.g. Two of them, or 1.3 times as many. See plan.json too.")).toEqual([
			"Take fewer, e.g. Two of them, or 1.3 times as many.",
			"See plan.json too.",
		]);
	});

	it("hold code spans whole", () => {
		expect(sentencesOf("Run `a b? C. d`. `x` follows.").map(({ text, words }) => [text, words])).toEqual([
			["Run `a b? C. d`.", 2],
			["`x` follows.", 2],
		]);
	});

	it("know their lines", () => {
		expect(sentencesOf("One that\ngoes on. Two.\nThree.").map(({ line }) => line)).toEqual([0, 1, 2]);
	});

	it("are counted by what stands between spaces", () => {
		expect(countWords("A self-generated text - 3,7-9 of 12 % (blocks).")).toBe(7);
	});
});

describe("passages", () => {
	it("of Markdown are paragraphs, items, headings and cells, without code", () => {
		const page =
			"# A title\n\nSome `code span` and [a link](x.md).\n\n```sh\nrace\n```\n\n- an item\n\n<!-- no -->\n\n| head |\n|---|\n| cell |\n";
		expect(passagesOfMarkdown(page)).toEqual([
			{ line: 1, text: "A title", counted: false },
			{ line: 3, text: "Some `code span` and a link.", counted: true },
			{ line: 9, text: "an item", counted: true },
			{ line: 13, text: "head", counted: false },
			{ line: 15, text: "cell", counted: false },
		]);
		expect(passagesOfMarkdown(page, { tables: false })).toHaveLength(3);
	});

	it("of a changelog are those of what is not released", () => {
		expect(unreleased("# Changelog\n\n## Unreleased\n\nNew.\n\n## 0.1.0\n\nOld.\n")).toBe("# Changelog\n\n## Unreleased\n\nNew.\n");
	});

	it("of a source are its texts, whole", () => {
		const source = [
			'import x from "a b c";',
			'const short = "two words";',
			// biome-ignore lint/suspicious/noTemplateCurlyInString: it is a source.
			"const long = `${short} says\n${[`what five words say here`]} and more <b>of</b> it`;",
			'const sum = "a sum of" + " some " + "literals and words";',
			"const page = html`<p>one two three four five</p>\n<p>six seven eight nine ten</p>`;",
		].join("\n");
		expect(passagesOfStrings(source, { least: 5 }).map(({ line, text }) => [line, text.replaceAll(/\s+/g, " ").trim()])).toEqual([
			[3, "X says X and more of it"],
			[4, "what five words say here"],
			[5, "a sum of some literals and words"],
			[6, "one two three four five"],
			[7, "six seven eight nine ten"],
		]);
	});

	it("of comments leave out what only looks like one", () => {
		const source =
			'const a = "// no"; // yes\n// and\n// on\nconst b = /[/]/; /** Doc.\n * @param x what it is\n * @example\n * code\n */\n';
		expect(passagesOfComments(source, { language: "ts" }).map(({ line, text }) => [line, text.trim()])).toEqual([
			[1, "yes"],
			[2, "and\n on"],
			[4, "Doc."],
			[5, "what it is"],
		]);
		expect(passagesOfComments(source, { language: "ts", docs: true })).toHaveLength(2);
		expect(passagesOfComments('char c = \'"\'; // "yes"\nauto s = "/* no */";', { language: "cpp" })).toHaveLength(1);
		expect(passagesOfComments("#!/bin/x\n# yes\nx = 1  # no\n", { language: "py" })).toHaveLength(1);
	});
});

describe("a page", () => {
	const docs = areas.find(({ name }) => name === "docs")!;
	const faultsOf = (text: string) => checkPages(docs, [{ file: "docs/x.md", passages: passagesOfMarkdown(text) }]).faults.map(faultLine);

	it("has no long sentences, and short ones on average", () => {
		expect(faultsOf(`${"word ".repeat(20)}end.`)).toEqual(["docs/x.md:1: 21.0 words a sentence on average, at most 20"]);
		expect(faultsOf(`Short.\n\n${"word ".repeat(30)}end.`)).toHaveLength(1);
		expect(faultsOf(`# ${"word ".repeat(31)}\n\nShort.`)).toEqual([]);
	});

	it("is told where a word stands", () => {
		expect(faultsOf("# Title\n\nA line\nof text. The fold is new.")).toEqual([
			'docs/x.md:4: "fold": write split (search, validation, held-out): The fold is new.',
		]);
	});
});

describe("this repository", () => {
	it("has the areas that are not rewritten yet, the scripts that users run, and exemptions that say why", () => {
		expect(areas.map(({ name }) => name)).toEqual(expect.arrayContaining([...notYet]));
		const messages = areas.find(({ name }) => name === "messages")!;
		expect(filesOf(ROOT, messages)).toEqual(
			expect.arrayContaining(["scripts/build-native.mjs", "scripts/demo.mjs", "scripts/fetch-llama.mjs"]),
		);
		const rules = wordRules.map(({ name }) => name);
		for (const { file, word, why } of exemptions) {
			expect(areas.flatMap((area) => filesOf(ROOT, area))).toContain(file);
			expect(rules).toContain(word);
			expect(why).not.toBe("");
		}
	});
});

describe("pages for users", () => {
	const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

	it.skipIf(notYet.includes("readme"))("README.md has at most 6,000 characters", () => {
		expect(read("README.md").length).toBeLessThanOrEqual(6000);
	});

	it("say once what a block is", () => {
		const pages = areas.filter(({ name }) => name === "docs" || name === "readme").flatMap((area) => filesOf(ROOT, area));
		expect(pages.filter((file) => !/\btransformer layers?\b/.test(read(file)))).toEqual([]);
	});

	it.skipIf(notYet.includes("docs"))("docs have at most 1,500 words a page", () => {
		const docs = areas.find(({ name }) => name === "docs")!;
		const long = filesOf(ROOT, docs)
			.map((file) => [file, read(file).trim().split(/\s+/).length] as const)
			.filter(([, words]) => words > 1500);
		expect(long).toEqual([]);
	});
});

describe.each(areas)("texts of the area $name", (area) => {
	it("are there", () => {
		expect(filesOf(ROOT, area)).not.toEqual([]);
	});

	it.skipIf(notYet.includes(area.name))("say it plainly", () => {
		expect(checkArea(ROOT, area).faults.map(faultLine)).toEqual([]);
	});
});
