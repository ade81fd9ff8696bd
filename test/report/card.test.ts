import { describe, expect, it } from "vitest";
import { cardText } from "../../src/report/card.js";
import { hostile, madeUpReport } from "../helpers/report.js";

describe("the model card", () => {
	const card = cardText(madeUpReport());

	it("says what was removed, what it costs and how it was made", () => {
		expect(card).toMatch(/^---\nlibrary_name: gguf\ntags:\n(?:- [a-z-]+\n)+---\n\n# made-up-135M\.Q4\\_1\.gguf\.out\n/);
		expect(card).toContain("without blocks 4-5, 14, 16-18. Nothing was trained afterwards.");
		expect(card).toContain("**Removed 6 of 30 blocks (4-5, 14, 16-18): 15.8 % fewer parameters");
		expect(card).toContain("| perplexity | 23.34 | 52.20 | x 2.24 ± 0.11 | x 2.01 to x 2.48 |");
		expect(card).toContain("| generation (tokens/s) | 41.2 | 50.1 | x 1.22 | 1.18 to 1.26 |");
		expect(card).toContain("Q3\\_K\\_L of the same size");
		expect(card).toContain("```sh\nprune-gguf 'made-up-135M.Q4_1.gguf' out.gguf --remove-blocks 6 --method auto\n```");
		expect(card).toContain("## How to run it\n\n```sh\nllama-cli -m made-up-135M.Q4_1.gguf.out\n```\n");
		expect(card).toContain("Memory is for 4,096 tokens of context.");
		expect(card).toContain("seed 0");
	});

	it("says that a speed could not be measured, and nothing of blocks that nobody removed", () => {
		const report = madeUpReport();
		const figures = report.speed!.figures.map((figure) =>
			figure.name === "prompt" ? { ...figure, interval: { low: 0.9, high: 1.3 } } : figure,
		);
		const { output, ...none } = { ...report, speed: { ...report.speed!, figures }, removal: { ...report.removal!, removed: [] } };
		const text = cardText(none);
		expect(text).toMatch(/^\| prompt \(tokens\/s\) \|.*\| not measurable here \| 0\.90 to 1\.30 \|$/m);
		expect(text).toContain("with every block kept. Nothing was trained afterwards.");
		expect(text).not.toMatch(/without (blocks|0)|\bnone\b/);
	});

	it("names a model without attention parts by what it lacks", () => {
		const { output, ...report } = madeUpReport();
		const named = (removed: number[]) => cardText({ ...report, removal: { ...report.removal!, removed } }).split("\n")[8];
		expect(named([4, 6.25, 7.25])).toMatch(/^# .* without 1 block and 2 attention parts$/);
		expect(named([4, 5])).toMatch(/ without 2 blocks$/);
	});

	it("is short", () => {
		expect(card.split("\n").length).toBeLessThan(56);
	});

	it("shows hostile names as text", () => {
		const bad = cardText(madeUpReport(`${hostile}\n\n# Heading\n\`\`\`\n- item`));
		const outside = bad
			.replace(/^(`{3,})sh\n[\s\S]*?\n\1$/gm, "")
			.replace(/(`+) .*? \1/g, "")
			.replace(/`[0-9a-f]{64}`/, "");
		expect(outside.match(/^#+ .*$/gm)!.map((line) => line.slice(0, 10))).toEqual([
			"# </title>".replace("<", "\\<").slice(0, 10),
			"## What it",
			"## How to ",
			"## How it ",
		]);
		// Every character that could begin a tag, a link, code or a column is escaped.
		expect(outside.replace(/^\|.*\|$/gm, "")).not.toMatch(/(?<!\\)[<[`|]/);
		const acting = cardText(madeUpReport("\u009B8m\u061C\u200F\u2028\u2029\u202E\u2066\u0007"));
		for (const card of [bad, acting]) expect(card).not.toMatch(/(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
	});
});
