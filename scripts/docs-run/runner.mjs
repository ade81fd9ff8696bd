// Runs commands in a page's folder, each once for the same files.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder, makeScenery } from "./folder.mjs";

/** Files that a command writes a model to, by its place: the second model of the main job and of `apply`. */
export function outputOf(command) {
	const [, rest] = /\bprune-gguf(?: (?:prune|apply))? (?=[\w./-]+\.gguf\b)(.*)$/.exec(command) ?? [];
	const words = rest?.split(/\s+/) ?? [];
	return words[1] && /\.gguf$/.test(words[1]) ? words[1] : undefined;
}

/** Options that measure little, by the kind of command: on little text, with few candidates, and without what comes last. */
const littleText = ["--windows 4", "--window-length 32"];
const brief = [
	{ find: /\bprune-gguf speed\b/, add: () => ["--repetitions 2", "--prompt-tokens 64", "--generated-tokens 8"] },
	{ find: /\bprune-gguf frontier\b/, add: () => [...littleText, "--max-evaluations 20"] },
	{ find: /\bprune-gguf (?:rank|compare)\b/, add: () => littleText },
	{
		find: /\bprune-gguf [\w./-]+\.gguf\b/,
		add: (command) => [
			...littleText,
			...(command.includes(" --remove ") ? [] : ["--max-evaluations 20"]),
			...(outputOf(command) ? ["--no-speed", "--no-samples"] : []),
			...(command.includes(" --questions ") ? ["--max-questions 8"] : []),
		],
	},
];

/** The command with less to measure, for those whose output no page shows. */
export function briefly(command) {
	const healed = command.replace(/--heal(?=\s|$)/, "--heal=1024");
	return [healed, ...(brief.find(({ find }) => find.test(command))?.add(command) ?? [])].join(" ");
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

	/**
	 * @param {{ name: string, text: string }} page
	 * @returns {Promise<ReturnType<typeof makeFolder>>} the folder of a page
	 */
	async open(page) {
		this.#scenery ??= await makeScenery(this.#root, join(this.#base, "scenery"), join(this.#base, "home"));
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

	/** A page shows several ways to write the same file: each of them finds none there. What the command reads stays, and the plan, which `apply` does not write. */
	#clear(command, folder) {
		const output = outputOf(command);
		if (!output) return;
		const plan = /\bprune-gguf apply\b/.test(command) ? [] : [".plan.json"];
		for (const end of ["", ...plan, ".report.html", ".report.json"])
			if (end === "" || !command.includes(`${output}${end}`)) rmSync(join(folder, `${output}${end}`), { force: true });
	}

	/** The command with the content of every file that it names. `npx` makes no difference. */
	#keyOf(command, folder) {
		const hash = createHash("sha256").update(command.replace(/^npx /, ""));
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
