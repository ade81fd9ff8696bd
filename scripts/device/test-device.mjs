// npm run test:device -- [--backend cuda|metal|vulkan] [--model FILE]
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
import { runDeviceTests } from "./tests.mjs";

const fixture = join(root, "fixture", "fixture-12l.gguf");
const { values: options } = parseArgs({
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

/** What one place computes. @throws {Error} with the end of what it wrote */
function measure(addon, model, place) {
	const request = { model, windows: 10, length: 128, ...place };
	const { status, signal, stdout, stderr } = spawnSync(
		process.execPath,
		[join(root, "scripts", "device", "measure.mjs"), JSON.stringify(request)],
		{ encoding: "utf8", env: { ...process.env, PRUNE_GGUF_ADDON: addon } },
	);
	if (status !== 0) throw new Error(`measuring ended with ${status ?? signal}:\n${stderr.slice(-2000)}`);
	return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Rows of a model: the device beside the CPU. */
function compare(addon, model) {
	const [there, cpu] = ["all", 0].map((gpuLayers) => measure(addon, model, { gpuLayers }));
	if (there.devices.length === 0) throw new Error("the build sees no device: is its driver installed?");
	if (!there.onDevice || cpu.onDevice) throw new Error(`the device was not compared with the CPU: ${there.placement}; ${cpu.placement}`);
	const loss = Math.max(...there.losses.map((value, i) => Math.abs(value - cpu.losses[i])));
	const name = basename(model);
	const seconds = (value) => `${value.toFixed(2)} s`;
	return {
		devices: there.devices,
		rows: [
			[`parity with the CPU, ${name}`, true, `${there.placement}: ${there.parity}; ${loss.toExponential(1)} nats in loss on 10 windows`],
			[
				`greedy step, ${name}`,
				true,
				`${there.candidates} candidates: ${seconds(there.step)}; CPU ${seconds(cpu.step)} (${(cpu.step / there.step).toFixed(2)} times)`,
			],
			[`over the bus, ${name}`, true, `${(there.bytes / 1e6).toFixed(1)} MB for each candidate of the step`],
		],
	};
}

/** The default job, from the command line. */
function defaultJob(addon, model) {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-device-"));
	const started = performance.now();
	try {
		const args = [join(root, "dist", "cli", "main.js"), model, join(folder, "pruned.gguf"), "-n", "6", "--json"];
		const env = { ...process.env, PRUNE_GGUF_ADDON: addon, PRUNE_GGUF_HOME: join(folder, "home") };
		const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env, maxBuffer: 1 << 28 });
		const seconds = Math.round((performance.now() - started) / 1000);
		if (status !== 0) return [false, `exit code ${status}: ${stderr.trim().split("\n").at(-1)}`];
		const { plan, output } = JSON.parse(stdout);
		return [true, `6 of ${plan.model.blocks} blocks in ${seconds} s on ${plan.backend}; ${output.verification}`];
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

async function run() {
	const backend = options.backend ?? findBackend();
	await buildGenerator();
	const { addon, seconds } = await buildFor(backend);
	const tests = await runDeviceTests({ addon });
	const rows = [
		[`build for ${backend}`, true, `${Math.round(seconds)} s`],
		["test/device", tests.ok, tests.line],
	];
	const attempt = (what, work) => {
		try {
			rows.push(...work());
		} catch (error) {
			rows.push([what, false, error.message.split("\n")[0]]);
		}
	};
	let devices = [];
	attempt("the 12-block model", () => {
		const found = compare(addon, fixture);
		devices = found.devices;
		return found.rows;
	});
	if (existsSync(options.model)) {
		attempt(basename(options.model), () => compare(addon, options.model).rows);
		attempt("default job", () => [[`default job, ${basename(options.model)}`, ...defaultJob(addon, options.model)]]);
	} else {
		// Nobody reads the table of a job that passed.
		const verdict = process.env.CI ? false : undefined;
		rows.push(["default job", verdict, `not run: ${options.model} is not there; name a model with --model`]);
	}
	const verdict = (ok) => (ok === undefined ? "-" : ok ? "passed" : "failed");
	const table = rows.map(([what, ok, found]) => `| ${what} | ${verdict(ok)} | ${found} |`);
	process.stdout.write(`\nDevice: ${devices.join(", ") || "none"}\n\n| what | verdict | found |\n|---|---|---|\n${table.join("\n")}\n`);
	if (rows.some(([, ok]) => ok === false)) process.exitCode = 1;
}

run().catch(fail);
