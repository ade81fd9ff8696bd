import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, vi } from "vitest";

interface Target {
	name: string;
	platform: string;
	arch: string;
	needs: string[];
	libcVersion: string | null;
	cmake: object;
	compilerFlags?: string[];
	zigTarget?: string;
}

const script = (name: string) => new URL(`../../scripts/prebuild/${name}`, import.meta.url).href;
const { targets } = (await import(script("targets.mjs"))) as { targets: Target[] };
const { lineByPs, wanted } = (await import(script("prebuild.mjs"))) as {
	lineByPs(id: number): { line: string; up: number };
	wanted(names: string[], host: { platform: string; arch: string }): Target[];
};
const { testFiles } = (await import(script("test-binary.mjs"))) as { testFiles(): string[] };
const namesOf = (names: string[], platform: string, arch: string) => wanted(names, { platform, arch }).map((target) => target.name);

describe("the table of targets", () => {
	it("has a name for each platform and level, which says what it is", () => {
		expect(targets.map((target) => target.name)).toEqual([
			"linux-x64-baseline",
			"linux-x64-avx2",
			"linux-x64-avx512",
			"linux-arm64",
			"win32-x64-baseline",
			"win32-x64-avx2",
			"darwin-arm64",
			"darwin-x64",
		]);
		for (const { name, platform, arch } of targets) expect(name.startsWith(`${platform}-${arch}`)).toBe(true);
	});

	it("asks a higher level for all that a lower one needs, and more", () => {
		for (const platform of ["linux", "win32"]) {
			const levels = targets.filter((target) => target.platform === platform && target.arch === "x64");
			for (const [i, { needs }] of levels.entries()) {
				const lower = levels[i - 1]?.needs ?? [];
				expect(needs).toEqual(expect.arrayContaining(lower));
				expect(needs.length).toBeGreaterThan(lower.length);
			}
		}
	});
});

it("zig is given one name of a CPU: -march would be a second one, of another kind", () => {
	const withZig = targets.filter(({ zigTarget }) => zigTarget !== undefined);
	expect(withZig.length).toBeGreaterThan(4);
	for (const { cmake, compilerFlags = [] } of withZig) {
		expect(cmake).not.toHaveProperty("GGML_CPU_ARM_ARCH");
		expect(compilerFlags.filter((flag) => flag.startsWith("-m"))).toEqual([]);
	}
});

describe("the tests that a binary is run with", () => {
	const marks = /runtime\/model\.js|findAddon|quantizeFile|loadAddon|native\/run/;
	const load = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

	it("all load one, and no other does", () => {
		const files = testFiles();
		expect(files.length).toBeGreaterThan(20);
		// In a process of its own.
		const indirect = ["test/native/busy-cores.test.ts"];
		expect(files.filter((path) => !marks.test(load(path)))).toEqual(indirect);
		const folder = fileURLToPath(new URL("../../test/model/runtime/", import.meta.url));
		const others = readdirSync(folder, { recursive: true })
			.map((name) => `test/model/runtime/${String(name).replaceAll("\\", "/")}`)
			.filter((path) => path.endsWith(".test.ts") && !files.includes(path));
		expect(others.length).toBeGreaterThan(5);
		expect(others.filter((path) => marks.test(load(path)))).toEqual([]);
	});
});

describe("npm run prebuild", () => {
	it("makes what is named, all levels of this platform, or all that the machine can make", () => {
		expect(namesOf(["linux-arm64"], "linux", "x64")).toEqual(["linux-arm64"]);
		expect(namesOf(["here"], "linux", "x64")).toEqual(["linux-x64-baseline", "linux-x64-avx2", "linux-x64-avx512"]);
		expect(namesOf([], "linux", "x64").some((name) => name.startsWith("darwin"))).toBe(false);
		expect(namesOf(["all"], "darwin", "arm64")).toHaveLength(targets.length);
	});

	it("refuses a name that it does not know, and what this machine cannot make", () => {
		expect(() => namesOf(["linux-x64-avx3"], "linux", "x64")).toThrow("there is no target linux-x64-avx3. Targets: linux-x64-baseline,");
		expect(() => namesOf(["darwin-x64"], "linux", "x64")).toThrow("darwin-x64 is made on macOS only");
		expect(() => namesOf(["here"], "win32", "x64")).toThrow("win32-x64-baseline is made on Linux or macOS, not on Windows");
		expect(() => namesOf(["here"], "freebsd", "x64")).toThrow("there is no prebuilt binary for freebsd-x64");
	});
});

describe("npm takes prebuild for a hook of build", () => {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-hook-"));
	afterAll(() => rmSync(folder, { recursive: true, force: true }));
	mkdirSync(folder, { recursive: true });
	writeFileSync(
		join(folder, "ask.mjs"),
		`import { isHookOfBuild } from ${JSON.stringify(script("prebuild.mjs"))};\nconsole.log("hook", isHookOfBuild());\n`,
	);
	writeFileSync(
		join(folder, "package.json"),
		JSON.stringify({ name: "x", scripts: { prebuild: "node ask.mjs", build: "node -e 1", chain: "npm run build --silent" } }),
	);
	const run = (name: string) => spawnSync("npm", ["run", name, "--silent"], { cwd: folder, encoding: "utf8" }).stdout.trim();

	it.runIf(process.platform !== "win32")("the script sees whether it was asked for", () => {
		expect(run("prebuild")).toBe("hook false");
		expect(run("build")).toBe("hook true");
		expect(run("chain")).toBe("hook true");
	});

	it.runIf(process.platform !== "win32")(
		"ps is asked so that macOS understands it: after the first = of an option all is a heading",
		() => {
			const programs = join(folder, "programs");
			mkdirSync(programs);
			const text =
				'#!/bin/sh\nfor one; do case "$one" in *=?*) echo 12; exit;; esac; done\n[ "$6" = 34 ] && echo "   12 npm run prebuild"\n';
			writeFileSync(join(programs, "ps"), text, { mode: 0o755 });
			vi.stubEnv("PATH", `${programs}:${process.env.PATH}`);
			try {
				expect(lineByPs(34)).toEqual({ line: "npm run prebuild", up: 12 });
			} finally {
				vi.unstubAllEnvs();
			}
		},
	);

	it("a build makes no binary, and says so unless npm is silent", () => {
		const main = fileURLToPath(script("prebuild.mjs"));
		const ask = (npm_config_loglevel: string) => {
			const env = { ...process.env, npm_lifecycle_event: "prebuild", PATH: "/nowhere", npm_config_loglevel };
			const { status, stderr } = spawnSync(process.execPath, [main], { env, encoding: "utf8" });
			return { status, stderr };
		};
		expect(ask("notice")).toEqual({ status: 0, stderr: expect.stringMatching(/^no binary is made: .+\n$/) });
		expect(ask("silent")).toEqual({ status: 0, stderr: "" });
	});
});
