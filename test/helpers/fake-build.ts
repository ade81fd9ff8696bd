import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildPlaces } from "../../src/model/runtime/build.js";

const script = fileURLToPath(new URL("fake-cmake.mjs", import.meta.url));

/** What the fake cmake does: see there. */
export interface FakeCmake {
	readonly failsToConfigure?: readonly string[];
	readonly failsToBuild?: readonly string[];
	/** Milliseconds. */
	readonly waits?: number;
	/** Ends itself as `kill -9` does, after the addon is written. */
	readonly killed?: boolean;
	/** The addon is cut short. */
	readonly half?: boolean;
	/** Starts a program that runs for a minute. */
	readonly compiler?: boolean;
}

/** A package with sources, a folder of builds, and programs that take no time. */
export class FakeBuild {
	readonly root: string;
	readonly places: BuildPlaces;
	/** The only folder of PATH. */
	readonly programs: string;
	/** Where the addon of the CPU appears. */
	readonly addon: string;
	/** CMake's folder. */
	readonly folder: string;

	constructor() {
		this.root = mkdtempSync(join(tmpdir(), "prune-gguf-build-"));
		this.places = { root: join(this.root, "package"), builds: join(this.root, "builds") };
		this.folder = join(this.places.builds, "cpu");
		this.addon = join(this.folder, "Release", "prune_gguf.node");
		this.programs = join(this.root, "programs");
		mkdirSync(join(this.places.root, "vendor", "llama.cpp"), { recursive: true });
		writeFileSync(join(this.places.root, "package.json"), JSON.stringify({ binary: { napi_versions: [8] } }));
		writeFileSync(join(this.places.root, "vendor", "llama.cpp", "CMakeLists.txt"), "");
		mkdirSync(this.programs);
		this.program("cmake", `exec '${process.execPath}' '${script}' "$@"`);
		for (const name of ["g++", "gcc", "ninja"]) this.program(name, "exit 0");
	}

	/** Puts a program on the PATH. */
	program(name: string, text: string): void {
		const path = join(this.programs, name);
		writeFileSync(path, `#!/bin/sh\n${text}\n`);
		chmodSync(path, 0o755);
	}

	env(told: FakeCmake = {}): NodeJS.ProcessEnv {
		return { PATH: this.programs, FAKE_CMAKE: JSON.stringify(told) };
	}

	/** What the fake cmake was asked for. */
	log(): string[] {
		const path = `${this.folder}.log`;
		return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
	}

	/** A build in a process of its own; it writes its steps, and its error. */
	inProcess(told: FakeCmake = {}): ChildProcess {
		const build = new URL("../../dist/model/runtime/build.js", import.meta.url).href;
		const code = `
			const { compileAddon } = await import(${JSON.stringify(build)});
			await compileAddon({ backend: "cpu", places: ${JSON.stringify(this.places)}, onStep: ({ step }) => console.log(step) })
				.then(() => console.log("built"), (error) => console.log("error: " + error.message));
		`;
		return spawn(process.execPath, ["--input-type=module", "-e", code], { env: this.env(told), stdio: ["ignore", "pipe", "inherit"] });
	}
}
