import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { DoctorResult } from "../../src/api/doctor.js";
import { probeKey } from "../../src/model/runtime/binary/probed.js";
import { System } from "../../src/model/runtime/binary/system.js";
import { findAddon } from "../../src/model/runtime/load-addon.js";
import { canDamage, damaged, installedPackage, placeBinary } from "../helpers/binaries.js";
import { fixturePath, mainPath, runNode } from "../helpers/fixture.js";
import { makeReadOnly } from "../helpers/read-only.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { thorough } from "../helpers/slow.js";

// An installed package with binaries of which some cannot be used, and no compiler: what is chosen, measured with and said.

const folder = tempFolder();
const addon = findAddon()!;
let made = 0;
const fresh = (name: string) => join(folder, `${name}-${made++}`);
beforeAll(() => {
	expect(existsSync(mainPath), "dist/ is not there: run `npm run build`").toBe(true);
	mkdirSync(join(folder, "bin"));
});

interface Place {
	readonly package: string;
	readonly home: string;
}

function newPlace(binaries: Readonly<Record<string, readonly [bytes: Buffer, needs: readonly string[], facts?: object]>>): Place {
	const place = { package: installedPackage(fresh("package")), home: fresh("home") };
	for (const [name, [bytes, needs, facts]] of Object.entries(binaries))
		placeBinary(join(place.package, "prebuilds", name), bytes, { name, needs, level: name, ...facts });
	return place;
}

/** Without compiler, cmake and git. */
const runIn = (place: Place, ...args: string[]) =>
	runNode([join(place.package, "dist", "cli", "main.js"), ...args], {
		env: { PRUNE_GGUF_HOME: place.home, PRUNE_GGUF_ADDON: "", PATH: join(folder, "bin"), CXX: "", NO_COLOR: "1" },
	});

async function doctorIn(place: Place): Promise<{ code: number | null; result: DoctorResult }> {
	const { code, stdout, stderr } = await runIn(place, "doctor", "--json");
	expect(stderr).toBe("");
	return { code, result: JSON.parse(stdout) as DoctorResult };
}

const measuring = ["evaluate", fixturePath, "--text", join(folder, "text.txt"), "--window-length", "64", "--json"];
beforeAll(() => {
	writeFileSync(join(folder, "text.txt"), "It was a dark and stormy night; the rain fell in torrents. ".repeat(40));
});

const hasFlag = (flag: string) => new System().cpu.flags?.has(flag) ?? false;
const good = () => readFileSync(addon);

it("without any binary says what is missing, and exits with 1", async () => {
	const place = newPlace({});
	const { code, result } = await doctorIn(place);
	expect(code).toBe(1);
	expect(result).toMatchObject({ usable: false, used: null, binaries: [], devices: [] });
	const tools = result.tools.filter(({ needed }) => needed);
	expect(tools.map(({ found }) => found)).toEqual(tools.map(() => null));
	expect(result.missing.map(({ command }) => command).at(-1)).toBe("npx prune-gguf build");
	expect(result.missing[0]!.what).toMatch(/cmake/);
	expect(result.backends.map(({ name, built }) => [name, built])).toEqual(["cuda", "metal", "vulkan", "rpc"].map((name) => [name, false]));
	expect(result.backends.at(-1)).toMatchObject({ missing: [], command: "npx prune-gguf build --backend rpc" });
	const text = await runIn(place, "doctor");
	expect([text.code, text.stdout]).toEqual([1, expect.stringMatching(/^Not ready: .*\n/)]);
	// It builds nothing, and makes no folder.
	expect(readdirSync(place.package).sort()).toEqual(["dist", "node_modules", "package.json", "prebuilds", "vendor"]);
});

describe.runIf(canDamage)("a package with damaged binaries", () => {
	it("measures with the first that can be used, and says why", async () => {
		const place = newPlace({
			avx512: [damaged(addon, "with an illegal instruction"), ["fpu", "sse", "sse2"].filter(hasFlag)],
			avx2: [damaged(addon, "of another C library"), ["fpu", "sse"].filter(hasFlag)],
			baseline: [good(), []],
		});
		const { code, stdout, stderr } = await runIn(place, ...measuring, "--verbose");
		expect([code, JSON.parse(stdout)], stderr).toEqual([0, expect.objectContaining({ windowLength: 64 })]);
		expect(stderr).toMatch(/^System: \S+ \S+, .*, Node\.js \d+/m);
		expect(stderr).toMatch(/^Native part: baseline \(.*\), delivered with prune-gguf: .*prune_gguf\.node$/m);
		expect(stderr).toMatch(
			/^warning: the native part avx512 is not used: it uses an instruction that this processor lacks .*baseline is used instead/m,
		);
		expect(stderr).toMatch(/^warning: the native part avx2 is not used: it needs glibc 2\.99 or newer/m);
		expect(stderr.match(/^Native part/gm)).toHaveLength(1);
		const quiet = await runIn(place, ...measuring);
		expect(quiet.stderr).not.toMatch(/^(System|Native part):/m);
		const { code: healthy, result } = await doctorIn(place);
		expect(healthy).toBe(0);
		expect(result).toMatchObject({ usable: true, used: "baseline" });
		expect(result.binaries.map(({ name, verdict, reason }) => [name, verdict, reason])).toEqual([
			["avx512", "not usable", expect.stringMatching(/SIGILL/)],
			["avx2", "not usable", expect.stringMatching(/glibc 2\.99/)],
			["baseline", "used", expect.stringMatching(/delivered/)],
		]);
		expect(result.devices.map(({ name }) => name)).toContain("CPU");
	});

	it("does not insist on one that passed once, on a system that was another then", async () => {
		const place = newPlace({ first: [damaged(addon, "without its entry"), ["fpu"].filter(hasFlag)], second: [good(), []] });
		const path = join(place.package, "prebuilds", "first", "prune_gguf.node");
		const key = await probeKey(path, new System());
		mkdirSync(place.home);
		const remembered = join(place.home, "binaries.jsonl");
		writeFileSync(remembered, `${JSON.stringify({ key, sha256: "0".repeat(64), passed: true })}\n`);
		const { code, stderr } = await runIn(place, ...measuring);
		expect(code, stderr).toBe(0);
		expect(stderr).toMatch(/^warning: the native part first is not used: .*second is used instead/m);
		expect(readFileSync(remembered, "utf8")).not.toContain(key);
	});

	it("that passed once is not loaded any more after doctor saw it end a process", async () => {
		const place = newPlace({ first: [damaged(addon, "with a write outside its memory"), ["fpu"].filter(hasFlag)], second: [good(), []] });
		const key = await probeKey(join(place.package, "prebuilds", "first", "prune_gguf.node"), new System());
		mkdirSync(place.home);
		writeFileSync(join(place.home, "binaries.jsonl"), `${JSON.stringify({ key, sha256: "0".repeat(64), passed: true })}\n`);
		const { result } = await doctorIn(place);
		expect(result.used).toBe("second");
		expect(result.missing).toEqual([
			// This PATH has no tools, and a build needs them.
			expect.objectContaining({ what: expect.stringMatching(/cmake/) }),
			{
				what: expect.stringMatching(/^a first that works \(.*prune_gguf\.node\)$/),
				why: expect.stringMatching(/SIGSEGV.*; second is used instead$/),
				command: "npx prune-gguf build",
			},
		]);
		const { code, stderr } = await runIn(place, ...measuring);
		expect(code, stderr).toBe(0);
		expect(stderr).toMatch(/^warning: the native part first is not used: it ends the process \(SIGSEGV.*second is used instead/m);
	});

	it("that are not whole says how to get whole ones", async () => {
		const place = newPlace({
			avx2: [damaged(addon, "cut short"), ["fpu"].filter(hasFlag), { bytes: good().length }],
			baseline: [good(), []],
		});
		const { code, result } = await doctorIn(place);
		expect([code, result.used]).toEqual([0, "baseline"]);
		// It is on no registry that is known here, so no command installs it. A build needs tools, which this PATH lacks.
		const again = "Uninstall prune-gguf and install the same package file again, or build";
		expect(result.missing).toEqual([
			expect.objectContaining({ what: expect.stringMatching(/cmake/) }),
			{
				what: expect.stringMatching(/^an undamaged avx2 \(.*prune_gguf\.node\)$/),
				why: expect.stringMatching(new RegExp(`^it is cut short: \\d+ of \\d+ bytes; baseline is used instead\\. ${again}$`)),
				command: "npx prune-gguf build",
			},
		]);
	});

	it("with none that can be used fails with every reason and what to install", async () => {
		const place = newPlace({ avx2: [damaged(addon, "cut short"), []], baseline: [damaged(addon, "without its entry"), []] });
		const { code, stderr } = await runIn(place, ...measuring);
		expect(code).toBe(1);
		expect(stderr).toMatch(/cmake.*needed to build the addon, but not found/);
		expect(stderr).toMatch(
			/None of the binaries that are there can be used:\n {2}avx2: it is cut short: .*\n {2}baseline: it was built for another version/,
		);
		expect(stderr).toContain("npx prune-gguf doctor");
		const { code: ill, result } = await doctorIn(place);
		expect([ill, result.usable, result.missing.length]).toEqual([1, false, 3]);
		expect(result.missing.map(({ what }) => what.split(" (")[0]).slice(1)).toEqual(["an undamaged avx2", "a binary for this machine"]);
	});
});

describe("a binary", () => {
	it("of another version, system or processor is passed over without a process", async () => {
		const hashes = JSON.parse(readFileSync(join(mainPath, "..", "..", "sources.json"), "utf8")) as { prebuilt: string };
		const place = newPlace({
			older: [good(), [], { packageVersion: "0.0.1" }],
			changed: [good(), [], { sources: "0".repeat(64) }],
			windows: [good(), ["a", "b"], { platform: process.platform === "win32" ? "linux" : "win32" }],
			...(process.platform === "linux" ? { future: [good(), ["no-such-feature"]] } : {}),
			fits: [good(), [], { sources: hashes.prebuilt }],
		});
		const { result } = await doctorIn(place);
		const reasons = new Map(result.binaries.map(({ name, reason }) => [name, reason]));
		expect(result.used).toBe("fits");
		expect(reasons.get("older")).toMatch(/belongs to prune-gguf 0\.0\.1/);
		expect(reasons.get("changed")).toBe("it was made from other sources than those of this version");
		expect(reasons.get("windows")).toMatch(/it is for (win32|linux)/);
		if (process.platform === "linux") expect(reasons.get("future")).toBe("this processor lacks no-such-feature");
		// Nobody needs to know in a run.
		const { stderr } = await runIn(place, ...measuring, "--verbose");
		expect(stderr).not.toContain("is not used");
	});

	it.runIf(thorough)("that was built on request wins over a delivered one, and one of another version is told of", async () => {
		const place = newPlace({ fits: [good(), []] });
		const build = (backend: "cpu" | "cuda", facts: object) =>
			placeBinary(join(place.package, "build", backend, "Release"), good(), { name: `built-${backend}`, backend, ...facts });
		build("cpu", { asked: false });
		expect((await doctorIn(place)).result.used).toBe("fits");
		build("cpu", { asked: true });
		expect((await doctorIn(place)).result.used).toBe("built-cpu");
		build("cpu", { asked: false });
		build("cuda", { asked: true, packageVersion: "0.0.1" });
		const { result } = await doctorIn(place);
		expect(result.used).toBe("fits");
		expect(result.missing).toContainEqual(
			expect.objectContaining({
				why: expect.stringMatching(/prune-gguf 0\.0\.1.*fits is used/),
				command: "npx prune-gguf build --backend cuda",
			}),
		);
		const { stderr } = await runIn(place, ...measuring);
		expect(stderr).toMatch(
			/^warning: the native part built-cuda, built here by prune-gguf build, is not used: it belongs to prune-gguf 0\.0\.1/m,
		);
		// As a power cut leaves it.
		writeFileSync(join(place.package, "build", "cuda", "Release", "binary.json"), "");
		const torn = "its binary.json is missing or damaged";
		expect((await doctorIn(place)).result.missing).toContainEqual(
			expect.objectContaining({ why: expect.stringContaining(torn), command: "npx prune-gguf build --backend cuda" }),
		);
		expect((await runIn(place, ...measuring)).stderr).toContain(
			`warning: the native part built-cuda, built here by prune-gguf build, is not used: ${torn}`,
		);
	});

	it("has a cache of its own: one never continues the measurements of another", async () => {
		const place = newPlace({ one: [good(), []] });
		const ledgers = () => readdirSync(join(place.home, "runs"), { recursive: true }).filter((name) => String(name).endsWith(".jsonl"));
		await runIn(place, ...measuring);
		const before = ledgers();
		expect(before).toHaveLength(1);
		await runIn(place, ...measuring);
		expect(ledgers()).toEqual(before);
		// The same code, another file.
		placeBinary(join(place.package, "prebuilds", "one"), Buffer.concat([good(), Buffer.alloc(1)]), { name: "one" });
		const other = await runIn(place, ...measuring);
		expect(other.code, other.stderr).toBe(0);
		expect(ledgers()).toHaveLength(2);
	});

	it("is tried by two processes at once", async () => {
		const place = newPlace({ one: [good(), []] });
		const runs = await Promise.all([1, 2, 3].map(() => doctorIn(place)));
		expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
		const lines = readFileSync(join(place.home, "binaries.jsonl"), "utf8").trim().split("\n");
		expect(lines.map((line) => (JSON.parse(line) as { passed: boolean }).passed)).toEqual([true, true, true]);
	});

	it("is used although the cache folder cannot be written", async () => {
		const place = newPlace({ one: [good(), []] });
		mkdirSync(place.home);
		const undo = makeReadOnly(place.home);
		if (!undo) return;
		try {
			const { code, result } = await doctorIn(place);
			expect([code, result.used, result.cache.writable]).toEqual([0, "one", false]);
			expect(result.missing.map(({ command }) => command)).toContainEqual(expect.stringMatching(/PRUNE_GGUF_HOME=FOLDER/));
			const { code: measured, stderr } = await runIn(place, ...measuring);
			expect(measured, stderr).toBe(0);
		} finally {
			undo();
		}
		expect(statSync(place.home).isDirectory()).toBe(true);
	});
});
