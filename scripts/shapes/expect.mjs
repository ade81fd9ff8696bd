// What to expect of the default job, printed.
//   node scripts/shapes/expect.mjs MODEL.gguf|1b:Q8_0 --prompt 60 --generation 12 [--remove-blocks 4] [--windows 4] [--granularity block] [--chat] [--gpu] [--disk 5e8] [--available 2e10]
//   node scripts/shapes/expect.mjs --tables [--write]     the tables of the pages below, from bench/shapes.jsonl
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { factsOfFile, factsOfShape } from "./facts.mjs";
import { predict, shownSteps } from "./predict.mjs";
import { comparisonTable, expectationTable, stopTable } from "./tables.mjs";
import { duration, size } from "./units.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** The pages with tables of what was measured, by their names in the pages. */
export const pages = {
	"docs/research/expectations.md": ["compared", "stopped"],
	"docs/time-and-memory.md": ["expected"],
};

async function main() {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			prompt: { type: "string" },
			generation: { type: "string" },
			"remove-blocks": { type: "string" },
			windows: { type: "string" },
			effort: { type: "string" },
			granularity: { type: "string" },
			disk: { type: "string" },
			available: { type: "string" },
			correction: { type: "string" },
			chat: { type: "boolean" },
			gpu: { type: "boolean" },
			text: { type: "boolean" },
			tables: { type: "boolean", default: false },
			write: { type: "boolean", default: false },
			results: { type: "string", default: join(root, "bench", "shapes.jsonl") },
		},
	});
	if (values.tables) return printTables(values);
	const [model] = positionals;
	if (!model || !values.prompt || !values.generation)
		throw new Error("give a model, --prompt and --generation (tokens a second), or --tables");
	const facts = existsSync(model) ? await factsOfFile(model) : factsOfShape(...model.split(":"));
	const number = (name) => (values[name] === undefined ? undefined : Number(values[name]));
	const numbers = {
		...{ prompt: number("prompt"), generation: number("generation"), removed: number("remove-blocks"), windows: number("windows") },
		...{ disk: number("disk"), available: number("available"), correction: number("correction") },
	};
	const given = Object.fromEntries(Object.entries({ ...values, ...numbers }).filter(([, value]) => value !== undefined));
	process.stdout.write(`${described(facts, predict(facts, given))}\n`);
}

function described(facts, { steps, seconds, memory, disk }) {
	const lines = Object.entries(shownSteps).map(([name, parts]) => {
		const sum = parts.reduce((total, part) => total + (steps[part] ?? 0), 0);
		return `  ${name.padEnd(24)}${duration(sum)}`;
	});
	const temporary = disk.temporary > 0 ? `, and up to ${size(disk.temporary)} for a while in the cache` : "";
	const copies = memory.copies > 0 ? `, and up to ${size(memory.copies)} more for a while where it is free` : "";
	return [
		`${facts.name}: ${facts.blocks} blocks, ${size(facts.bytes)}`,
		...lines,
		`  ${"In all, predicted".padEnd(24)}${duration(seconds)}`,
		`  ${"Memory at most".padEnd(24)}${size(memory.peak)}${copies}`,
		`  ${"Disk".padEnd(24)}${size(disk.output)}${temporary}`,
	].join("\n");
}

/** Tables of what was measured; nothing is in them without results. */
export function tablesOf(results) {
	return { compared: comparisonTable(results), stopped: stopTable(results), expected: expectationTable(results) };
}

export function readResults(path) {
	if (!existsSync(path)) return [];
	return readFileSync(path, "utf8")
		.split("\n")
		.filter((line) => line.trim() !== "")
		.map((line) => JSON.parse(line));
}

/** The page with its tables, each between two marks, made anew. */
export function withTables(text, tables) {
	return Object.entries(tables).reduce((page, [name, table]) => {
		const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
		const [from, to] = [page.indexOf(begin), page.indexOf(end)];
		if (from < 0 || to < from) throw new Error(`the page has no place for the table ${name}`);
		return `${page.slice(0, from + begin.length)}\n${table}\n${page.slice(to)}`;
	}, text);
}

function printTables({ results, write }) {
	const tables = tablesOf(readResults(results));
	if (!write) process.stdout.write(`${Object.values(tables).join("\n\n")}\n`);
	else
		for (const [name, held] of Object.entries(pages)) {
			const page = join(root, name);
			const these = Object.fromEntries(held.map((table) => [table, tables[table]]));
			writeFileSync(page, withTables(readFileSync(page, "utf8"), these));
		}
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
	await main().catch((error) => {
		process.stderr.write(`${error.message}\n`);
		process.exitCode = 1;
	});
