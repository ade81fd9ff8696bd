// Runs binaries of other systems on this machine: npm run build && node scripts/prebuild/emulate.mjs NAME ... [--native FILE.node] [--record]
//
// linux-arm64 runs in qemu-user, win32-x64-* in Wine; a binary of this platform runs as it is. That shows that the binary loads, that its
// losses are right, and that the command line works with it. In an emulated CPU, the code that ran uses no instruction which that CPU lacks.
// It says nothing of speed.
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { linuxArm64, windowsX64 } from "./emulators.mjs";
import { hashOf, recordResult } from "./results.mjs";
import { targets } from "./targets.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const { values: options, positionals: names } = parseArgs({
	allowPositionals: true,
	options: {
		native: { type: "string", default: join(root, "build", "cpu", "Release", "prune_gguf.node") },
		tools: { type: "string", default: join(root, "build", "tools") },
		record: { type: "boolean", default: false },
	},
});
const say = (line) => process.stdout.write(`${line}\n`);
const fixture = join(root, "fixture", "fixture-12l.gguf");
const here = { command: [process.execPath], env: {}, where: "on this machine" };
const emulators = { "linux-arm64": linuxArm64, "win32-x64": windowsX64 };
/** Rounding explains less than this, nats: each kind of instructions rounds quantized values of its own way (1.4e-3 was seen). */
const OTHER_LEVEL = 2e-3;
/** The same instructions on another system give the same but for functions of its library, nats. */
const SAME_LEVEL = 1e-4;

/** What a binary is compared with: that of Linux with the same instructions where it is there, else the native build. */
function referenceOf({ name, platform }) {
	const same = name.replace(platform, "linux");
	const addon = join(root, "prebuilds", same, "prune_gguf.node");
	return same !== name && existsSync(addon)
		? { addon, called: same, most: SAME_LEVEL }
		: { addon: options.native, called: "the native build", most: OTHER_LEVEL };
}

function programOf({ platform, arch }) {
	const kind = `${platform}-${arch}`;
	if (kind === `${process.platform}-${process.arch}`) return here;
	if (!emulators[kind]) throw new Error(`there is no emulator for ${kind}`);
	return emulators[kind](join(options.tools, kind), say);
}

/** Runs Node.js with an addon. It writes to a file: Wine's Node.js cannot open a pipe. @throws {Error} with the last lines */
function node({ command, env }, args, settings) {
	const [program, ...first] = command;
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-output-"));
	const path = join(folder, "output.txt");
	const output = openSync(path, "w");
	try {
		const { status, signal } = spawnSync(program, [...first, ...args], {
			env: { ...process.env, ...env, ...settings },
			stdio: ["ignore", output, output],
		});
		const written = readFileSync(path, "utf8");
		if (status !== 0) throw new Error(`${args[0]} ended with ${status ?? signal}:\n${written.slice(-3000)}`);
		return written.trim();
	} finally {
		closeSync(output);
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Mean losses of the 12-block model and of it without each block in turn. */
function losses(program, addon, folder) {
	const output = join(folder, "losses.json");
	const tokens = join(root, "fixture", "fixture-12l.windows-10x128.i32");
	const job = { model: fixture, tokens, count: 10, length: 128, threads: 2, work: "batch", output };
	node(program, [join(root, "scripts", "prebuild", "compare-child.mjs"), JSON.stringify(job)], {
		PRUNE_GGUF_ADDON: addon,
		PRUNE_GGUF_HOME: join(folder, "home"),
	});
	return JSON.parse(readFileSync(output, "utf8"));
}

function tryBinary(target, folder) {
	const addon = join(root, "prebuilds", target.name, "prune_gguf.node");
	const sha256 = hashOf(addon);
	const program = programOf(target);
	const version = node(program, ["-p", "process.version + ' ' + process.platform + '-' + process.arch"], {});
	say(`${target.name}: Node.js ${version} ${program.where}`);
	const reference = referenceOf(target);
	const [known, other] = [losses(here, reference.addon, folder), losses(program, addon, folder)];
	const difference = Math.max(...other.losses.map((loss, i) => Math.abs(loss - known.losses[i])));
	const near =
		difference === 0
			? `the mean losses of ${reference.called}`
			: `mean losses within ${difference.toExponential(1)} nats of ${reference.called}`;
	say(`  12-block model: ${other.losses.length} candidates, ${near}`);
	if (!(difference < reference.most)) throw new Error("the losses differ by more than rounding explains");
	const command = [join(root, "dist", "cli", "main.js"), fixture, join(folder, "pruned.gguf"), "-n", "2", "--threads", "2"];
	// An emulated CPU takes a hundred times as long: few candidates, and no speed, which would say nothing.
	const fewer = ["--effort", "quick", "--max-evaluations", "20", "--windows", "10", "--samples", "1", "--no-speed"];
	const stdout = node(program, [...command, ...fewer], { PRUNE_GGUF_ADDON: addon, PRUNE_GGUF_HOME: join(folder, "home") });
	say(`  prune-gguf fixture-12l.gguf -n 2: exit code 0; ${/^Removed .*$/m.exec(stdout)?.[0] ?? ""}`);
	const how = `12-block model ${program.where}: ${other.losses.length} candidates and one whole run; ${near}`;
	if (options.record) recordResult(target.name, "run", { sha256, how, node: version });
}

for (const name of names) {
	const target = targets.find((one) => one.name === name);
	if (!target) throw new Error(`there is no target ${name}`);
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-emulate-"));
	try {
		tryBinary(target, folder);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
