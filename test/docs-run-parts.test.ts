import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
	briefly,
	commandsOf,
	difference,
	itemsOf,
	missingFigures,
	outputOf,
	type PageRunner,
	runPage,
	whyFull,
	whyNot,
	withOutput,
	wordsToCompare,
} from "./helpers/docs-run.js";
import { tempFolder } from "./helpers/temp-folder.js";

// How the commands and outputs of a page are found, run and compared, on a page that is made up.

const folders = tempFolder();

const page = [
	"# Page",
	"",
	"```sh",
	"npx prune-gguf model.gguf   # looks",
	"npx prune-gguf model.gguf out.gguf \\",
	"  -n 3",
	"",
	"# a comment",
	"```",
	"",
	"<!-- output: npx prune-gguf model.gguf out.gguf -n 3 -->",
	"```text",
	"$ npx prune-gguf model.gguf out.gguf -n 3",
	"Removed 3 of 12 blocks.",
	"```",
	"",
	"<!-- exits: 0, 3 -->",
	"<!-- sample output stderr: prune-gguf x -->",
	"",
	"```text",
	"error: no",
	"```",
	"",
	"<!-- not run: it suits larger models -->",
	"```sh",
	"prune-gguf y",
	"```",
	"",
	"<!-- test:full: it takes minutes -->",
	"<!-- in tests: 3.5GB=2MB, 9=3 -->",
	"```sh",
	"prune-gguf z.gguf --target-size 3.5GB",
	"```",
	"",
	"<!-- file: a/b.json -->",
	"```json",
	"{}",
	"```",
	"",
	"<!-- not an output: a path -->",
	"```text",
	"~/x",
	"```",
	"",
	"```text",
	"not announced",
	"```",
	"",
	"```text",
	"Usage: prune-gguf <model>",
	"    prune-gguf",
	"Examples:",
	"  Look:",
	"    prune-gguf model.gguf --target-size 3.5GB",
	"```",
	"",
	"Type `npx prune-gguf --help`; `prune-gguf apply` and `prune-gguf apply <model>` are names.",
	"",
	"| a | `prune-gguf rank x.gguf` |",
	"|---|---|",
	"",
	"<!-- figures: prune-gguf x.gguf -->",
	"| | before |",
	"|---|---|",
	"| size | 2 MB |",
].join("\n");

describe("a page", () => {
	it("has commands and outputs", () => {
		expect(itemsOf(page)).toMatchObject([
			{ kind: "command", line: 4, command: "npx prune-gguf model.gguf", exits: [0] },
			{ kind: "command", line: 5, command: "npx prune-gguf model.gguf out.gguf -n 3" },
			{ kind: "output", line: 12, command: "npx prune-gguf model.gguf out.gguf -n 3", stream: "stdout", sample: false },
			{ kind: "output", line: 20, command: "prune-gguf x", stream: "stderr", sample: true, exits: [0, 3] },
			{ kind: "command", line: 26, command: "prune-gguf y", why: "it suits larger models" },
			{
				kind: "command",
				command: "prune-gguf z.gguf --target-size 3.5GB",
				slow: "it takes minutes",
				instead: [
					["3.5GB", "2MB"],
					["9", "3"],
				],
			},
			{ kind: "file", name: "a/b.json", text: "{}\n" },
			{ kind: "unmarked", line: 45 },
			{ kind: "command", line: 54, command: "prune-gguf model.gguf --target-size 3.5GB", slow: "a page has its like", fresh: true },
			{ kind: "command", line: 57, command: "npx prune-gguf --help", exits: [0] },
			{ kind: "command", line: 59, command: "prune-gguf rank x.gguf" },
			{ kind: "figures", command: "prune-gguf x.gguf", text: "| | before |\n|---|---|\n| size | 2 MB |" },
		]);
		expect(itemsOf(page)).toHaveLength(12);
		expect(itemsOf(page)[2]!.text).toBe("Removed 3 of 12 blocks.");
	});

	it("keeps everything but the text of an output that is replaced", () => {
		const [, , output, failing] = itemsOf(page);
		expect(withOutput(page, output!, "Removed 4.\n")).toBe(page.replace("Removed 3 of 12 blocks.", "Removed 4."));
		expect(withOutput(page, failing!, "a\nb\n\n")).toBe(page.replace("error: no", "a\nb"));
	});

	it("has commands of several lines", () => {
		expect(commandsOf("a \\\n  --b \\\n  c\nd '#e'\n# f")).toEqual([
			{ command: "a --b c", at: 0 },
			{ command: "d '#e'", at: 3 },
		]);
	});
});

describe("outputs", () => {
	it("are the same where only times, speeds and threads differ", () => {
		const expected =
			"Perplexity 20.22 -> 26.75\n[2/5] Searching 64/100 candidates, about 40 s (1 min in all)\nGeneration speed   1.31x (1.2 to 1.4)";
		const got =
			"Perplexity 20.22 -> 26.75\n[2/5] Searching 64/100 candidates, 7 min 33 s (2 h in all)\nGeneration speed   not measurable here";
		expect(difference(expected, got)).toBeUndefined();
		expect(difference("CPU, 2 threads", "CPU, 16 threads")).toBeUndefined();
		expect(difference("Time: 15 s", "Time: 1 min 3 s")).toBeUndefined();
		expect(difference("| prompt | x 1.28 ± 0.1 |", "| prompt | x 1.3 |")).toBeUndefined();
		const row = "generation (tokens/s)      3112      4045  x 1.30 (1.26 to 1.35)";
		expect(difference(row, "generation (tokens/s)  94.5 (86.5 to 96.7)  115  not measurable here (0.98 to 1.31)")).toBeUndefined();
		expect(difference("a prompt at 252 tokens/s", "a prompt at 1,192 (1,100 to 1,200) tokens/s")).toBeUndefined();
		expect(difference("2026-11-27 and 2026-11-27T10:00:00Z", "2027-01-01 and 2027-01-01T11:22:33.444Z")).toBeUndefined();
	});

	it("differ where a figure of quality or a size does", () => {
		expect(difference("Perplexity 20.22 -> 26.75", "Perplexity 20.22 -> 28.76")).toContain("20.22 -> 28.76");
		expect(difference("rises by 37 %", "rises by 41 %")).toBeDefined();
		expect(difference("share -23.4 %", "share -23.5 %")).toBeDefined();
		expect(difference("file size  2.7 MB", "file size  2.8 MB")).toBeDefined();
		expect(difference("memory  5.3 MB  4.5 MB  -15.6 %", "memory  5.3 MB  4.6 MB  -15.6 %")).toContain("4.6 MB");
		expect(difference("memory  5.3 MB  4.5 MB  -15.6 %", "memory  5.3 MB  4.5 MB  -15.7 %")).toContain("-15.7 %");
		expect(difference("Memory is for 256 tokens of context.", "Memory is for 512 tokens of context.")).toBeDefined();
		expect(difference("after a prompt of 32 tokens", "after a prompt of 64 tokens")).toBeDefined();
		expect(difference("speed x 1.31, perplexity 20.22", "speed x 1.40, perplexity 28.76")).toContain("28.76");
		expect(difference("CPU, 2 threads; memory for 256 tokens", "CPU, 4 threads; memory for 512 tokens")).toBeDefined();
		expect(difference("blocks 3, 6", "blocks 3, 6, 10")).toBeDefined();
		expect(difference("a b", "a b c")).toBe("more is printed: c");
		expect(difference("a b c", "a b")).toContain('the command printed "a b"');
	});

	it("are the same where another processor rounds otherwise", () => {
		expect(difference("perplexity 18.32 25.11 x 1.37 ± 0.02", "perplexity 18.45 24.90 x 1.35 ± 0.03")).toBeUndefined();
		expect(difference("rises by 37 %. Up to 10.5 % counts", "rises by 35 %. Up to 10.5 % counts")).toBeUndefined();
	});

	it("are the same where only lines are wrapped otherwise, or rules are drawn", () => {
		expect(difference("one two\nthree\n-----", "one  two three\n---")).toBeUndefined();
	});

	it("may leave out lines", () => {
		expect(difference("first\n...\nlast", "first\nsecond\nthird\nlast")).toBeUndefined();
		expect(difference("first\n...", "first\nsecond")).toBeUndefined();
		expect(difference("...\nmiddle\n...\nlast", "a\nmiddle\nb\nlast")).toBeUndefined();
		expect(difference("first\n...\nlast", "first\nsecond")).toBeDefined();
		expect(difference("first\n...\nlast", "zero\nfirst\nlast")).toBeDefined();
	});

	it("of samples are compared by their words", () => {
		expect(difference("removed 3, 6 of 12", "removed 4, 9 of 30", { sample: true })).toBeUndefined();
		expect(difference("removed 3 of 12", "kept 3 of 12", { sample: true })).toBeDefined();
	});

	it("are the same without the line that other programs cause", () => {
		const table =
			"KV cache  9.0 MB  6.8 MB  -25.0 %\nThe speed is unclear: close other programs, run prune-gguf speed\na/model.gguf out/demo.gguf.\nPerplexity";
		expect(difference("KV cache  9.0 MB  6.8 MB  -25.0 %\nPerplexity", table)).toBeUndefined();
	});

	it("of a sample are the same with and without tied candidates, which another text has", () => {
		const end = "ranges are 95 % intervals.\n";
		const tied = "Statistically tied on up to 20 validation windows: 4, 9-10; 3, 6, 10; 2,\n9-10\n";
		const verified = "Verified: llama.cpp computes bit for bit\n";
		expect(difference(end + verified, end + tied + verified, { sample: true })).toBeUndefined();
		expect(difference(end + tied + verified, end + verified, { sample: true })).toBeUndefined();
		expect(difference(end + verified, end + tied + verified)).toContain("Statistically");
		expect(difference(end + verified, `${end + tied}Report: x\n${verified}`, { sample: true })).toContain("Report:");
	});

	it("are compared in words", () => {
		expect(wordsToCompare("Speed: generation x 1.31, prompt x 1.31\nblocks  12")).toEqual([
			"Speed:",
			"generation",
			"<measured>,",
			"prompt",
			"<measured>",
			"blocks",
			"12",
		]);
	});
});

describe("a sample of an output", () => {
	const page = "Removed 3 of 12 blocks: 3, 6, 10.\nCostly: perplexity rises by 37 %.";

	it("is like that of a machine on which other blocks are the best", () => {
		const note =
			"2f-3a is a half-block cut: from the feed-forward part of block 2 to the\nattention part of block 3. What is left of these two blocks is one block.\n";
		const other = `Removed 3 of 12 blocks: 2f-3a, 6-7.\n${note}Costly: perplexity rises by 12 %.`;
		expect(difference(page, other, { sample: true })).toBeUndefined();
		expect(difference(page, other)).toBeDefined();
	});

	it("has other words where something else is said", () => {
		expect(difference(page, page.replace("Costly", "Damaged"), { sample: true })).toContain("Damaged");
	});
});

describe("figures of a table", () => {
	const table = [
		"| | original | pruned | change |",
		"|---|---:|---:|---:|",
		"| perplexity (any text) | 18.32 | 25.11 | x 1.37 |",
		"| generation speed | | | x 1.20 |",
		"| memory | | | -15.6 % |",
		"| KV cache | | | -25.0 % |",
	].join("\n");
	const output = [
		"                       original    pruned  change",
		"perplexity                18.32     25.11  x 1.37",
		"generation (tokens/s)      3112      4045  x 1.30 (1.26 to 1.35)",
		"memory                   5.3 MB    4.5 MB  -15.6 %",
		"KV cache               786.4 kB  589.8 kB  -25.0 %",
	].join("\n");

	it("stand in the output", () => {
		expect(missingFigures(table, output)).toBeUndefined();
		expect(missingFigures(table.replace("25.11", "35.11"), output)).toContain("perplexity (any text) | 18.32 | 35.11");
		// Another text: both perplexities are higher by a quarter.
		expect(missingFigures(table.replace("18.32", "22.90").replace("25.11", "31.39"), output)).toBeUndefined();
		expect(missingFigures(table.replace("18.32", "45.80").replace("25.11", "62.78"), output)).toContain("perplexity (any text) | 45.80");
		expect(missingFigures(table.replace("-25.0", "-20.0"), output)).toContain("KV cache | -20.0 %");
		expect(missingFigures(table.replace("-15.6", "-10.9"), output)).toContain("memory | -10.9 %");
		expect(missingFigures(table.replace("KV cache", "disk"), output)).toContain("no such line");
	});
});

describe("commands", () => {
	it.each([
		"npx prune-gguf build",
		"npx prune-gguf build --backend cuda",
		"npm ci && npm run demo",
		"git clone https://example.com/x",
		"llama-cli -m out.gguf",
		"npx prune-gguf model.gguf out.gguf -n 4 -ngl 99",
		"prune-gguf apply model.gguf out.gguf --plan FILE",
		"RECORD=1 node scripts/test.mjs test/x",
		"ollama create pruned -f Modelfile",
		"prune-gguf Qwen3-8B-Q8_0.gguf out.gguf -n 4",
	])("that cannot run here say why: %s", (command) => {
		expect(whyNot(command)).toMatch(/^it|^its/);
	});

	it("are run on the 12-block model, and on real ones where tests are thorough", () => {
		expect(whyNot("npx prune-gguf model.gguf out.gguf -n 4")).toBeUndefined();
		expect(whyFull("npx prune-gguf model.gguf out.gguf -n 4")).toBeUndefined();
		expect(whyFull("npx prune-gguf SmolLM2-135M-Instruct.Q4_1.gguf out.gguf -n 6")).toContain("larger");
		expect(whyFull("npx prune-gguf model.gguf out.gguf --target-speedup 1.3")).toContain("speed");
	});

	it("measure little where no page shows what they print", () => {
		expect(briefly("npx prune-gguf model.gguf")).toBe("npx prune-gguf model.gguf --windows 4 --window-length 32 --max-evaluations 20");
		expect(briefly("prune-gguf model.gguf out.gguf -n 4 --heal > x")).toBe(
			"prune-gguf model.gguf out.gguf -n 4 --heal=1024 > x --windows 4 --window-length 32 --max-evaluations 20 --no-speed --no-samples",
		);
		for (const command of ["prune-gguf apply model.gguf out.gguf --heal=5s", "prune-gguf inspect model.gguf", "prune-gguf runs"])
			expect(briefly(command)).toBe(command);
	});

	it("write the second model of the main job and of apply", () => {
		expect(outputOf("npx prune-gguf model.gguf out.gguf -n 4")).toBe("out.gguf");
		expect(outputOf("prune-gguf prune model.gguf out/x.gguf")).toBe("out/x.gguf");
		expect(outputOf("prune-gguf apply model.gguf out.gguf --plan p.json")).toBe("out.gguf");
		for (const command of ["prune-gguf model.gguf", "prune-gguf speed model.gguf out.gguf", "prune-gguf model.gguf --against out.gguf"])
			expect(outputOf(command)).toBeUndefined();
	});
});

describe("pages", () => {
	it("name the commands whose real model is not here: as faults if the models must be there", async () => {
		const asked: string[] = [];
		const runner: PageRunner = {
			open: async () => ({ folder: folders, missing: ["gemma-3-270m.Q4_K_M.gguf"] }),
			run: async (command) => {
				asked.push(command);
				return { status: 0, stdout: "", stderr: "" };
			},
		};
		const commands = ["npx prune-gguf gemma-3-270m.Q4_K_M.gguf", "npx prune-gguf SmolLM2-135M-Instruct.Q4_1.gguf"];
		const text = ["```sh", ...commands, "```"].join("\n");
		const named = ["docs/x.md:2: npx prune-gguf gemma-3-270m.Q4_K_M.gguf\n  gemma-3-270m.Q4_K_M.gguf: not here"];
		expect(await runPage(runner, "docs/x.md", text, { full: true, needed: false })).toMatchObject({ faults: [], skipped: named });
		expect(await runPage(runner, "docs/x.md", text, { full: true, needed: true })).toMatchObject({ faults: named, skipped: [] });
		expect(asked).toEqual([commands[1], commands[1]]);
		expect(await runPage(runner, "docs/x.md", text)).toMatchObject({ faults: [], skipped: [] });
	});

	const run = (results: Record<string, { status?: number; stdout?: string; stderr?: string }>): PageRunner => {
		const folder = mkdtempSync(join(folders, "page-"));
		mkdirSync(join(folder, "a"));
		return {
			open: async () => ({ folder, missing: [] }),
			run: async (command) => ({ status: 0, stdout: "", stderr: "", ...results[command] }),
		};
	};

	it("are told what differs, and what it would have to say", async () => {
		const results = {
			[briefly("npx prune-gguf model.gguf")]: { status: 2, stderr: "error: wrong\n" },
			"npx prune-gguf model.gguf out.gguf -n 3": { stdout: "Removed 4 of 12 blocks.\n" },
			"prune-gguf x": { status: 3, stderr: "error: no\n" },
			"prune-gguf x.gguf": { stdout: "size  3 MB\n" },
		};
		const { faults, text } = await runPage(run(results), "docs/x.md", page);
		expect(faults).toHaveLength(4);
		expect(faults[0]).toContain("docs/x.md:45: a block of text that is no output");
		expect(faults[1]).toContain("docs/x.md:4: npx prune-gguf model.gguf\n  exit code 2, expected 0:\n  error: wrong");
		expect(faults[2]).toContain("docs/x.md:12:");
		expect(faults[3]).toContain("size | 2 MB");
		expect(text).toBe(page.replace("Removed 3", "Removed 4"));
	});

	it("run what is slow only where tests are thorough, with what the tests take for its sizes", async () => {
		const asked: string[] = [];
		const { open } = run({});
		const runner: PageRunner = {
			open,
			run: async (command) => {
				asked.push(command);
				return { status: 0, stdout: "", stderr: "" };
			},
		};
		await runPage(runner, "docs/x.md", page);
		expect(asked.join()).not.toContain("z.gguf");
		expect(asked).toContain(
			"npx prune-gguf model.gguf out.gguf -n 3 --windows 4 --window-length 32 --max-evaluations 20 --no-speed --no-samples",
		);
		asked.length = 0;
		await runPage(runner, "docs/x.md", page, { full: true });
		expect(asked).toContain("prune-gguf z.gguf --target-size 2MB");
		expect(asked).not.toContain(
			"npx prune-gguf model.gguf out.gguf -n 3 --windows 4 --window-length 32 --max-evaluations 20 --no-speed --no-samples",
		);
		expect(asked).not.toContain("prune-gguf y");
	});
});
