import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import * as child from "../../../../src/model/runtime/child.js";
import type { BinaryCandidate } from "../../../../src/model/runtime/binary/candidates.js";
import { chooseBinary } from "../../../../src/model/runtime/binary/choose.js";
import { type ExamineOptions, examine } from "../../../../src/model/runtime/binary/examine.js";
import { probe } from "../../../../src/model/runtime/binary/probe.js";
import { forget, knownHere, probeKey, record, recordOf } from "../../../../src/model/runtime/binary/probed.js";
import { System } from "../../../../src/model/runtime/binary/system.js";
import { findAddon } from "../../../../src/model/runtime/load-addon.js";
import { canDamage, type Damage, damaged, placeBinary } from "../../../helpers/binaries.js";
import { ownHomes } from "../../../helpers/home.js";
import { makeReadOnly } from "../../../helpers/read-only.js";

vi.mock("../../../../src/model/runtime/child.js", async (original) => {
	const real = await original<typeof child>();
	return { ...real, runChild: vi.fn(real.runChild) };
});

const { fresh, home, newHome } = ownHomes();
const children = vi.mocked(child.runChild);
const addon = findAddon()!;
const system = new System();
beforeEach(() => {
	children.mockClear();
	knownHere.clear();
});

/** A delivered binary with facts of its own. */
function delivered(bytes: Uint8Array, facts: Parameters<typeof placeBinary>[2] = {}): BinaryCandidate {
	const name = facts?.name ?? "one";
	const path = placeBinary(join(fresh("prebuilds"), name), bytes, { name, ...facts });
	return { kind: "prebuilt", path, name, facts: JSON.parse(readFileSync(join(path, "..", "binary.json"), "utf8")) };
}

const named = (path: string): BinaryCandidate => ({ kind: "named", path, name: "prune_gguf.node", facts: undefined });

/** What an examination gives, and how many processes it took. */
async function examined(candidate: BinaryCandidate, options: ExamineOptions = {}) {
	children.mockClear();
	const one = await examine(candidate, system, options);
	return { ...one, children: children.mock.calls.length };
}

describe("a probe", () => {
	it("passes the addon, and says what it can do", async () => {
		const result = await probe(addon);
		expect(result).toMatchObject({ verdict: "passed" });
		if (result.verdict === "passed") expect(result.info.devices.map(({ name }) => name)).toContain("CPU");
	});

	it("says nothing if no process can be made, or it runs no JavaScript", async () => {
		children.mockResolvedValueOnce({ done: false, cause: undefined, log: [] });
		expect(await probe(addon)).toEqual({ verdict: "not possible" });
		children.mockResolvedValueOnce({ done: false, cause: "exit code 9", log: ["bad option"] });
		expect(await probe(addon)).toEqual({ verdict: "not possible" });
		// One that never begins: the process is ended.
		expect(await probe(addon, { start: 1 })).toEqual({ verdict: "not possible" });
	});

	it("ends with its signal, before and during the work", async () => {
		const reason = new Error("enough");
		await expect(probe(addon, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
		const control = new AbortController();
		const running = probe(addon, { signal: control.signal });
		control.abort(reason);
		await expect(running).rejects.toBe(reason);
	});

	it.runIf(canDamage)("ends a binary that never answers", async () => {
		const path = placeBinary(fresh("endless"), damaged(addon, "without an end"), undefined);
		const begun = performance.now();
		const result = await probe(path, { limit: 300 });
		expect(result).toEqual({ verdict: "failed", lasts: "a while", reason: "it did not answer within 0.3 s while loading it" });
		expect(performance.now() - begun).toBeLessThan(20_000);
	});
});

describe.runIf(canDamage)("a damaged binary", () => {
	/** Reasons without facts beside it (one that PRUNE_GGUF_ADDON names), and whether a process was needed to see it. */
	const cases: readonly (readonly [Damage, RegExp, number])[] = [
		["cut short", /^it is cut short: \d+ of at least \d+ bytes$/, 0],
		["cut short after its header", /^it is cut short/, 0],
		["a text", /^it is no program library, or damaged$/, 0],
		["empty", /^it is no program library, or damaged$/, 0],
		["of another processor", /^it is for (arm64|x64) processors, and Node\.js runs as/, 0],
		["of another C library", /^it needs glibc 2\.99 or newer, and this system's is older \(/, 1],
		["with a library that is missing", /^the library libm\.so\.7 that it needs is not installed \(/, 1],
		["with an illegal instruction", /^it uses an instruction that this processor lacks \(SIGILL while loading it\)$/, 1],
		["with a write outside its memory", /^it ends the process \(SIGSEGV while loading it\)/, 1],
		["without its entry", /^it was built for another version of Node\.js or prune-gguf \(/, 1],
	];
	it.each(cases)("%s is not used, and the reason is said", async (damage, reason, processes) => {
		const path = placeBinary(fresh("named"), damaged(addon, damage), undefined);
		const one = await examined(named(path));
		expect(one).toMatchObject({ usable: false, why: "broken", reason: expect.stringMatching(reason), children: processes });
	});

	it("that is delivered and was changed is not even tried", async () => {
		const { facts, ...one } = delivered(readFileSync(addon));
		const path = placeBinary(fresh("changed"), damaged(addon, "with an illegal instruction"), undefined);
		expect(await examined({ ...one, facts, path })).toMatchObject({ usable: false, why: "broken", damaged: true, children: 0 });
		const short = placeBinary(fresh("short"), damaged(addon, "cut short"), undefined);
		expect(await examined({ ...one, facts, path: short })).toMatchObject({
			reason: expect.stringMatching(/^it is cut short: \d+ of \d+ bytes$/),
			children: 0,
		});
	});

	it.skipIf(process.platform === "win32")("in the cache is not even tried if other users can write to it", async () => {
		const folder = join(home(), "build", "own", "cpu", "Release");
		const path = placeBinary(folder, readFileSync(addon), {});
		chmodSync(home(), 0o755);
		const built = { ...delivered(readFileSync(addon)), path, kind: "built" } as const;
		expect(await examined(built)).toMatchObject({ usable: true, children: 1 });
		chmodSync(folder, 0o777);
		expect(await examined(built)).toMatchObject({
			...{ usable: false, why: "broken", children: 0 },
			reason: `other users may write to ${folder} (mode 777): it may be their work. Build it again with prune-gguf build`,
		});
	});

	it("is passed over for the next, and the second choice costs no process", async () => {
		const places = { builds: [], prebuilt: fresh("prebuilds") };
		const put = (name: string, needs: string[], bytes: Buffer) => placeBinary(join(places.prebuilt, name), bytes, { name, needs });
		const flag = [...system.cpu.flags!].slice(0, 3);
		put("best", flag, damaged(addon, "with an illegal instruction"));
		put("better", flag.slice(1), damaged(addon, "of another C library"));
		put("impossible", [...flag, "no-such-feature"], readFileSync(addon));
		const path = put("good", [], readFileSync(addon));
		put("never", [], readFileSync(addon));
		const choose = async () => {
			children.mockClear();
			const { chosen, passedOver } = await chooseBinary({ places, system });
			return {
				path: chosen?.candidate.path,
				over: passedOver.map(({ candidate, why }) => `${candidate.name} ${why}`),
				children: children.mock.calls.length,
			};
		};
		const over = ["impossible elsewhere", "best broken", "better broken"];
		expect(await choose()).toEqual({ path, over, children: 3 });
		// Another process finds it in the cache folder. A library that is missing may have been installed meanwhile: it is tried again.
		knownHere.clear();
		expect(await choose()).toEqual({ path, over, children: 1 });
	});
});

describe("what a probe gave is remembered", () => {
	it("until the file, Node.js or the processor is another", async () => {
		const one = delivered(readFileSync(addon));
		const passed = { usable: true, sha256: one.facts!.sha256 };
		expect(await examined(one)).toMatchObject({ ...passed, children: 1 });
		expect(await examined(one)).toMatchObject({ ...passed, children: 0 });
		knownHere.clear();
		expect(await examined(one)).toMatchObject({ ...passed, children: 0 });
		expect(await examined(one, { anew: true })).toMatchObject({ ...passed, children: 1 });
		const { mtime } = statSync(one.path);
		copyFileSync(addon, one.path);
		utimesSync(one.path, mtime, mtime);
		expect(await examined(one)).toMatchObject({ ...passed, children: 1 });
		const others = [
			{ ...system, libc: undefined, node: "20.0.0" },
			{ ...system, libc: undefined, cpu: { ...system.cpu, model: "another" } },
			{ ...system, libc: undefined, cpu: { ...system.cpu, flags: new Set(["fpu"]) } },
		];
		const keys = await Promise.all([system, ...others].map((machine) => probeKey(one.path, machine)));
		expect(new Set(keys).size).toBe(4);
		newHome();
		knownHere.clear();
		expect(await examined(one)).toMatchObject({ ...passed, children: 1 });
	});

	it.runIf(canDamage)("for a while if it did not answer, and always if the processor lacks an instruction", async () => {
		const endless = delivered(damaged(addon, "without an end"));
		expect(await examined(endless, { limit: 200 })).toMatchObject({ usable: false, children: 1 });
		expect(await examined(endless, { limit: 200 })).toMatchObject({
			usable: false,
			children: 0,
			reason: expect.stringMatching(/did not answer/),
		});
		// Whoever has more time tries it once more.
		const patient = { patient: true, limit: 400 };
		expect(await examined(endless, patient)).toMatchObject({ late: true, reason: expect.stringMatching(/within 0\.4 s/), children: 1 });
		expect(await examined(endless, patient)).toMatchObject({ usable: false, late: true, children: 0 });
		const key = (await probeKey(endless.path, system))!;
		expect(await recordOf(key, Date.now() + 2 * 3_600_000)).toBeUndefined();
		const illegal = delivered(damaged(addon, "with an illegal instruction"));
		expect(await examined(illegal)).toMatchObject({ usable: false, children: 1 });
		knownHere.clear();
		expect(await examined(illegal)).toMatchObject({ usable: false, children: 0, reason: expect.stringMatching(/SIGILL/) });
		expect(await recordOf((await probeKey(illegal.path, system))!, Date.now() + 1e12)).toMatchObject({ passed: false });
	});

	it.runIf(canDamage)("until it ends the process that tries it: then what it passed once no longer counts", async () => {
		const one = delivered(damaged(addon, "with a write outside its memory"));
		const key = (await probeKey(one.path, system))!;
		await record({ key, sha256: one.facts!.sha256, passed: true });
		expect(await examined(one)).toMatchObject({ usable: true, children: 0 });
		expect(await examined(one, { anew: true })).toMatchObject({ usable: false, children: 1 });
		knownHere.clear();
		expect(await recordOf(key)).toBeUndefined();
		expect(await examined(one)).toMatchObject({ usable: false, reason: expect.stringMatching(/SIGSEGV/), children: 1 });
	});

	it("until it is forgotten, and lines that another process tore do not count", async () => {
		const keys = ["a", "b"].map((letter) => letter.repeat(64));
		const sha256 = "0".repeat(64);
		await record({ key: keys[0]!, sha256, passed: true });
		const file = join(home(), "binaries.jsonl");
		expect(statSync(file).mode & 0o077).toBe(0);
		writeFileSync(file, `${readFileSync(file, "utf8")}{"key":"\n{}\n`);
		await record({ key: keys[1]!, sha256, passed: true });
		knownHere.clear();
		for (const key of keys) expect(await recordOf(key)).toMatchObject({ key, passed: true });
		await forget(keys[0]!);
		knownHere.clear();
		expect(await recordOf(keys[0]!)).toBeUndefined();
		expect(await recordOf(keys[1]!)).toBeDefined();
	});

	it("in a file that does not grow for ever", async () => {
		const keyOf = (i: number) => i.toString(16).padStart(64, "0");
		for (let i = 0; i < 300; i++) await record({ key: keyOf(i), sha256: keyOf(i), passed: true });
		const lines = readFileSync(join(home(), "binaries.jsonl"), "utf8").trim().split("\n");
		expect(lines.length).toBeLessThanOrEqual(256);
		expect(JSON.parse(lines.at(-1)!)).toMatchObject({ key: keyOf(299) });
	});

	it("in this process only, if the cache folder cannot be written", async () => {
		mkdirSync(home());
		const undo = makeReadOnly(home());
		if (!undo) return;
		try {
			const one = delivered(readFileSync(addon));
			expect(await examined(one)).toMatchObject({ usable: true, children: 1 });
			expect(await examined(one)).toMatchObject({ usable: true, children: 0 });
			knownHere.clear();
			expect(await examined(one)).toMatchObject({ usable: true, children: 1 });
		} finally {
			undo();
		}
	});
});

describe("without a probe", () => {
	it("a binary is used if its needs are known to be met", async () => {
		const [flag] = system.cpu.flags ?? [];
		const none = { ...system, libc: undefined, cpu: { model: "?", flags: undefined } };
		const one = delivered(readFileSync(addon), { needs: flag === undefined ? [] : [flag] });
		expect(await examine(one, system, { unprobed: true })).toMatchObject({ usable: true });
		expect(await examine(delivered(readFileSync(addon)), none, { unprobed: true })).toMatchObject({ usable: true });
		expect(await examine(delivered(readFileSync(addon), { needs: ["avx2"] }), none, { unprobed: true })).toMatchObject({
			usable: false,
			reason: "it needs avx2, and whether this processor has them could not be tried",
		});
		expect(children).not.toHaveBeenCalled();
	});
});

it.runIf(process.platform !== "win32" && process.getuid?.() !== 0)("a file that nobody may read is said to be so", async () => {
	const one = delivered(readFileSync(addon));
	chmodSync(one.path, 0);
	expect(await examined(one)).toMatchObject({ usable: false, reason: expect.stringMatching(/cannot be read: .*EACCES/) });
});
