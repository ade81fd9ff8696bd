import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { findAddon } from "../src/model/runtime/load-addon.js";
import { thorough } from "./helpers/slow.js";
import { tempFolder } from "./helpers/temp-folder.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folders = tempFolder();
/** Pages whose examples are run: all with some. */
const pages = readdirSync(join(ROOT, "docs"), { recursive: true })
	.map((name) => `docs/${String(name).replaceAll("\\", "/")}`)
	.filter((page) => page.endsWith(".md") && examplesOf(page).length > 0)
	.sort();

/** The TypeScript examples of a page: blocks without an import are fragments. */
function examplesOf(page: string): string[] {
	return [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
		.map((match) => match[1]!)
		.filter((text) => text.includes("import "));
}

/** A folder as a user has it: prune-gguf installed, a model next to the program. */
function userFolder(): string {
	const folder = mkdtempSync(join(folders, "user-"));
	mkdirSync(join(folder, "node_modules"));
	symlinkSync(ROOT, join(folder, "node_modules", "prune-gguf"), "junction");
	symlinkSync(join(ROOT, "node_modules", "@types"), join(folder, "node_modules", "@types"), "junction");
	copyFileSync(join(ROOT, "fixture", "fixture-12l.gguf"), join(folder, "model.gguf"));
	writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
	return folder;
}

const disposable = "lib.esnext.disposable.d.ts";

/** Compiles a file against the package's declarations; returns the complaints. */
function compile(file: string, more: ts.CompilerOptions = {}): string[] {
	const program = ts.createProgram([file], {
		target: ts.ScriptTarget.ES2022,
		module: ts.ModuleKind.NodeNext,
		moduleResolution: ts.ModuleResolutionKind.NodeNext,
		lib: ["lib.es2023.d.ts", disposable],
		types: ["node"],
		strict: true,
		skipLibCheck: true,
		...more,
	});
	const complaints = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
	program.emit();
	return complaints;
}

describe("the examples", () => {
	const [example = ""] = examplesOf("README.md");

	it("were compiled against what `npm run build` made", () => {
		expect(existsSync(join(ROOT, "dist", "index.js")), "run npm run build first").toBe(true);
	});

	it.each(["README.md", ...pages])("of %s are correct TypeScript", (page) => {
		const folder = userFolder();
		const examples = examplesOf(page);
		expect(examples.length).toBeGreaterThan(0);
		examples.forEach((text, i) => {
			const file = join(folder, `example-${i}.ts`);
			writeFileSync(file, text);
			expect(compile(file), text).toEqual([]);
		});
	});

	it.runIf(thorough)("need no types of Node.js, also where declarations are checked", () => {
		const folder = userFolder();
		const file = join(folder, "plain.ts");
		writeFileSync(
			file,
			'import { pruneGguf } from "prune-gguf";\nimport { auto } from "prune-gguf/research";\nexport { auto, pruneGguf };\n',
		);
		expect(
			compile(file, { types: [], skipLibCheck: false, preserveSymlinks: true, lib: ["lib.es2023.d.ts", "lib.dom.d.ts", disposable] }),
		).toEqual([]);
	});

	it.skipIf(findAddon() === undefined)("of the README does what it says", () => {
		const folder = userFolder();
		const { status, stdout, stderr } = run(example, folder);
		expect(status, stderr).toBe(0);
		expect(stdout).toMatch(/\d/);
		expect(stdout).not.toMatch(/undefined|NaN/);
		if (example.includes("verification")) expect(stdout).toContain("computes bit for bit what was measured");
		const [, output] = /pruneGguf\("[^"]+", "([^"]+)"/.exec(example) ?? [];
		expect(output, "the example writes a model").toBeDefined();
		expect(existsSync(join(folder, output!))).toBe(true);
		expect(existsSync(join(folder, `${output}.plan.json`))).toBe(true);
	});

	const numbered = pages.flatMap((page) => examplesOf(page).map((text, i) => [i + 1, page, text] as const));
	// Whole jobs, as the README's, and what test/research.test.ts does take a minute each.
	const quick = numbered.filter(([, , text]) => !/\bpruneGguf\(|from "prune-gguf\/research"/.test(text));
	it.skipIf(findAddon() === undefined).each(thorough ? numbered : quick)("number %i of %s runs", (_number, _page, text) => {
		const { status, stdout, stderr } = run(text, userFolder());
		expect(status, stderr).toBe(0);
		expect(stdout).not.toMatch(/undefined|NaN/);
	});
});

/** Runs an example in a folder of its own, on the 12-block model. */
function run(text: string, folder: string) {
	writeFileSync(join(folder, "example.ts"), text);
	expect(compile(join(folder, "example.ts"))).toEqual([]);
	return spawnSync(process.execPath, ["example.js"], {
		cwd: folder,
		encoding: "utf8",
		env: { ...process.env, PRUNE_GGUF_HOME: join(folder, "home") },
	});
}
