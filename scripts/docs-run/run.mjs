// Runs the commands of README and docs as a user would, and compares what they print with what the pages show.
//   npm run build && node scripts/docs-run/run.mjs [PAGES] [--large] [--write] [--list]
//
// --large: also commands on real models. --write: rewrites output blocks that differ. --list: says what is run and what is not, and why.
// page.mjs says how a page marks its outputs. A command runs once, with the files that it names; a page that repeats it gets what it wrote.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeFolder, makeScenery } from "./folder.mjs";
import { difference } from "./mask.mjs";
import { itemsOf, withOutput } from "./page.mjs";
import { isLarge, whyNot } from "./skips.mjs";

/** Pages whose commands are run: README and the user pages, without those made from the code. */
export function userPages(root) {
	const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md") && !["cli.md", "api-reference.md"].includes(name));
	return ["README.md", ...docs.map((name) => `docs/${name}`)];
}

/** What the commands of a page are: run, of large models, or left out with the reason. */
export const sortItems = (items) => items.map((item) => ({ ...item, why: item.why ?? whyNot(item.command), large: isLarge(item.command) }));

/** Files that a command writes a model to, by its place: the second model of the main job and of `apply`. */
export function outputOf(command) {
	const [, rest] = /\bprune-gguf(?: (?:prune|apply))? (?=[\w./-]+\.gguf\b)(.*)$/.exec(command) ?? [];
	const words = rest?.split(/\s+/) ?? [];
	return words[1] && /\.gguf$/.test(words[1]) ? words[1] : undefined;
}

/** Files in a folder, with when they changed. */
function filesIn(folder) {
	return new Map(
		readdirSync(folder, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
			.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
			.map((name) => [name, statSync(join(folder, name)).mtimeMs]),
	);
}

/** A test that waits has to answer its runner, so the command runs beside it. */
function shell(command, options) {
	return new Promise((resolveRun, reject) => {
		const child = spawn("sh", ["-c", command], { ...options, stdio: ["ignore", "pipe", "pipe"] });
		const texts = { stdout: "", stderr: "" };
		for (const stream of ["stdout", "stderr"])
			child[stream].setEncoding("utf8").on("data", (part) => {
				texts[stream] += part;
			});
		child.on("error", reject).on("close", (status) => resolveRun({ status: status ?? -1, ...texts }));
	});
}

/** Runs commands, each once for the same files, and knows what they printed and wrote. */
export class Runner {
	#base;
	#root;
	#scenery;
	#results = new Map();

	/** @param {string} base folder for everything that is made */
	constructor(root, base) {
		this.#root = root;
		this.#base = base;
	}

	/** @returns {Promise<{ folder: string, home: string, env: NodeJS.ProcessEnv }>} the folder of a page */
	async open(page) {
		this.#scenery ??= await makeScenery(this.#root, join(this.#base, "scenery"));
		return makeFolder(this.#root, this.#scenery, this.#base, page);
	}

	/** @returns {Promise<{ status: number, stdout: string, stderr: string }>} with the names of the folder and of the cache as users see them */
	async run(command, place) {
		this.#clear(command, place.folder);
		const key = this.#keyOf(command, place.folder);
		const known = this.#results.get(key);
		if (known) {
			for (const [name, copy] of known.written) {
				mkdirSync(dirname(join(place.folder, name)), { recursive: true });
				copyFileSync(copy, join(place.folder, name));
			}
			return known;
		}
		const before = filesIn(place.folder);
		// What deletes the cache gets one of its own: the commands after it would measure everything again.
		const home = /\bruns clean\b/.test(command) ? `${place.home}-to-clean` : place.home;
		const env = { ...place.env, PRUNE_GGUF_HOME: home };
		const { status, stdout, stderr } = await shell(command, { cwd: place.folder, env });
		const shown = (text) => text.replaceAll(`${place.folder}/`, "").replaceAll(home, "~/.cache/prune-gguf");
		const written = this.#keep(key, place.folder, before);
		const result = { status, stdout: shown(stdout), stderr: shown(stderr), written };
		this.#results.set(key, result);
		return result;
	}

	/** A page shows several ways to write the same file: each of them finds none there. What the command reads stays. */
	#clear(command, folder) {
		const output = outputOf(command);
		if (!output) return;
		for (const end of ["", ".plan.json", ".report.html", ".report.json"])
			if (end === "" || !command.includes(`${output}${end}`)) rmSync(join(folder, `${output}${end}`), { force: true });
	}

	/** The command with the content of every file that it names. */
	#keyOf(command, folder) {
		const hash = createHash("sha256").update(command);
		for (const word of command.split(/[\s=,'"]+/))
			if (/^[\w./-]+\.\w+$/.test(word) && existsSync(join(folder, word))) hash.update(word).update(readFileSync(join(folder, word)));
		return hash.digest("hex");
	}

	#keep(key, folder, before) {
		const changed = [...filesIn(folder)].filter(([name, time]) => before.get(name) !== time).map(([name]) => name);
		const store = join(this.#base, "written", key.slice(0, 16));
		mkdirSync(store, { recursive: true });
		return changed.map((name, i) => {
			copyFileSync(join(folder, name), join(store, String(i)));
			return [name, join(store, String(i))];
		});
	}
}

const printed = ({ stdout, stderr }, stream) => ({ stdout, stderr, both: `${stderr}${stdout}` })[stream];

/**
 * Runs the commands of a page in their order.
 * @returns {Promise<{ faults: string[], text: string }>} text: of the page with outputs that differ replaced
 */
export async function runPage(runner, file, page, { large = false } = {}) {
	const faults = [];
	let text = page;
	const items = sortItems(itemsOf(page)).filter((item) => !item.why && (large || !item.large));
	if (items.length === 0) return { faults, text };
	const place = await runner.open(file);
	const replaced = [];
	for (const item of items) {
		const result = await runner.run(item.command, place);
		const fault = faultOf(item, result);
		if (!fault) continue;
		faults.push(`${file}:${item.line}: ${item.command}\n  ${fault}`);
		if (item.kind === "output" && item.exits.includes(result.status) && !/^\s*(?:\.{3}|…)\s*$/m.test(item.text))
			replaced.push([item, result]);
	}
	// From the end, so that the places before stay what they are.
	for (const [item, result] of replaced.reverse()) text = withOutput(text, item, printed(result, item.stream));
	return { faults, text };
}

function faultOf(item, result) {
	const end = result.stderr.trimEnd().split("\n").slice(-4).join("\n  ");
	if (!item.exits.includes(result.status)) return `exit code ${result.status}, expected ${item.exits.join(" or ")}:\n  ${end}`;
	return item.kind === "output" ? difference(item.text, printed(result, item.stream), { sample: item.sample }) : undefined;
}

async function main() {
	const root = resolve(fileURLToPath(import.meta.url), "..", "..", "..");
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			large: { type: "boolean", default: false },
			write: { type: "boolean", default: false },
			list: { type: "boolean", default: false },
		},
	});
	const pages = positionals.length > 0 ? positionals : userPages(root);
	if (values.list) return list(root, pages);
	const base = mkdtempSync(join(tmpdir(), "prune-gguf-docs-"));
	try {
		const runner = new Runner(root, base);
		for (const file of pages) {
			const page = readFileSync(join(root, file), "utf8");
			const { faults, text } = await runPage(runner, file, page, values);
			for (const fault of faults) process.stdout.write(`${fault}\n`);
			if (faults.length > 0) process.exitCode = 1;
			if (values.write && text !== page) writeFileSync(join(root, file), text);
		}
	} finally {
		rmSync(base, { recursive: true, force: true });
	}
}

function list(root, pages) {
	for (const file of pages)
		for (const { line, kind, command, why, large } of sortItems(itemsOf(readFileSync(join(root, file), "utf8"))))
			process.stdout.write(`${file}:${line}: ${why ? `not run, ${why}` : large ? "with --large" : "run"} (${kind}): ${command}\n`);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
