// zig as a C and C++ compiler for other systems: finding it, installing it from PyPI, and giving it to CMake.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The version that the binaries are made with. Another one may give other bits. */
export const zigVersion = "0.17.1";

/**
 * The command that starts zig: `ZIG`, one in the path, the Python package `ziglang`, or that package below `folder`, where it is installed
 * if it is missing. All must be of version `zigVersion`.
 * @throws {Error} that says how to install it
 */
export function findZig(folder, log = () => {}) {
	const installed = join(folder, "ziglang");
	const candidates = [process.env.ZIG ? [process.env.ZIG] : [], [join(installed, "ziglang", "zig")], ["zig"], ["python3", "-m", "ziglang"]];
	const found = candidates.filter((command) => command.length > 0).find((command) => versionOf(command) === zigVersion);
	if (found) return found;
	log(`installing zig ${zigVersion} (PyPI's ziglang) into ${installed}`);
	const pip = [
		"-m",
		"pip",
		"install",
		"--quiet",
		"--disable-pip-version-check",
		"--no-deps",
		"--target",
		installed,
		`ziglang==${zigVersion}`,
	];
	const { status, stderr, error } = spawnSync("python3", pip, { encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
	const zig = join(installed, "ziglang", "zig");
	if (status === 0 && existsSync(zig)) return [zig];
	throw new Error(
		`zig ${zigVersion} is not there, and pip could not install it: ${(error?.message ?? stderr ?? "").trim().split("\n").at(-1)}\n` +
			`Install it with: python3 -m pip install ziglang==${zigVersion}\nor name an unpacked one in the environment: ZIG=/path/to/zig`,
	);
}

function versionOf(command) {
	const { stdout, status } = spawnSync(command[0], [...command.slice(1), "version"], { encoding: "utf8" });
	return status === 0 ? stdout.trim() : undefined;
}

/** Version of the clang inside. */
export function clangVersion(zig) {
	const { stdout } = spawnSync(zig[0], [...zig.slice(1), "cc", "--version"], { encoding: "utf8" });
	return /clang version (\S+)/.exec(stdout ?? "")?.[1] ?? "unknown";
}

/**
 * Programs that CMake can call by one path each, in `folder`.
 * @returns {{ definitions: Record<string, string>, files: { path: string, text: string, mode: number }[] }} their paths by CMake's name, and
 *   what is to be written
 */
export function compilerWrappers(folder, zig, target) {
	const flags = `-target ${target.zigTarget} -mcpu=${target.cpu}`;
	const programs = { cc: `cc ${flags}`, "c++": `c++ ${flags}`, ar: "ar", ranlib: "ranlib" };
	const quoted = zig.map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(" ");
	const files = Object.entries(programs).map(([name, call]) => ({
		path: join(folder, name),
		text: `#!/bin/sh\nexec ${quoted} ${call} "$@"\n`,
		mode: 0o755,
	}));
	const definitions = {
		CMAKE_C_COMPILER: join(folder, "cc"),
		CMAKE_CXX_COMPILER: join(folder, "c++"),
		CMAKE_AR: join(folder, "ar"),
		CMAKE_RANLIB: join(folder, "ranlib"),
	};
	return { definitions, files };
}
