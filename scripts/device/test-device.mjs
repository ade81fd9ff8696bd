// npm run test:device -- [--backend cuda|metal|vulkan] [--model FILE] [-- arguments of vitest]
//
// One command for a machine with a device: builds for the device that it finds, runs test/device/, compares the device with the CPU, measures
// a step of a greedy search, and runs the default job on SmolLM2. Ends with one table, as Markdown. No network once the sources are there.
// Exit code 1 if anything failed; what was not run says so.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { buildFor, buildGenerator, fail, root } from "./build.mjs";
import { comparedRows, jobVerdict, reasonOf } from "./rows.mjs";
import { runDeviceTests } from "./tests.mjs";

const fixture = join(root, "fixture", "fixture-12l.gguf");
const { values: options, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		backend: { type: "string" },
		model: { type: "string", default: join(root, "..", "shared", "models", "SmolLM2-135M-Instruct.Q4_1.gguf") },
	},
});

/** The backend of the device that is here. @throws {Error} that says how to name one */
function findBackend() {
	if (process.platform === "darwin") return "metal";
	if (existsSync("/proc/driver/nvidia/version") || runs("nvidia-smi")) return "cuda";
	if (existsSync("/dev/dri/renderD128")) return "vulkan";
	throw new Error("no device was found. Name its backend: npm run test:device -- --backend cuda|metal|vulkan");
}

const runs = (program) => spawnSync(program, { stdio: "ignore" }).status === 0;

/** What one place computes, as far as it came, and why it came no further. What the process says goes to standard error. */
function measure(addon, model, place) {
	const request = { model, windows: 10, length: 128, ...place };
	const { status, signal, stdout, stderr } = spawnSync(
		process.execPath,
		[join(root, "scripts", "device", "measure.mjs"), JSON.stringify(request)],
		{ encoding: "utf8", env: { ...process.env, PRUNE_GGUF_ADDON: addon } },
	);
	process.stderr.write(stderr);
	const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
	const found = Object.assign({ device: "none" }, ...lines.map((line) => JSON.parse(line)));
	return status === 0 ? found : { ...found, error: `measuring ended with ${status ?? signal}: ${reasonOf(stderr)}` };
}

/** A model on the device and on the CPU. */
async function compare(addon, model) {
	const { parityTolerance } = await import("../../dist/pipeline/session/parity.js");
	const [there, cpu] = ["all", 0].map((gpuLayers) => measure(addon, model, { gpuLayers }));
	return { device: there.device, rows: comparedRows(basename(model), there, cpu, parityTolerance) };
}

/** The default job, from the command line. */
function defaultJob(addon, model) {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-device-"));
	const started = performance.now();
	try {
		const args = [join(root, "dist", "cli", "main.js"), model, join(folder, "pruned.gguf"), "-n", "6", "--json"];
		const env = { ...process.env, PRUNE_GGUF_ADDON: addon, PRUNE_GGUF_HOME: join(folder, "home") };
		const ended = spawnSync(process.execPath, args, { encoding: "utf8", env, maxBuffer: 1 << 28 });
		process.stderr.write(ended.stderr);
		return jobVerdict(ended, Math.round((performance.now() - started) / 1000));
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

async function run() {
	const backend = options.backend ?? findBackend();
	await buildGenerator();
	const { addon, seconds } = await buildFor(backend);
	const tests = await runDeviceTests({ addon, args: positionals });
	const rows = [
		[`build for ${backend}`, true, `${Math.round(seconds)} s`],
		[["test/device", ...positionals].join(" "), tests.ok, tests.line],
	];
	const small = await compare(addon, fixture);
	rows.push(...small.rows);
	if (existsSync(options.model)) {
		rows.push(...(await compare(addon, options.model)).rows);
		rows.push([`default job, ${basename(options.model)}`, ...defaultJob(addon, options.model)]);
	} else {
		// Nobody reads the table of a job that passed.
		const verdict = process.env.CI ? false : undefined;
		rows.push(["default job", verdict, `not run: ${options.model} is not there; name a model with --model`]);
	}
	const verdict = (ok) => (ok === undefined ? "-" : ok ? "passed" : "failed");
	const table = rows.map(([what, ok, found]) => `| ${what} | ${verdict(ok)} | ${found.replaceAll(/\s+/g, " ")} |`);
	process.stdout.write(`\nDevice: ${small.device}\n\n| what | verdict | found |\n|---|---|---|\n${table.join("\n")}\n`);
	if (rows.some(([, ok]) => ok === false)) process.exitCode = 1;
}

run().catch(fail);
