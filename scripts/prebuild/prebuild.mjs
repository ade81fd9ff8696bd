// Makes prebuilt binaries in prebuilds/.
//   npm run prebuild [-- NAME ... | here | all] [--record]
// NAME: of targets.mjs. "here": all levels of this platform. Without a name: all that this machine can make. --record: writes sizes to
// results.json, for docs/developers/binaries.md.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, rename, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { prepareFolder } from "./build-folder.mjs";
import { inspectBinary, macFaults } from "./check.mjs";
import { configuration } from "./configure.mjs";
import { machLibraries, oldestMacos } from "./mach.mjs";
import { describeBinary } from "./record.mjs";
import { recordResult } from "./results.mjs";
import { canBuild, targets, targetsOf } from "./targets.mjs";
import { clangVersion, findZig, zigVersion } from "./zig.mjs";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
const work = join(root, "build", "prebuild");
const say = (line) => process.stderr.write(`${line}\n`);

/** The targets that were asked for. @throws {Error} if a name is not known, or cannot be made here */
export function wanted(names, host = process) {
	if (names.length === 0 || names.includes("all")) return targets.filter((target) => canBuild(target, host.platform));
	const found = names.flatMap((name) => {
		if (name === "here") return targetsOf(host.platform, host.arch);
		const target = targets.find((one) => one.name === name);
		if (!target) throw new Error(`there is no target ${name}. Targets: ${targets.map((one) => one.name).join(", ")}, here, all`);
		return [target];
	});
	if (found.length === 0) throw new Error(`there is no prebuilt binary for ${host.platform}-${host.arch}`);
	for (const { name, madeOn } of found.filter((target) => !canBuild(target, host.platform)))
		throw new Error(madeOn === "darwin" ? `${name} is made on macOS only` : `${name} is made on Linux or macOS, not on Windows`);
	return [...new Set(found)];
}

/** Runs a program to its end. @throws {Error} with its last lines */
function runToEnd(command, args, env = process.env) {
	const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", env, maxBuffer: 1 << 28 });
	if (status === 0) return;
	const lines = `${stdout ?? ""}${stderr ?? ""}`.trim().split("\n").slice(-30).join("\n");
	throw new Error(error ? `${command} could not be started: ${error.message}` : `${command} ${args[0]} ended with ${status}:\n${lines}`);
}

/** Makes one binary and checks it. @returns what binary.json says */
export async function makeBinary(target) {
	const zig = target.zigTarget === undefined ? undefined : findZig(join(root, "build", "tools"), say);
	const compiler = zig ? `zig ${zigVersion} (clang ${clangVersion(zig)})` : appleClang();
	const folder = join(work, target.name);
	const cache = join(work, "zig-cache");
	const env = { ...process.env, LC_ALL: "C", ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };
	say(`${target.name}: ${compiler}`);
	const { args, files } = configuration(target, { root, folder, zig, compiler });
	if (await prepareFolder(folder, { args, files, compiler })) say(`${target.name}: everything is compiled anew, with other settings`);
	runToEnd("cmake", args, env);
	runToEnd("cmake", ["--build", folder, "--target", "prune_gguf", "--parallel", String(availableParallelism())], env);
	return keepBinary(target, join(folder, "Release", "prune_gguf.node"), compiler);
}

/** Puts a checked binary where the package looks for it. */
async function keepBinary(target, file, compiler) {
	const { arch, faults, asks } = target.platform === "darwin" ? checkMac(file, target) : inspectBinary(file, target.platform);
	if (arch !== target.arch) faults.push(`it is for ${arch}`);
	if (faults.length > 0) throw new Error(`${target.name} is not fit to be shipped:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
	const record = describeBinary(target, { root, file, compiler, asks });
	const folder = join(root, "prebuilds", target.name);
	await mkdir(folder, { recursive: true });
	await copyFile(file, join(folder, "prune_gguf.node.partial"));
	await rename(join(folder, "prune_gguf.node.partial"), join(folder, "prune_gguf.node"));
	await writeFile(join(folder, "binary.json"), `${JSON.stringify(record, undefined, "\t")}\n`);
	return record;
}

function appleClang() {
	const { stdout } = spawnSync("c++", ["--version"], { encoding: "utf8" });
	const version = /Apple clang version (\S+)/.exec(stdout ?? "")?.[1];
	if (!version) throw new Error("Apple's clang is not there. Install it with: xcode-select --install");
	return `Apple clang ${version}`;
}

/** otool says what it loads, and which macOS it needs. */
function checkMac(file, target) {
	runToEnd("strip", ["-x", file]);
	const told = (program, ...args) => spawnSync(program, [...args, file], { encoding: "utf8", maxBuffer: 1 << 26 }).stdout ?? "";
	const asks = { macos: oldestMacos(told("otool", "-l")), libraries: machLibraries(told("otool", "-L")) };
	const archs = told("lipo", "-archs").trim();
	const faults = macFaults(asks, target.cmake.CMAKE_OSX_DEPLOYMENT_TARGET);
	return { arch: { arm64: "arm64", x86_64: "x64" }[archs] ?? archs, faults, asks };
}

/**
 * `npm run build` also runs a script of this name, before itself, since npm takes it for its hook. Only the command line of npm tells.
 */
export function isHookOfBuild(env = process.env, parent = process.ppid) {
	if (env.npm_lifecycle_event !== "prebuild") return false;
	let id = parent;
	for (let i = 0; i < 4; i++) {
		const { line, up } = processLine(id);
		if (/\brun(-script)?\s+prebuild\b/.test(line)) return false;
		if (/^npm\b|\bnpm(-cli\.js)?\s/.test(line)) return true;
		id = up;
	}
	return true;
}

function processLine(id) {
	try {
		const line = readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ").trim();
		return {
			line,
			up: Number(
				readFileSync(`/proc/${id}/stat`, "utf8")
					.replace(/^.*\) \S /, "")
					.split(" ")[0],
			),
		};
	} catch {
		return lineByPs(id);
	}
}

/** The command line of a process and the number of its parent, without procfs. */
export function lineByPs(id) {
	// One -o for each: on macOS everything after the first "=" is a heading.
	const { stdout } = spawnSync("ps", ["-o", "ppid=", "-o", "args=", "-p", String(id)], { encoding: "utf8" });
	const match = /^\s*(\d+)\s+(.*)$/.exec((stdout ?? "").trim());
	return { line: match?.[2] ?? "", up: Number(match?.[1] ?? 0) };
}

/** Says why no binary is made: whoever ran `npm run prebuild` would take silence for success. Not if npm was told to be silent. */
function sayNothingIsMade() {
	if (process.env.npm_config_loglevel === "silent") return;
	const how = "npm takes this script for a part of npm run build. To make binaries: npm run prebuild -- here";
	say(`no binary is made: ${wanted([]).length === 0 ? `${process.platform} can make none, Linux and macOS can` : how}`);
}

function recordBuild({ name, sha256, bytes, compiler, asks, sources }) {
	const packed = gzipSync(readFileSync(join(root, "prebuilds", name, "prune_gguf.node")), { level: 9 });
	recordResult(name, "build", { sha256, bytes, packedBytes: packed.length, compiler, asks, sources });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const names = process.argv.slice(2).filter((argument) => argument !== "--record");
	const record = process.argv.includes("--record");
	try {
		const asked = names.length === 0 && isHookOfBuild() ? [] : wanted(names);
		if (asked.length === 0) sayNothingIsMade();
		for (const target of asked) {
			const started = Date.now();
			const made = await makeBinary(target);
			if (record) recordBuild(made);
			const { bytes, asks } = made;
			say(
				`${target.name}: ${(bytes / 1e6).toFixed(1)} MB after ${Math.round((Date.now() - started) / 1000)} s, asks for ${JSON.stringify(asks)}`,
			);
		}
	} catch (error) {
		say(`error: ${error.message}`);
		process.exitCode = 1;
	}
}
