// Takes away what an installed package needs, or damages its binaries, and shows what a run and `doctor` say then.
//   node scripts/package/try-faults.mjs PACKAGE.tgz [--only "part of a name" ...]
//
// Linux, as root: folders are mounted read-only or small, and the network is taken away. It fails if a run or doctor says something else than
// fault-checks.mjs asks of each fault, or a run does not go on with the next binary. docs/developers/binary-faults.md shows what is said.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { damaged } from "./damage.mjs";
import { binaryComplaints, missingComplaints } from "./fault-checks.mjs";
import { programs } from "./programs.mjs";

const { values: options, positionals } = parseArgs({
	allowPositionals: true,
	options: { only: { type: "string", multiple: true, default: [""] } },
});
if (positionals.length !== 1 || !existsSync(positionals[0]) || process.platform !== "linux" || process.getuid() !== 0) {
	process.stderr.write("error: name the package, on Linux and as root: node scripts/package/try-faults.mjs PACKAGE.tgz\n");
	process.exit(2);
}
const model = fileURLToPath(new URL("../../fixture/fixture-12l.gguf", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "prune-gguf-faults-"));
const home = join(work, "home");
const installed = join(work, "node_modules", "prune-gguf");
const prebuilds = join(installed, "prebuilds");
const aside = join(work, "aside");
const text = join(work, "text.txt");

const always = ["node", "npm", "sh", "env"];
const toBuild = ["g++", "gcc", "cmake", "ninja", "make", "git", "tar", "ar", "ranlib", "ld", "as", "uname"];
let made = 0;
const pathWith = (names) => programs(join(work, `programs-${made++}`), [...always, ...names]);
const nothing = pathWith([]);
const without = (...names) => pathWith(toBuild.filter((name) => !names.includes(name)));

/** The command line of the installed package. `before`: a program that starts it, with its arguments. */
function call(args, { PATH = nothing, before = [] } = {}) {
	const [program, ...rest] = [...before, process.execPath, join(installed, "dist", "cli", "main.js"), ...args];
	const env = { HOME: work, npm_config_cache: join(work, "npm"), PRUNE_GGUF_HOME: home, NO_COLOR: "1", PATH };
	return [program, rest, { cwd: work, env, encoding: "utf8" }];
}
const measuring = ["evaluate", model, "--text", text, "--window-length", "64"];

function mounted(folder, args) {
	mkdirSync(folder, { recursive: true });
	for (const [program, ...rest] of args) {
		const { status, stderr } = spawnSync(program, rest, { encoding: "utf8" });
		if (status !== 0) throw new Error(`${program} ${rest.join(" ")}: ${stderr}`);
	}
	return () => spawnSync("umount", [folder]);
}
const readOnly = (folder) =>
	mounted(folder, [
		["mount", "--bind", folder, folder],
		["mount", "-o", "remount,bind,ro", folder],
	]);
const small = (folder, size) => mounted(folder, [["mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]]);

/** Moves a folder of the package away. @returns what brings it back */
function away(name) {
	renameSync(join(installed, name), aside);
	return () => renameSync(aside, join(installed, name));
}

/** Puts a damaged copy in the place of the best binary. @param facts of it: those of the copy, or as they were */
const damage = (kind, facts) => (best) => {
	const path = join(prebuilds, best, "prune_gguf.node");
	const bytes = kind ? damaged(path, kind) : readFileSync(path);
	const file = join(prebuilds, best, "binary.json");
	const sha256 = createHash("sha256").update(bytes).digest("hex");
	const described = JSON.parse(readFileSync(file, "utf8"));
	writeFileSync(path, bytes);
	writeFileSync(file, JSON.stringify({ ...described, ...(facts === "as it was" ? {} : { sha256, bytes: bytes.length, ...facts }) }));
};

/** Binaries that cannot load: the next one must be used. */
const binaries = [
	["cut short", damage("cut short", "as it was")],
	["changed by one instruction", damage("with an illegal instruction", "as it was")],
	["of another processor", damage("of another processor")],
	["for another C library, as it says", damage(undefined, { libc: "musl", libcVersion: null })],
	["for a newer C library than it says", damage("of another C library")],
	["with a library that is missing", damage("with a library that is missing")],
	["with an illegal instruction", damage("with an illegal instruction")],
	["with a write outside its memory", damage("with a write outside its memory")],
];

/** Things that a build needs: each is missing where no binary can be used. */
const missing = [
	["everything to build", () => ({ PATH: nothing })],
	["a compiler", () => ({ PATH: without("g++", "gcc") })],
	["cmake", () => ({ PATH: without("cmake") })],
	["make and ninja", () => ({ PATH: without("make", "ninja") })],
	["git, and the sources of llama.cpp", () => ({ PATH: without("git"), undo: away("vendor/llama.cpp") })],
	[
		"the network, and the sources of llama.cpp",
		() => ({ PATH: without(), before: ["/usr/bin/unshare", "-n"], undo: away("vendor/llama.cpp") }),
	],
	["a folder that can be written", () => ({ PATH: without(), undos: [readOnly(installed), readOnly(home)] })],
	["space, before it begins", () => ({ PATH: without(), undo: small(join(installed, "build"), "20m") })],
	["space, while it compiles", () => ({ PATH: without(), undo: small(join(installed, "build"), "60m"), fills: join(installed, "build") })],
];

const tidy = (output) => output.replaceAll(installed, "PACKAGE").replaceAll(home, "CACHE").replaceAll(work, "FOLDER").trim();
const say = (title, output) => process.stdout.write(`${title}\n${tidy(output).replaceAll(/^/gm, "    ")}\n`);
const complain = (name, complaints, { error, stdout, stderr }) => {
	if (complaints.length === 0) return;
	process.exitCode = 1;
	const because = [...(error ? [error.message] : []), ...complaints].map((complaint) => `  ${complaint}\n`).join("");
	process.stderr.write(`error: ${name}: not as it should be\n${because}${stdout ?? ""}${stderr ?? ""}`);
};

function tryBinary(name, make, best) {
	cpSync(prebuilds, aside, { recursive: true });
	try {
		make(best);
		const run = spawnSync(...call(measuring));
		const told = spawnSync(...call(["doctor", "--json"]));
		const doctor = JSON.parse(told.stdout);
		const one = doctor.binaries.find((binary) => binary.name === best);
		const warning = run.stderr.split("\n").find((line) => line.startsWith("warning: "));
		say(
			`a binary ${name}`,
			`run (${run.status}): ${warning ?? "(a run says nothing)"}\ndoctor: ${one.verdict}: ${one.reason}; used: ${doctor.used}`,
		);
		for (const { what, why, command } of doctor.missing) say("  doctor, missing", `${what}: ${why}\n${command}`);
		complain(name, binaryComplaints(name, { best, status: run.status, warning, doctor }), run);
	} finally {
		rmSync(prebuilds, { recursive: true });
		renameSync(aside, prebuilds);
	}
}

/** Fills a disk as soon as something was configured there. */
async function runWhileFilling(folder, asked) {
	const [program, args, settings] = call(measuring, asked);
	const child = spawn(program, args, { ...settings, stdio: ["ignore", "ignore", "pipe"] });
	let stderr = "";
	child.stderr.on("data", (piece) => {
		stderr += piece;
	});
	const ended = new Promise((done) => child.on("close", done));
	while (!existsSync(join(folder, "cpu", "CMakeCache.txt")) && child.exitCode === null) await delay(20);
	spawnSync("dd", ["if=/dev/zero", `of=${join(folder, "filler")}`, "bs=1M"]);
	return { status: await ended, stdout: "", stderr };
}

async function tryMissing(name, take) {
	renameSync(prebuilds, join(work, "binaries"));
	const { undo, undos = undo ? [undo] : [], fills, ...asked } = take();
	try {
		const run = fills ? await runWhileFilling(fills, asked) : spawnSync(...call(measuring, asked));
		const lines = (run.stderr ?? "").split("\n").filter((line) => line && !/^(Building|\s*\d+ %)/.test(line));
		say(`missing: ${name} (${run.status})`, lines.join("\n"));
		const told = spawnSync(...call(["doctor", "--json"], asked));
		const lacks = JSON.parse(told.stdout).missing;
		for (const { what, why, command } of lacks) say("  doctor", `${what}: ${why}\n${command}`);
		complain(name, missingComplaints(name, { run, told, missing: lacks }), run);
	} finally {
		for (const one of undos) one();
		rmSync(join(installed, "build"), { recursive: true, force: true });
		renameSync(join(work, "binaries"), prebuilds);
	}
}

try {
	writeFileSync(join(work, "package.json"), JSON.stringify({ name: "faults", private: true }));
	writeFileSync(text, "It was a dark and stormy night; the rain fell in torrents. ".repeat(40));
	const { status, stderr } = spawnSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", resolve(positionals[0])], {
		cwd: work,
		encoding: "utf8",
	});
	if (status !== 0) throw new Error(`npm install: ${stderr}`);
	const { used } = JSON.parse(spawnSync(...call(["doctor", "--json"])).stdout);
	say("the package as it is", `used: ${used}`);
	const wanted = ([name]) => options.only.some((part) => name.includes(part));
	for (const [name, make] of binaries.filter(wanted)) tryBinary(name, make, used);
	for (const [name, take] of missing.filter(wanted)) await tryMissing(name, take);
} finally {
	rmSync(work, { recursive: true, force: true });
}
