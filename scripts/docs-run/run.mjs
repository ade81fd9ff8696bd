// Runs the commands of README and docs as a user would, and compares what they print with what the pages show.
//   npm run build && node scripts/docs-run/run.mjs [PAGES] [--full] [--write] [--list]
//
// --full: also commands on real models and slow ones, and all of them as they are: without it, commands whose output no page shows
// leave out the last measurements. Where a real model is not here, its commands are counted and named; with PRUNE_GGUF_TEST_FULL=1 they are
// faults. --write: rewrites output blocks that differ. --list: says what is run and what is not, and why.
// page.mjs says how a page marks its outputs. A command runs once, with the files that it names; a page that repeats it gets what it wrote.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { missingFigures } from "./figures.mjs";
import { difference } from "./mask.mjs";
import { itemsOf, withOutput } from "./page.mjs";
import { briefly, Runner } from "./runner.mjs";
import { whyFull, whyNot } from "./skips.mjs";

/** Pages whose commands are run: README and all of docs. The API reference, which is made from the code, has none. */
export function pagesOf(root) {
	const docs = readdirSync(join(root, "docs"), { recursive: true }).map((name) => String(name).replaceAll("\\", "/"));
	return ["README.md", ...docs.filter((name) => name.endsWith(".md") && name !== "api-reference.md").map((name) => `docs/${name}`)].sort();
}

/** What becomes of the items of a page: run, run where tests are thorough (`full`: why), or left out (`why`). */
export const sortItems = (items) =>
	items.map((item) => ({
		...item,
		why: item.command && (item.why ?? whyNot(item.command)),
		full: item.command && (item.slow ?? whyFull(item.command)),
	}));

/** The text with what stands for a part of it in the tests. */
const replaced = (text, instead) => instead.reduce((whole, [from, to]) => whole.replaceAll(from, to), text);

/**
 * Runs the commands of a page in their order.
 * @param {{ full?: boolean, needed?: boolean }} options full: also what takes long; needed: whether a real model that is not here is a fault
 * @returns {Promise<{ faults: string[], skipped: string[], text: string }>} skipped: commands whose real model is not here; text: of the
 *   page with outputs that differ replaced
 */
export async function runPage(runner, file, page, { full = false, needed = process.env.PRUNE_GGUF_TEST_FULL === "1" } = {}) {
	const all = sortItems(itemsOf(page));
	const faults = all
		.filter(({ kind }) => kind === "unmarked")
		.map(({ line }) => `${file}:${line}: a block of text that is no output, or whose command no comment names`);
	const items = all.filter((item) => item.command && !item.why && (full || !item.full));
	const skipped = [];
	if (items.length === 0) return { faults, skipped, text: page };
	let place = await runner.open({ name: file, text: page });
	for (const { kind, name, text, instead } of all) if (kind === "file") writeFileSync(join(place.folder, name), replaced(text, instead));
	const corrected = [];
	for (const item of items) {
		const absent = place.missing.filter((name) => item.command.includes(name));
		if (absent.length > 0) {
			(needed ? faults : skipped).push(`${file}:${item.line}: ${item.command}\n  ${absent.join(" and ")}: not here`);
			continue;
		}
		if (item.fresh) place = await runner.open({ name: file, text: page });
		const command = replaced(item.command, item.instead);
		const result = await runner.run(full || item.kind !== "command" ? command : briefly(command), place);
		const fault = faultOf(item, result);
		if (!fault) continue;
		faults.push(`${file}:${item.line}: ${item.command}\n  ${fault}`);
		if (item.kind === "output" && item.exits.includes(result.status) && !/^\s*(?:\.{3}|…)\s*$/m.test(item.text))
			corrected.push([item, result]);
	}
	// From the end, so that the places before stay what they are.
	const text = corrected.reverse().reduce((whole, [item, result]) => withOutput(whole, item, printed(result, item.stream)), page);
	return { faults, skipped, text };
}

const printed = ({ stdout, stderr }, stream) =>
	({ stdout, stderr, error: stderr.slice(Math.max(0, stderr.search(/^error: /m))), both: `${stderr}${stdout}` })[stream];

function faultOf(item, result) {
	const end = result.stderr.trimEnd().split("\n").slice(-4).join("\n  ");
	if (!item.exits.includes(result.status)) return `exit code ${result.status}, expected ${item.exits.join(" or ")}:\n  ${end}`;
	if (item.kind === "figures") return missingFigures(item.text, result.stdout);
	return item.kind === "output" ? difference(item.text, printed(result, item.stream), { sample: item.sample }) : undefined;
}

async function main() {
	const root = resolve(fileURLToPath(import.meta.url), "..", "..", "..");
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			full: { type: "boolean", default: false },
			write: { type: "boolean", default: false },
			list: { type: "boolean", default: false },
		},
	});
	const pages = positionals.length > 0 ? positionals : pagesOf(root);
	if (values.list) return list(root, pages);
	const base = mkdtempSync(join(tmpdir(), "prune-gguf-docs-"));
	try {
		const runner = new Runner(root, base);
		const left = [];
		for (const file of pages) {
			const page = readFileSync(join(root, file), "utf8");
			const { faults, skipped, text } = await runPage(runner, file, page, values);
			left.push(...skipped);
			for (const fault of faults) process.stdout.write(`${fault}\n`);
			if (faults.length > 0) process.exitCode = 1;
			if (values.write && text !== page) writeFileSync(join(root, file), text);
		}
		if (left.length > 0)
			process.stdout.write(`${["", ...left].join("\n")}\n\nCommands skipped since their models are not here: ${left.length}\n`);
	} finally {
		rmSync(base, { recursive: true, force: true });
	}
}

function list(root, pages) {
	for (const file of pages)
		for (const { line, kind, command, name, why, full } of sortItems(itemsOf(readFileSync(join(root, file), "utf8")))) {
			const fate = why ? `not run, ${why}` : full ? `with --full, ${full}` : command ? "run" : "not a command";
			process.stdout.write(`${file}:${line}: ${fate} (${kind}): ${command ?? name ?? ""}\n`);
		}
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
