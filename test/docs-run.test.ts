import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findAddon } from "../src/model/runtime/load-addon.js";
import { itemsOf, pagesOf, Runner, runPage, sortItems } from "./helpers/docs-run.js";
import { thorough } from "./helpers/slow.js";
import { tempFolder } from "./helpers/temp-folder.js";

// Commands and outputs of README and docs. `node scripts/docs-run/run.mjs --write` brings the outputs up to date.

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folders = tempFolder();
/** Pages whose commands take long together: only test:full runs them. */
const LONG = new Set(
	[
		"getting-started",
		"recipes",
		"choosing",
		"calibration",
		"attention",
		"large-models",
		"pruning-or-quantizing",
		"research/evaluation",
	].map((name) => `docs/${name}.md`),
);
const pages = pagesOf(ROOT).map((file) => ({ file, text: readFileSync(join(ROOT, file), "utf8") }));

describe("pages", () => {
	it("are there", () => {
		expect(pagesOf(ROOT)).toEqual(expect.arrayContaining(["README.md", "docs/getting-started.md", "docs/research/compare.md"]));
	});

	// Whoever adds a command that is not run sees it here, and says why in scripts/docs-run/skips.mjs or on the page.
	it("leave out no more commands than these", () => {
		const items = pages
			.flatMap(({ file, text }) => sortItems(itemsOf(text)).map((item) => ({ ...item, file })))
			.filter(({ command }) => command !== undefined);
		const count = (reasons: (string | undefined)[]) => {
			const counts: Record<string, number> = {};
			for (const reason of reasons) if (reason) counts[reason] = (counts[reason] ?? 0) + 1;
			return counts;
		};
		expect(count(items.map(({ why }) => why))).toEqual({
			"it compiles llama.cpp, which the tests have done": 12,
			"it has a word to fill in": 2,
			"it installs, builds or tests this checkout, which has happened": 15,
			"it is about the shell of who reads it": 1,
			"it is another program's": 10,
			"it is run in the checkout, by who works on it": 20,
			"it needs a model in F16": 1,
			"it needs the files of the example": 1,
			"its model is not here": 1,
		});
		// Run by test:full only.
		const left = items.filter(({ why }) => !why);
		expect(count(left.map(({ full }) => full))).toEqual({
			"a page has its like": 39,
			"a search with thorough effort, and healing": 1,
			"it compares numbers of blocks": 6,
			"it heals": 4,
			"it measures many combinations": 5,
			"it measures the speed several times": 5,
			"it quantizes": 8,
			"it ranks attention parts": 1,
			"it runs many methods": 3,
			"it searches for a given time": 2,
			"it tries several sizes": 2,
			"its model is larger than the 12-block one": 2,
		});
		expect(count(left.filter(({ file, full }) => !full && !LONG.has(file)).map(({ kind }) => kind))).toEqual({ command: 14 });
	});
});

describe.skipIf(findAddon() === undefined)("the commands", () => {
	const runner = new Runner(ROOT, folders);
	const runnable = ({ file, text }: { file: string; text: string }) =>
		!LONG.has(file) && sortItems(itemsOf(text)).some(({ command, why, full }) => command && !why && (thorough || !full));

	it.each(pages.filter((one) => thorough || runnable(one)))(
		"of $file do what it says",
		async ({ file, text }) => {
			expect(existsSync(join(ROOT, "dist", "cli", "main.js")), "run npm run build first").toBe(true);
			expect((await runPage(runner, file, text, { full: thorough })).faults).toEqual([]);
		},
		3_600_000,
	);

	it("are told when the page shows something else", async () => {
		const inspect = (blocks: number) =>
			["<!-- output: prune-gguf inspect model.gguf -->", "```text", "...", `blocks        ${blocks}, numbered 0 to 11`, "...", "```"].join(
				"\n",
			);
		expect((await runPage(runner, "made-up.md", inspect(12))).faults).toEqual([]);
		const { faults } = await runPage(runner, "made-up.md", inspect(13));
		expect(faults).toHaveLength(1);
		expect(faults[0]).toContain('made-up.md:2: prune-gguf inspect model.gguf\n  the page says "blocks 13, numbered');
		const failing = await runPage(runner, "made-up.md", "```sh\nnpx prune-gguf inspect model.gguf --no-such-option\n```");
		expect(failing.faults[0]).toContain("exit code 2, expected 0");
	});
});
