// Runs the binary for linux-arm64 on this machine: npm run build && node scripts/prebuild/try-arm64.mjs [--native FILE.node] [--record]
//
// On another CPU Node.js for arm64 runs in an emulator (qemu-user). That shows that the binary loads, that its losses are right, and that the
// code which ran uses no instruction beyond those of the emulated CPU. It says nothing of speed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { arm64Tools } from "./arm64-tools.mjs";
import { startMeasuring } from "./measuring.mjs";
import { recordResult } from "./results.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const { values: options } = parseArgs({
	options: {
		native: { type: "string", default: join(root, "build", "cpu", "Release", "prune_gguf.node") },
		tools: { type: "string", default: join(root, "build", "tools", "arm64") },
		/** The emulated CPU: "cortex-a53" has no instruction beyond ARMv8.0. */
		cpu: { type: "string", default: "cortex-a53" },
		record: { type: "boolean", default: false },
	},
});
const say = (line) => process.stdout.write(`${line}\n`);
const addon = join(root, "prebuilds", "linux-arm64", "prune_gguf.node");
const fixture = join(root, "fixture", "fixture-12l.gguf");

/** How Node.js for arm64 is started. */
function program() {
	if (process.arch === "arm64") return { execPath: process.execPath, execArgv: [] };
	const { qemu, sysroot, node } = arm64Tools(options.tools, say);
	return { execPath: qemu, execArgv: ["-cpu", options.cpu, "-L", sysroot, node] };
}

const { execPath, execArgv } = program();
const emulated = process.arch === "arm64" ? "" : `, emulated ${options.cpu}`;
const version = spawnSync(execPath, [...execArgv, "-p", "process.version + ' ' + process.arch"], { encoding: "utf8" });
if (version.status !== 0) throw new Error(`Node.js for arm64 does not start: ${version.stderr}`);
say(`Node.js ${version.stdout.trim()}${emulated}`);

const job = { model: fixture, tokens: join(root, "fixture", "fixture-12l.windows-10x128.i32"), count: 10, length: 128, threads: 2 };
const sides = [startMeasuring(options.native, job), startMeasuring(addon, job, { execPath, execArgv })];
for (const side of sides) await side.next();
const [native, arm] = [await sides[0].ask("batch"), await sides[1].ask("batch")];
for (const side of sides) side.end();
const differences = arm.losses.map((loss, i) => Math.abs(loss - native.losses[i]));
say(
	`12-block model: ${arm.losses.length} candidates, largest difference of a mean loss from ${process.arch}: ${Math.max(...differences).toExponential(1)} nats`,
);
if (!(Math.max(...differences) < 1e-3)) throw new Error("the losses differ by more than rounding explains");

const folder = mkdtempSync(join(tmpdir(), "prune-gguf-arm64-"));
try {
	const output = join(folder, "pruned.gguf");
	const run = spawnSync(execPath, [...execArgv, join(root, "dist", "cli", "main.js"), fixture, output, "--remove", "2", "--threads", "2"], {
		encoding: "utf8",
		env: { ...process.env, PRUNE_GGUF_ADDON: addon, PRUNE_GGUF_HOME: join(folder, "home") },
	});
	if (run.status !== 0) throw new Error(`the command line ended with ${run.status ?? run.signal}:\n${run.stderr.slice(-2000)}`);
	say(`prune-gguf fixture-12l.gguf --remove 2: exit code 0\n${run.stdout.trim()}`);
} finally {
	rmSync(folder, { recursive: true, force: true });
}

if (options.record) {
	const where = emulated ? `in an emulator (qemu-user, ${options.cpu})` : "on an arm64 machine";
	const how = `12-block model ${where}: ${arm.losses.length} candidates and one whole run; losses within ${Math.max(...differences).toExponential(0)} nats of ${process.arch}`;
	recordResult("linux-arm64", "run", { how, node: version.stdout.trim() });
}
