// Stands for cmake in tests of the build: quick, and it fails as it is told to. `FAKE_CMAKE` in the environment says how (see below).
//
// It configures (`-B FOLDER`) by writing CMakeCache.txt, and builds (`--build FOLDER`) by writing two objects, a library and the addon.
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const args = process.argv.slice(2);
if (args[0] === "--version") {
	console.log("cmake version 3.25.1");
	process.exit(0);
}
const told = JSON.parse(process.env.FAKE_CMAKE ?? "{}");
const building = args[0] === "--build";
const folder = building ? args[1] : args[args.indexOf("-B") + 1];
const log = (what) => appendFileSync(`${folder}.log`, `${what}\n`);
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function configure() {
	const cache = join(folder, "CMakeCache.txt");
	log("configure");
	if (told.failsToConfigure) fail(told.failsToConfigure);
	if (existsSync(cache) && readFileSync(cache, "utf8") !== "fake") fail(["Does not match the generator used previously: Ninja"]);
	writeFileSync(cache, "fake");
}

async function build() {
	const linked = join(folder, "linked");
	mkdirSync(linked, { recursive: true });
	log("build");
	for (const name of ["a.o", "b.o"]) {
		if (existsSync(join(folder, name))) continue;
		log(`compile ${name}`);
		writeFileSync(join(folder, name), name);
	}
	writeFileSync(join(folder, "libx.a"), "library");
	console.log("[1/2] Building a.o");
	// As a compiler that was started by make: its session is that of this process.
	if (told.compiler) {
		const { pid } = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { cwd: folder, stdio: "inherit" });
		writeFileSync(`${folder}.compiler`, String(pid));
	}
	if (told.waits) await wait(told.waits);
	writeFileSync(join(linked, "prune_gguf.node"), told.half ? "hal" : "whole addon");
	if (told.killed) process.kill(process.pid, "SIGKILL");
	if (told.failsToBuild) fail(told.failsToBuild);
	console.log("[2/2] Linking");
}

function fail(lines) {
	for (const line of lines) console.error(line);
	process.exit(1);
}

await (building ? build() : configure());
