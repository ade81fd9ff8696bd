import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BuildError } from "../../../src/errors.js";
import { compileAddon } from "../../../src/model/runtime/build.js";
import { byGroup } from "../../../src/model/runtime/build-leftovers.js";
import { lockTimes } from "../../../src/storage/silent-lock.js";
import { FakeBuild, type FakeCmake } from "../../helpers/fake-build.js";
import { makeReadOnly } from "../../helpers/read-only.js";

// With programs that stand for cmake and compilers: nothing is compiled. Windows has no scripts that could stand for them.

let fake: FakeBuild;
const before = { ...process.env };
beforeEach(() => {
	fake = new FakeBuild();
});
afterEach(() => {
	Object.assign(process.env, { PATH: before.PATH, FAKE_CMAKE: "{}" });
	rmSync(fake.root, { recursive: true, force: true, maxRetries: 5 });
});

async function build(told: FakeCmake = {}): Promise<string[]> {
	const steps: string[] = [];
	Object.assign(process.env, fake.env(told));
	await compileAddon({ backend: "cpu", places: fake.places, onStep: ({ step }) => steps.push(step) });
	return steps;
}

const until = async (is: () => boolean) => {
	for (let i = 0; i < 1200 && !is(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
	expect(is()).toBe(true);
};

const isAlive = (pid: number) => {
	try {
		process.kill(pid, 0);
		return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return false;
	}
};

describe.skipIf(process.platform === "win32")("compileAddon", () => {
	it("puts the addon in its place, and remembers which backend was built", async () => {
		const steps = await build();
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
		expect(readdirSync(join(fake.folder, "Release"))).toEqual(["binary.json", "prune_gguf.node"]);
		expect(JSON.parse(readFileSync(join(fake.places.builds, "active.json"), "utf8"))).toEqual({ backend: "cpu" });
		expect(steps).toEqual(["finding the sources of llama.cpp", "configuring", "compiling llama.cpp", "compiling llama.cpp", "done"]);
	});

	it("keeps the addon that is there while another is linked, and if that fails", async () => {
		await build();
		await expect(build({ half: true, failsToBuild: ["ninja: build stopped: subcommand failed."] })).rejects.toThrow(BuildError);
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
	});

	it.skipIf(process.platform !== "linux")("compiles all of it again if it was for another machine, and keeps it until then", async () => {
		await build();
		const stamp = join(fake.folder, "Release", "binary.json");
		const facts = JSON.parse(readFileSync(stamp, "utf8")) as { needs: string[] };
		writeFileSync(stamp, JSON.stringify({ ...facts, needs: ["no-such-feature"] }));
		const compiled = () => fake.log().filter((line) => line.startsWith("compile"));
		await expect(build({ failsToBuild: ["ninja: build stopped: subcommand failed."] })).rejects.toThrow(BuildError);
		expect(compiled()).toEqual(["compile a.o", "compile b.o", "compile a.o", "compile b.o"]);
		expect(readdirSync(join(fake.folder, "Release"))).toEqual(["binary.json", "prune_gguf.node"]);
		// Those objects are for this machine.
		await build();
		expect(compiled()).toHaveLength(4);
		expect(JSON.parse(readFileSync(stamp, "utf8"))).toMatchObject({ needs: facts.needs });
		expect(existsSync(join(fake.folder, "begun.json"))).toBe(false);
	});

	it("compiles all of it again if sources changed that make takes for old, and leaves newer ones to make", async () => {
		const source = join(fake.places.root, "native", "a.cpp");
		mkdirSync(join(source, ".."));
		const write = (text: string, at: Date) => {
			writeFileSync(source, text);
			utimesSync(source, at, at);
		};
		write("one", new Date(0));
		await build();
		write("two", new Date(Date.now() + 60_000));
		await build();
		expect(fake.log().filter((line) => line.startsWith("compile"))).toHaveLength(2);
		write("three", new Date(0));
		await build();
		expect(fake.log().filter((line) => line.startsWith("compile"))).toHaveLength(4);
	});

	it("links again what was changed since, and compiles nothing", async () => {
		await build();
		writeFileSync(fake.addon, "changed");
		await build();
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
		expect(fake.log().filter((line) => line.startsWith("compile"))).toEqual(["compile a.o", "compile b.o"]);
	});

	it.each([
		["cmake", "cmake", /^cmake is needed to build the addon, but not found\. Install with: /],
		["a compiler", "g++", /^a C\+\+ compiler is needed/],
		["make and ninja", "ninja", /^make or ninja is needed/],
	])("says that %s is missing", async (_name, program, message) => {
		rmSync(join(fake.programs, program));
		await expect(build()).rejects.toThrow(message);
		expect(existsSync(fake.places.builds)).toBe(false);
	});

	it("says that git is missing, if the sources are", async () => {
		rmSync(join(fake.places.root, "vendor"), { recursive: true });
		await expect(build()).rejects.toThrow(/^git is needed/);
	});

	it("says in plain words why cmake failed, with its last lines", async () => {
		const lines = ["CMake Error at CMakeLists.txt:1:", "  CMake 3.15 or higher is required.  You are running version 3.10.2"];
		const failed = build({ failsToConfigure: lines });
		await expect(failed).rejects.toThrow(
			/^cmake 3\.10\.2 is too old[\s\S]*\n[\s\S]*ended with 1\. Its last lines:\n[\s\S]*You are running/,
		);
	});

	it("configures anew what was configured for another generator", async () => {
		mkdirSync(join(fake.folder, "CMakeFiles"), { recursive: true });
		writeFileSync(join(fake.folder, "CMakeCache.txt"), "of another generator");
		await build();
		expect(fake.log()).toEqual(["configure", "configure", "build", "compile a.o", "compile b.o"]);
		expect(existsSync(join(fake.folder, "CMakeFiles"))).toBe(false);
	});

	const unwritable = /^the addon would be built in .*cpu, which cannot be written.*\. Make it writable, or delete it\.$/;

	it("names the folder that cannot be made, and the setting for another if it is in the cache", async () => {
		writeFileSync(fake.places.builds, "a file");
		await expect(build()).rejects.toThrow(unwritable);
		vi.stubEnv("PRUNE_GGUF_HOME", fake.root);
		await expect(build()).rejects.toThrow(/Make it writable, or set PRUNE_GGUF_HOME to a folder that is\.$/);
		vi.unstubAllEnvs();
	});

	it.each(["of a first build", "of an earlier build"])("the same for the read-only folder %s", async (which) => {
		mkdirSync(which.includes("first") ? fake.places.builds : fake.folder, { recursive: true });
		const undo = makeReadOnly(fake.places.builds);
		if (!undo) return;
		try {
			await expect(build()).rejects.toThrow(unwritable);
		} finally {
			undo();
		}
	});
});

describe.skipIf(process.platform === "win32")("two builds at once", () => {
	it("the second waits, says so, and takes what the first has made", async () => {
		const first = fake.inProcess({ waits: 1500 });
		await until(() => fake.log().includes("build"));
		const steps = await build();
		expect(steps).toEqual([`waiting for process ${first.pid}, which builds the same`, "finding the sources of llama.cpp", "done"]);
		expect(fake.log()).toEqual(["configure", "build", "compile a.o", "compile b.o"]);
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
	});

	it("the second builds by itself if the first one fails", async () => {
		fake.inProcess({ waits: 1000, half: true, failsToBuild: ["ninja: build stopped: subcommand failed."] });
		await until(() => fake.log().includes("build"));
		const steps = await build();
		expect(steps.at(-1)).toBe("done");
		expect(fake.log().filter((line) => line === "build")).toHaveLength(2);
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
	});
});

/** As if it had been compiled a minute ago. */
const age = (name: string) => {
	const at = new Date(Date.now() - 60_000);
	utimesSync(join(fake.folder, name), at, at);
};

describe.skipIf(process.platform === "win32")("after a build that was killed", () => {
	it("in a container that is gone, the next one takes its lock once that has been silent for ten minutes", async () => {
		lockTimes.watch = 100;
		mkdirSync(fake.folder, { recursive: true });
		const lock = `${fake.folder}.lock`;
		writeFileSync(lock, JSON.stringify({ pid: 7, host: "0123456789ab", start: "1", space: "pid:[1]" }));
		const at = new Date(Date.now() - 11 * 60_000);
		utimesSync(lock, at, at);
		expect((await build()).at(-1)).toBe("done");
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
		expect(existsSync(lock)).toBe(false);
	});

	it.skipIf(process.platform !== "linux")("the next one ends what still runs, and goes on with what was finished", async () => {
		const first = fake.inProcess({ compiler: true, waits: 60_000 });
		// A file can be seen before its content is written.
		const written = (path: string) => existsSync(path) && readFileSync(path, "utf8") !== "";
		await until(() => written(`${fake.folder}.compiler`) && written(join(fake.folder, "running.json")));
		const compiler = Number(readFileSync(`${fake.folder}.compiler`, "utf8"));
		process.kill(first.pid!, "SIGKILL");
		await until(() => !isAlive(first.pid!));
		expect(isAlive(compiler)).toBe(true);
		expect(existsSync(fake.addon)).toBe(false);
		age("a.o");
		const steps = await build();
		expect(steps).toContain("going on after a build that was killed");
		expect(isAlive(compiler)).toBe(false);
		// What was written last could be half of it.
		expect(fake.log()).toEqual(["configure", "build", "compile a.o", "compile b.o", "configure", "build", "compile b.o"]);
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
	});

	it.skipIf(process.platform !== "linux")(
		"on another processor the next one compiles all of it again, also if it was the first",
		async () => {
			const mark = join(fake.folder, "begun.json");
			const compiled = () => fake.log().filter((line) => line.startsWith("compile"));
			const onAnother = () => writeFileSync(mark, readFileSync(mark, "utf8").replace(/"machine":"[^"]*"/, '"machine":"another"'));
			await expect(build({ half: true, killed: true })).rejects.toThrow(/ended with SIGKILL/);
			age("a.o");
			onAnother();
			await build();
			expect(compiled()).toEqual(["compile a.o", "compile b.o", "compile a.o", "compile b.o"]);
			expect(existsSync(mark)).toBe(false);
			// One that compiled a part of a finished build again.
			rmSync(join(fake.folder, "b.o"));
			await expect(build({ half: true, killed: true })).rejects.toThrow(/ended with SIGKILL/);
			expect(JSON.parse(readFileSync(mark, "utf8"))).toMatchObject({ anew: false });
			age("a.o");
			onAnother();
			await build();
			expect(compiled().slice(4)).toEqual(["compile b.o", "compile a.o", "compile b.o"]);
		},
	);

	it("make may be what was killed: its half-linked addon never gets its name", async () => {
		await expect(build({ half: true, killed: true })).rejects.toThrow(/ended with SIGKILL/);
		expect(readFileSync(join(fake.folder, "linked", "prune_gguf.node"), "utf8")).toBe("hal");
		expect(existsSync(fake.addon)).toBe(false);
		age("a.o");
		await build();
		expect(fake.log().filter((line) => line.startsWith("compile"))).toEqual(["compile a.o", "compile b.o", "compile b.o"]);
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
	});

	it("what failed by itself is not compiled again", async () => {
		await expect(build({ failsToBuild: ["a.cpp:1:1: error: x", "ninja: build stopped: subcommand failed."] })).rejects.toThrow(/error: x/);
		await build();
		expect(fake.log().filter((line) => line.startsWith("compile"))).toEqual(["compile a.o", "compile b.o"]);
	});

	it("leaves programs alone that only got the number of its session since", async () => {
		const other = fake.inProcess({ compiler: true, waits: 60_000 });
		await until(() => existsSync(join(fake.folder, "running.json")) && existsSync(`${fake.folder}.compiler`));
		const mark = JSON.parse(readFileSync(join(fake.folder, "running.json"), "utf8")) as { pid: number; start: string };
		const compiler = Number(readFileSync(`${fake.folder}.compiler`, "utf8"));
		const { clearLeftovers } = await import("../../../src/model/runtime/build-leftovers.js");
		const elsewhere = join(fake.root, "elsewhere");
		mkdirSync(elsewhere);
		writeFileSync(join(elsewhere, "running.json"), JSON.stringify(mark));
		await clearLeftovers(elsewhere, elsewhere);
		writeFileSync(join(elsewhere, "running.json"), JSON.stringify({ ...mark, start: "1" }));
		if (process.platform === "linux") await clearLeftovers(elsewhere, fake.folder);
		expect(isAlive(mark.pid) && isAlive(compiler)).toBe(true);
		// The way without procfs finds the group by the folder that cmake's command names.
		expect(byGroup(mark, fake.folder).sort()).toEqual([mark.pid, compiler].sort());
		expect(byGroup(mark, elsewhere)).toEqual([]);
		other.kill("SIGTERM");
		process.kill(-mark.pid, "SIGKILL");
	});
});
