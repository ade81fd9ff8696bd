import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { rowsOf } from "../src/api/options/table.js";
import { commandNames } from "../src/cli/command-list.js";
import { runCli } from "../src/cli/run.js";
import { exitCodes } from "../src/cli/exit.js";
import { reportSchema } from "../src/report/report-data.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
/** Pages below a folder, in its folders too. */
const pagesBelow = (folder: string) =>
	readdirSync(join(ROOT, folder), { recursive: true })
		.map((name) => `${folder}/${String(name).replaceAll("\\", "/")}`)
		.filter((name) => name.endsWith(".md"))
		.sort();
const developerPages = ["CONTRIBUTING.md", ...pagesBelow("docs/developers")];
const pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ...pagesBelow("docs")];

/** The script that writes the pages; it is plain JavaScript, so its type is declared here. */
async function cliMarkdown(): Promise<string> {
	const script = (await import(new URL("../scripts/docs.mjs", import.meta.url).href)) as {
		cliMarkdown(run: typeof runCli, rows: typeof rowsOf): Promise<string>;
	};
	return script.cliMarkdown(runCli, rowsOf);
}

describe("docs", () => {
	it("docs/report.schema.json is the code's schema", async () => {
		const script = (await import(new URL("../scripts/docs.mjs", import.meta.url).href)) as { reportJsonSchema(schema: unknown): string };
		const hint = "docs/report.schema.json is stale: npm run build && node scripts/docs.mjs";
		expect(read("docs/report.schema.json"), hint).toBe(script.reportJsonSchema(reportSchema));
	});

	it("docs/api-reference.md is what the types say", async () => {
		const script = (await import(new URL("../scripts/api-reference/reference.mjs", import.meta.url).href)) as {
			apiReference(root: string): string;
		};
		expect(read("docs/api-reference.md"), "docs/api-reference.md is stale: npm run docs").toBe(script.apiReference(ROOT));
		// The compiler reads all sources: six seconds of a core, minutes where others have it.
	}, 600_000);

	it("docs/api-reference.md has functions first, with links to their options and results", () => {
		const page = read("docs/api-reference.md");
		const parts = [...page.matchAll(/^## (.*)$/gm)].map((match) => match[1]);
		expect(parts.slice(0, 3)).toEqual(["Jobs", "Options", "Results"]);
		expect(parts.at(-1)).toBe("Errors");
		expect(page).toContain("Types: [`PruneOptions`](#pruneoptions), [`PruneResult`](#pruneresult).");
		expect(page).toMatch(/^\| `InvalidGgufError` \| `INVALID_GGUF` \| A file is not a GGUF file/m);
	});

	it("docs/developers/architecture.md has the imports of today", async () => {
		const script = (await import(new URL("../scripts/docs.mjs", import.meta.url).href)) as { architecturePage(): string };
		const hint = "the picture in docs/developers/architecture.md is stale: npm run docs";
		expect(read("docs/developers/architecture.md"), hint).toBe(script.architecturePage());
	});

	// A page about one folder names its files without the folder.
	const known = ["src", "native", "scripts", "test", "docs", "vendor/llama.cpp/src"].flatMap((folder) =>
		readdirSync(join(ROOT, folder), { recursive: true }).map((path) => `/${folder}/${String(path).replaceAll("\\", "/")}`),
	);
	const built = ["dist/", "build/", "build/tools/", "prebuilds/", "cmake/", ".cache/"];
	it.each(developerPages)("%s names files that there are", (page) => {
		const named = [...read(page).matchAll(/`([\w-]+(?:\/[\w-]+)*(?:\.(?:ts|mjs|cpp|h)|\/))`/g)].map((match) => match[1]!);
		const lost = named.filter(
			(name) => !built.includes(name) && !known.some((path) => `/${path}/`.includes(`/${name.replace(/\/$/, "")}/`)),
		);
		expect(lost).toEqual([]);
	});

	it("docs/cli.md is what --help says", async () => {
		expect(read("docs/cli.md"), "docs/cli.md is stale: npm run build && node scripts/docs.mjs").toBe(await cliMarkdown());
	});

	it("docs/cli.md has every command", () => {
		const headings = [...read("docs/cli.md").matchAll(/^## prune-gguf ?(.*)$/gm)].map((match) => match[1]);
		expect(headings).toEqual(expect.arrayContaining(["", ...commandNames]));
	});

	it.each(pages)("links of %s lead somewhere", (page) => {
		const links = [...read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map((match) => match[1]!);
		const broken = links.filter((link) => {
			const [path = "", anchor] = link.split("#");
			const target = path === "" ? page : join(dirname(page), path);
			return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchorsOf(read(target)).includes(anchor));
		});
		expect(broken).toEqual([]);
	});

	// What a run draws and measures goes to the cache, whatever else it writes. The other pages tell of other things.
	it.each(pages.filter((page) => !/CHANGELOG|conformance|api-reference/.test(page)))(
		"%s says of no command that it writes nothing",
		(page) => {
			expect(
				/.{0,30}(writes? nothing|nothing ((but|except|besides|else|more)\b[^.;:]{0,60} )?(is|was) written)/i.exec(
					read(page).replaceAll(/\s+/g, " "),
				)?.[0],
			).toBeUndefined();
		},
	);

	it("the pages that list exit codes have those of the code", () => {
		const lists = pages.filter((page) => /^\| exit code \|/im.test(read(page)));
		expect(lists).not.toEqual([]);
		for (const page of lists) {
			const codes = [...read(page).matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
			expect(codes, page).toEqual(Object.values(exitCodes));
		}
	});

	it("options that the pages name exist", () => {
		const known = new Set([...read("docs/cli.md").matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option));
		const foreign = pages
			.filter((page) => page !== "docs/cli.md" && page !== "CHANGELOG.md")
			.flatMap((page) => commandsIn(read(page)).flatMap((line) => [...line.matchAll(/(?<=\s)--[a-z][a-z-]*/g)].map(([option]) => option)))
			.filter((option) => !known.has(option));
		expect(foreign).toEqual([]);
	});
});

/** Lines of code that call prune-gguf. */
function commandsIn(text: string): string[] {
	return [...text.matchAll(/(?:^|`)[^`\n]*\bprune-gguf .*$/gm)].map(([line]) => line);
}

/** Anchors of headings, as Markdown viewers make them. */
function anchorsOf(text: string): string[] {
	return [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
		match[1]!
			.toLowerCase()
			.replace(/[^\p{L}\p{N} -]/gu, "")
			.replaceAll(" ", "-"),
	);
}
