import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findAddon } from "../src/model/runtime/load-addon.js";
import { thorough } from "./helpers/slow.js";
import { tempFolder } from "./helpers/temp-folder.js";

// Commands and outputs of README and docs. `node scripts/docs-run/run.mjs --write` brings the outputs up to date.

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Pages whose commands and outputs are not up to date yet; "*": none is. */
const notYet: readonly string[] = ["*"];

interface Item {
	readonly kind: "command" | "output";
	readonly line: number;
	readonly command: string;
	readonly exits: readonly number[];
	readonly why?: string;
	readonly text?: string;
	readonly stream?: string;
	readonly sample?: boolean;
}
type Run = (command: string, place: unknown) => Promise<{ status: number; stdout: string; stderr: string }>;
interface PageRunner {
	open(page: string): Promise<unknown>;
	run: Run;
}

/** Scripts are plain JavaScript, so their types are said here. */
const script = async <T>(name: string) => (await import(new URL(`../scripts/docs-run/${name}.mjs`, import.meta.url).href)) as T;
const { itemsOf, commandsOf, withOutput } = await script<{
	itemsOf(page: string): Item[];
	commandsOf(block: string): { command: string; at: number }[];
	withOutput(page: string, output: Item, text: string): string;
}>("page");
const { difference, wordsToCompare } = await script<{
	difference(expected: string, got: string, options?: { sample: boolean }): string | undefined;
	wordsToCompare(text: string): string[];
}>("mask");
const { whyNot, isLarge } = await script<{ whyNot(command: string): string | undefined; isLarge(command: string): boolean }>("skips");
const { Runner, runPage, outputOf, sortItems, userPages } = await script<{
	Runner: new (root: string, base: string) => PageRunner;
	runPage(runner: PageRunner, file: string, page: string, options?: { large: boolean }): Promise<{ faults: string[]; text: string }>;
	outputOf(command: string): string | undefined;
	sortItems(items: Item[]): (Item & { large: boolean })[];
	userPages(root: string): string[];
}>("run");

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
	"```text",
	"not announced",
	"```",
].join("\n");

describe("a page", () => {
	it("has commands and outputs", () => {
		expect(itemsOf(page)).toMatchObject([
			{ kind: "command", line: 4, command: "npx prune-gguf model.gguf", exits: [0] },
			{ kind: "command", line: 5, command: "npx prune-gguf model.gguf out.gguf -n 3" },
			{ kind: "output", line: 12, command: "npx prune-gguf model.gguf out.gguf -n 3", stream: "stdout", sample: false },
			{ kind: "output", line: 20, command: "prune-gguf x", stream: "stderr", sample: true, exits: [0, 3] },
			{ kind: "command", line: 26, command: "prune-gguf y", why: "it suits larger models" },
		]);
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
	it("are the same where only time, speed and memory differ", () => {
		const expected =
			"Perplexity 20.22 -> 26.75\n[2/5] Searching 64/100 candidates, about 40 s (1 min in all)\nGeneration speed   1.31x (1.2 to 1.4)";
		const got =
			"Perplexity 20.22 -> 26.75\n[2/5] Searching 64/100 candidates, 7 min 33 s (2 h in all)\nGeneration speed   not measurable here";
		expect(difference(expected, got)).toBeUndefined();
		expect(difference("CPU, 2 threads", "CPU, 16 threads")).toBeUndefined();
		expect(difference("Time: 15 s", "Time: 1 min 3 s")).toBeUndefined();
		expect(difference("| prompt | x 1.28 ± 0.1 |", "| prompt | x 1.3 |")).toBeUndefined();
		expect(difference("2026-11-27 and 2026-11-27T10:00:00Z", "2027-01-01 and 2027-01-01T11:22:33.444Z")).toBeUndefined();
	});

	it("differ where a figure of quality or a size does", () => {
		expect(difference("Perplexity 20.22 -> 26.75", "Perplexity 20.22 -> 26.76")).toContain("20.22 -> 26.76");
		expect(difference("file size  2.7 MB", "file size  2.8 MB")).toBeDefined();
		expect(difference("blocks 3, 6", "blocks 3, 6, 10")).toBeDefined();
		expect(difference("a b", "a b c")).toBe("more is printed: c");
		expect(difference("a b c", "a b")).toContain('the command printed "a b"');
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

	it("are compared in words", () => {
		expect(wordsToCompare("Speed: generation x 1.31, prompt x 1.31\nblocks  12")).toEqual([
			"Speed:",
			"generation",
			"<measured>",
			"blocks",
			"12",
		]);
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
		"ollama create pruned -f Modelfile",
		"prune-gguf Qwen3-8B-Q8_0.gguf out.gguf -n 4",
	])("that cannot run here say why: %s", (command) => {
		expect(whyNot(command)).toMatch(/^it|^its/);
	});

	it("are run on the 12-block model, and on real ones where tests are thorough", () => {
		expect(whyNot("npx prune-gguf model.gguf out.gguf -n 4")).toBeUndefined();
		expect(isLarge("npx prune-gguf model.gguf out.gguf -n 4")).toBe(false);
		expect(isLarge("npx prune-gguf SmolLM2-135M-Instruct.Q4_1.gguf out.gguf -n 6")).toBe(true);
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
	const run = (results: Record<string, { status?: number; stdout?: string; stderr?: string }>): PageRunner => ({
		open: async () => ({}),
		run: async (command) => ({ status: 0, stdout: "", stderr: "", ...results[command] }),
	});

	it("are told what differs, and what it would have to say", async () => {
		const results = {
			"npx prune-gguf model.gguf": { status: 2, stderr: "error: wrong\n" },
			"npx prune-gguf model.gguf out.gguf -n 3": { stdout: "Removed 4 of 12 blocks.\n" },
			"prune-gguf x": { status: 3, stderr: "error: no\n" },
		};
		const { faults, text } = await runPage(run(results), "docs/x.md", page);
		expect(faults).toHaveLength(2);
		expect(faults[0]).toContain("docs/x.md:4: npx prune-gguf model.gguf\n  exit code 2, expected 0:\n  error: wrong");
		expect(faults[1]).toContain("docs/x.md:12:");
		expect(text).toBe(page.replace("Removed 3", "Removed 4"));
	});

	it("are there", () => {
		expect(userPages(ROOT)).toEqual(expect.arrayContaining(["README.md", "docs/getting-started.md"]));
	});
});

describe.skipIf(findAddon() === undefined)("the commands", () => {
	const runner = new Runner(ROOT, tempFolder());

	it.each(userPages(ROOT))(
		"of %s do what it says",
		async (file) => {
			const text = readFileSync(join(ROOT, file), "utf8");
			const items = sortItems(itemsOf(text)).filter(({ why, large }) => !why && (thorough || !large));
			if (items.length === 0 || notYet.includes("*") || notYet.includes(file)) return;
			expect(existsSync(join(ROOT, "dist", "cli", "main.js")), "run npm run build first").toBe(true);
			expect((await runPage(runner, file, text, { large: thorough })).faults).toEqual([]);
		},
		3_600_000,
	);
});
