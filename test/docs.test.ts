import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Nodes } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { describe, expect, it } from "vitest";
import { rowsOf } from "../src/api/options/table.js";
import { commandNames } from "../src/cli/command-list.js";
import { runCli } from "../src/cli/run.js";
import { exitCodes } from "../src/cli/exit.js";
import { reportSchema } from "../src/report/report-data.js";
import { commandsOf } from "./helpers/docs-run.js";

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

/** Pages for who uses the program: all of their code is about it, but for {@link foreign} options. */
const userPages = pages.filter((page) => !developerPages.includes(page) && page !== "docs/cli.md" && page !== "CHANGELOG.md");
/** Options of other programs, and of scripts of this project. */
const foreign = [
	...["--copy", "--modelfile", "--outfile", "--install", "--port", "--hellaswag", "--hellaswag-tasks", "--prune-layers"],
	...["--search", "--models", "--costs"],
];
/** Options by command, as docs/cli.md has them; the default command has no name. */
const helpOptions = new Map(
	read("docs/cli.md")
		.split(/^(?=## )/m)
		.flatMap((part): [string, ReadonlySet<string>][] => {
			const [, command] = /^## prune-gguf ?(.*)$/m.exec(part) ?? [];
			const options = [...part.matchAll(/^ +(?:-\w+, )?(--[a-z][a-z-]*)/gm)].map((match) => match[1]!);
			return command === undefined ? [] : [[command, new Set(options)]];
		}),
);

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

	it.each(userPages)("options that %s names exist", (page) => {
		const all = new Set([...helpOptions.values()].flatMap((options) => [...options]));
		const lines = codeOf(page).filter((line) => !/^(?:[A-Z_]+=\S+ )*(?:node |npm |scripts\/)/.test(line));
		const lost = lines.flatMap((line) => optionsIn(line)).filter((option) => !isOption(option, all) && !foreign.includes(option));
		expect(lost).toEqual([]);
	});

	it.each([...userPages, ...developerPages, "docs/cli.md"])("commands of %s take the options that they have", (page) => {
		const wrong = codeOf(page).flatMap((line) => {
			const [, words] = /\bprune-gguf (\S.*)$/.exec(line) ?? [];
			if (words === undefined) return [];
			const command = [...helpOptions.keys()].filter((name) => name !== "" && `${words} `.startsWith(`${name} `)).at(-1) ?? "";
			return optionsIn(words)
				.filter((option) => !isOption(option, helpOptions.get(command)!))
				.map((option) => `${option}: ${line}`);
		});
		expect(wrong).toEqual([]);
	});

	it("options of the help are found, each with its command", () => {
		expect([...helpOptions.keys()]).toEqual(expect.arrayContaining(["", "runs", "runs clean", "config"]));
		expect(isOption("--no-heal", helpOptions.get("")!)).toBe(true);
		expect([...helpOptions.get("speed")!]).toContain("--generated-tokens");
		for (const option of ["--target-size", "--no-such", "--heal"]) expect(isOption(option, helpOptions.get("speed")!)).toBe(false);
		expect(codeIn("`a --b`\n\n```sh\nc \\\n  --d   # --e\nf\n```\n")).toEqual(["a --b", "c --d", "f"]);
	});
});

/** Lines of code, and code in running text; a command of several lines is one. */
function codeIn(text: string): string[] {
	const found: string[] = [];
	const visit = (node: Nodes) => {
		if (node.type === "inlineCode") found.push(node.value);
		else if (node.type === "code")
			found.push(...(node.lang === "sh" ? commandsOf(node.value).map(({ command }) => command) : node.value.split("\n")));
		else if ("children" in node) for (const child of node.children) visit(child);
	};
	visit(fromMarkdown(text));
	return found;
}

const codeOfPages = new Map<string, readonly string[]>();

/** Pages are long, and read by several tests. */
function codeOf(page: string): readonly string[] {
	const code = codeOfPages.get(page) ?? codeIn(read(page));
	codeOfPages.set(page, code);
	return code;
}

function optionsIn(line: string): string[] {
	return [...line.matchAll(/(?<![\w-])--[a-z][\w-]+/g)].map(([option]) => option);
}

/** Switches can be turned off. */
function isOption(option: string, known: ReadonlySet<string>): boolean {
	return known.has(option) || (option.startsWith("--no-") && known.has(option.replace("--no-", "--")));
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
