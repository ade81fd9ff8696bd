// Writes the pages that are made from the code: docs/cli.md, docs/api-reference.md, docs/research/architectures.md,
// docs/report.schema.json, docs/config.schema.json, the tables in docs/developers/binaries.md and the picture in
// docs/developers/architecture.md. Needs `npm run build` first.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toJsonSchema } from "@valibot/to-json-schema";
import { apiReference } from "./api-reference/reference.mjs";
import { binariesPage } from "./prebuild/table.mjs";
import { housePicture, withPicture } from "./structure/picture.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Every command with a help of its own. */
const commands = [
	[],
	["inspect"],
	["apply"],
	["evaluate"],
	["speed"],
	["frontier"],
	["rank"],
	["compare"],
	["build"],
	["doctor"],
	["runs"],
	["runs", "clean"],
	["config"],
];

/** Commands with options of a function, by their keys in the table of options. */
const withOptions = {
	prune: "prune",
	apply: "apply",
	evaluate: "evaluate",
	speed: "speed",
	frontier: "frontier",
	rank: "rank",
	compare: "compare",
	build: "build",
	clean: "runs clean",
};

/** The names of options on the command line and in the library. */
function namesTable(rowsOf) {
	const names = new Map();
	for (const [key, command] of Object.entries(withOptions)) {
		for (const { flag, path } of rowsOf(key)) {
			const row = `| \`--${flag}\` | \`${path}\` |`;
			names.set(row, [...(names.get(row) ?? []), command]);
		}
	}
	const rows = [...names].map(([row, commands]) => `${row} ${commands.join(", ")} |`).sort();
	return ["| option | in the library | of |", "| --- | --- | --- |", ...rows].join("\n");
}

/**
 * The text of docs/cli.md: what `--help-all` of every command prints, and what each option is called in the library.
 * @param runCli of src/cli/run.ts, compiled or not
 * @param rowsOf of src/api/options/table.ts
 */
export async function cliMarkdown(runCli, rowsOf) {
	const parts = [
		"# Command line",
		"<!-- Made from the --help-all of every command by `npm run build && node scripts/docs.mjs`; change it in src/api/options/ and src/cli/. -->",
		'Data goes to standard output, progress, notes and errors go to standard error. With `--json` standard output is one JSON document, also where the command fails: then `{ "error": { "code", "message" } }`. Sets of blocks in it are text, as in plans: `"3, 7-9, 12f-15a"`, or `"none"`.',
	];
	for (const command of commands) {
		const help = await helpOf(runCli, command);
		parts.push(`## ${["prune-gguf", ...command].join(" ")}`, `\`\`\`text\n${help.trimEnd()}\n\`\`\``);
	}
	parts.push(
		"## Names in the library",
		'Messages and advice name options as they are written here. This is where they are in the options of a [function](api.md): `limits.maxKl` is `{ limits: { maxKl: 0.1 } }`. A command with `--quantize Q4_K_M` is `quantize: "Q4_K_M"`, or `{ type, from }`; `--heal=25600` is `heal: { tokens: 25600 }`, and `--heal=10m` is `heal: { time: 600 }`. `--json`, `--quiet`, `--verbose` and `--config` are of the command line only.',
		namesTable(rowsOf),
	);
	return `${parts.join("\n\n")}\n`;
}

/**
 * The text of docs/report.schema.json.
 * @param reportSchema of src/report/report-data.ts, compiled or not
 */
export function reportJsonSchema(reportSchema) {
	// JSON has only finite numbers.
	const schema = toJsonSchema(reportSchema, { target: "draft-2020-12", typeMode: "input", ignoreActions: ["finite"] });
	return `${JSON.stringify({ title: "Report of prune-gguf", ...schema }, undefined, "\t")}\n`;
}

/**
 * The text of docs/config.schema.json.
 * @param schema of src/cli/config-schema.ts
 */
export const configJsonSchema = (schema) => `${JSON.stringify(schema, undefined, "\t")}\n`;

async function helpOf(runCli, command) {
	let text = "";
	const stream = {
		isTTY: false,
		columns: 100,
		write: (part) => {
			text += part;
		},
	};
	const code = await runCli([...command, "--help-all"], {
		stdout: stream,
		stderr: stream,
		env: {},
		signals: { on() {}, off() {} },
		exit() {},
		api: () => Promise.reject(new Error("help needs no API")),
	});
	if (code !== 0 || !text.includes("General:"))
		throw new Error(`prune-gguf ${command.join(" ")} --help-all gave exit code ${code} and:\n${text}`);
	// Lines end where their words do.
	return text.replace(/[ \t]+$/gm, "");
}

/** The text of docs/developers/architecture.md with its picture made from the current imports. */
export function architecturePage() {
	const page = readFileSync(join(root, "docs", "developers", "architecture.md"), "utf8");
	return withPicture(page, housePicture(createRequire(import.meta.url)("typescript"), root));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	writeFileSync(join(root, "docs", "developers", "architecture.md"), architecturePage());
	const { reportSchema } = await import("../dist/report/report-data.js");
	writeFileSync(join(root, "docs", "report.schema.json"), reportJsonSchema(reportSchema));
	const binaries = join(root, "docs", "developers", "binaries.md");
	writeFileSync(binaries, binariesPage(binaries));
	writeFileSync(join(root, "docs", "api-reference.md"), apiReference(root));
	const { runCli } = await import("../dist/cli/run.js");
	const { architectureTableMarkdown } = await import("../dist/model/architectures/index.js");
	const { rowsOf } = await import("../dist/api/options/table.js");
	writeFileSync(join(root, "docs", "cli.md"), await cliMarkdown(runCli, rowsOf));
	writeFileSync(join(root, "docs", "research", "architectures.md"), architectureTableMarkdown());
	const { configSchema } = await import("../dist/cli/config-schema.js");
	writeFileSync(join(root, "docs", "config.schema.json"), configJsonSchema(configSchema()));
}
