// Measures a run of the command line on a model: time by step, memory, disk; with --stop-after also how long Ctrl+C takes and what is left
// for the same command after it. Appends one line of JSON to bench/shapes.jsonl. Needs Linux and a build (npm test makes llama-bench too).
//   node scripts/shapes/measure.mjs MODEL [--remove-blocks 4] [--windows 4] [--effort quick] [--granularity block] [--threads 2] [--stop-after 60]
//        [--folder DIR] [--results FILE] [--note TEXT] [--device NAME] [--no-bench] [-- further options of prune-gguf]
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { factsOfFile } from "./facts.mjs";
import { sizeOfFolder } from "./processes.mjs";
import { round, runMeasured } from "./run.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: options, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		"remove-blocks": { type: "string" },
		windows: { type: "string" },
		"window-length": { type: "string" },
		effort: { type: "string" },
		// Named, since an architecture without half-block cuts has another default.
		granularity: { type: "string", default: "half-block" },
		threads: { type: "string" },
		"stop-after": { type: "string" },
		folder: { type: "string", default: tmpdir() },
		results: { type: "string", default: join(root, "bench", "shapes.jsonl") },
		note: { type: "string" },
		// Name of the graphics device that computes: in the tables it is the machine.
		device: { type: "string" },
		"no-bench": { type: "boolean", default: false },
	},
});
const [model, ...further] = positionals;
if (!model) throw new Error("usage: measure.mjs MODEL [--remove-blocks N] [--windows N] [--stop-after SECONDS] ...");

const scratch = mkdtempSync(join(options.folder, "prune-gguf-shape-"));
const home = join(scratch, "home");
mkdirSync(home);
const output = options["remove-blocks"] === undefined ? undefined : join(scratch, "pruned.gguf");
const forwarded = ["remove-blocks", "windows", "window-length", "effort", "granularity", "threads"].flatMap((name) =>
	options[name] === undefined ? [] : [`--${name}`, options[name]],
);
const args = [model, ...(output ? [output] : []), ...forwarded, ...further, "--json"];

/** Runs the command line in a cache of its own, and says what it left there. */
async function run(stopAfter) {
	const program = [process.execPath, join(root, "dist", "cli", "main.js"), ...args];
	const measured = await runMeasured(program, { env: { ...process.env, PRUNE_GGUF_HOME: home }, stopAfter });
	return { ...measured, cacheBytes: sizeOfFolder(home), outputBytes: output && existsSync(output) ? statSync(output).size : 0 };
}

/** Tokens a second as llama-bench says them, and as the command line's own measurement does, which needs no build of llama-bench. */
function speeds() {
	const threads = options.threads ? ["-t", options.threads] : [];
	const tool = join(root, "build", "cpu", "llama.cpp", "tools", "llama-bench", "llama-bench");
	if (existsSync(tool)) {
		const { stdout, status, stderr } = spawnSync(tool, ["-m", model, "-p", "512", "-n", "64", "-r", "3", ...threads, "-o", "json"], {
			encoding: "utf8",
		});
		if (status !== 0) throw new Error(`llama-bench failed: ${stderr.slice(-500)}`);
		const rows = JSON.parse(stdout);
		const speed = (find) => round(rows.find(find).avg_ts);
		return { by: "llama-bench", prompt: speed(({ n_prompt }) => n_prompt > 0), generation: speed(({ n_gen }) => n_gen > 0) };
	}
	const { stdout, status, stderr } = spawnSync(
		process.execPath,
		[join(root, "dist", "cli", "main.js"), "speed", model, "--json", ...(options.threads ? ["--threads", options.threads] : [])],
		{ encoding: "utf8", env: { ...process.env, PRUNE_GGUF_HOME: home } },
	);
	if (status !== 0) throw new Error(`prune-gguf speed failed: ${stderr.slice(-500)}`);
	const { before } = JSON.parse(stdout).speed;
	return { by: "prune-gguf speed", prompt: round(before.prompt.median), generation: round(before.generation.median) };
}

function versions() {
	const git = (...command) => spawnSync("git", command, { cwd: root, encoding: "utf8" }).stdout?.trim() ?? "";
	const changed = git("status", "--porcelain", "--", "native", "src", "vendor").length > 0;
	return {
		pruneGguf: JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version,
		commit: `${git("rev-parse", "--short", "HEAD")}${changed ? ", changed" : ""}`,
		llamaCpp: JSON.parse(readFileSync(join(root, "vendor", "llama.cpp.json"), "utf8")).version,
		node: process.version,
	};
}

const named = (text) => text.replaceAll(scratch, "SCRATCH").replaceAll(dirname(model), ".");

try {
	const facts = await factsOfFile(model);
	const entry = {
		date: new Date().toISOString().slice(0, 10),
		machine: { processor: cpus()[0].model.trim(), logicalProcessors: cpus().length, memoryGigabytes: round(totalmem() / 2 ** 30) },
		versions: versions(),
		command: named(["prune-gguf", ...args].join(" ")),
		model: basename(model),
		note: options.note,
		device: options.device,
		facts,
		asked: {
			removed: options["remove-blocks"] === undefined ? undefined : Number(options["remove-blocks"]),
			...(options.windows ? { windows: Number(options.windows) } : {}),
			...(options["window-length"] ? { windowLength: Number(options["window-length"]) } : {}),
			...(options.effort ? { effort: options.effort } : {}),
			granularity: options.granularity,
		},
		speeds: options["no-bench"] ? undefined : speeds(),
	};
	const stopAfter = options["stop-after"] && Number(options["stop-after"]);
	const first = await run(stopAfter);
	const runs = stopAfter ? { interrupted: first, resumed: await run() } : { straight: first };
	const text = named(JSON.stringify({ ...entry, ...runs }));
	appendFileSync(options.results, `${text}\n`);
	const told = Object.entries(runs).map(([name, { code, seconds, endedIn, peak }]) => {
		const ended = endedIn === undefined ? "" : `, ended ${endedIn} s after Ctrl+C`;
		return `${name}: exit ${code}, ${seconds} s${ended}, ${(peak.resident / 1e9).toFixed(2)} GB`;
	});
	process.stdout.write(`${told.join("\n")}\n`);
} finally {
	rmSync(scratch, { recursive: true, force: true });
}
