import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError, InvalidOptionError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { Ledger, ledgerKey } from "../../src/storage/ledger.js";
import { lockFile } from "../../src/storage/lock.js";
import { partialName } from "../../src/storage/partials.js";
import {
	deleteRuns,
	keptPlanPath,
	keptSpeedPath,
	ledgerPath,
	listRuns,
	makeRunFolder,
	parityPath,
	placementPath,
	runFolder,
	runLockPath,
	windowsPath,
	writtenPath,
} from "../../src/storage/runs.js";

const small = { name: "Small Model.Q8_0.gguf", sha256: "ab12".repeat(16) };
const large = { name: "large.gguf", sha256: "cd34".repeat(16) };
const now = new Date("2026-06-01T00:00:00Z");
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000);

let cache: string;
beforeEach(() => {
	cache = mkdtempSync(join(tmpdir(), "prune-gguf-runs-"));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

async function keepLedger(model: typeof small, backend: string, masks: number, age: number): Promise<string> {
	const key = ledgerKey({ model: model.sha256, windows: "w", backend, settings: {} });
	const path = ledgerPath(await makeRunFolder(model, { cache }), key);
	const ledger = await Ledger.open(path, { key, players: 8, windows: { count: 1, length: 4 }, settings: {} });
	for (let i = 0; i < masks; i++) ledger.append({ coalition: Coalition.full(8).without(i), losses: Float64Array.of(i) });
	await ledger.close();
	utimesSync(path, daysAgo(age), daysAgo(age));
	return path;
}

async function keepPlan(model: typeof small, age: number): Promise<string> {
	const path = keptPlanPath(await makeRunFolder(model, { cache }), "greedy 6");
	writeFileSync(path, "{}");
	utimesSync(path, daysAgo(age), daysAgo(age));
	return path;
}

describe("run folders", () => {
	it("are named after the model and its hash, safely", () => {
		expect(basename(runFolder(small, { cache }))).toBe("Small_Model.Q8_0-ab12ab12ab12");
		expect(basename(runFolder({ name: "../../etc/passwd", sha256: "0".repeat(64) }, { cache }))).toBe("_.._etc_passwd-000000000000");
		expect(basename(runFolder({ name: "\u6a21\u578b.gguf", sha256: "0".repeat(64) }, { cache }))).toBe("_-000000000000");
		expect(basename(ledgerPath("/f", "0123456789abcdef"))).toBe("0123456789ab.ledger.jsonl");
	});

	// Windows has other rights, which the profile's folder gives.
	const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);
	it.skipIf(process.platform === "win32")("cannot be read by others", async () => {
		const before = process.umask(0o022);
		try {
			const home = join(cache, "new");
			const ledger = join(home, "elsewhere", "a.ledger.jsonl");
			const folder = await makeRunFolder(small, { cache: home });
			await (await Ledger.open(ledger, { key: "a".repeat(64), players: 2, windows: { count: 1, length: 4 }, settings: {} })).close();
			for (const made of [home, join(home, "runs"), folder, join(home, "elsewhere")]) expect(modeOf(made), made).toBe("700");
		} finally {
			process.umask(before);
		}
	});

	it.skipIf(process.platform === "win32").each([
		[0o755, "700"],
		[0o750, "700"],
		[0o775, "770"],
		[0o2775, "2770"],
		[0o777, "777"],
		[0o700, "700"],
	])("that are there with rights %o get %s: who can only read is shut out, who can write was let in", async (mode, expected) => {
		const runs = join(cache, "runs");
		mkdirSync(runs);
		chmodSync(runs, mode);
		const before = process.umask(0o022);
		try {
			const folder = await makeRunFolder(small, { cache });
			for (const made of [runs, folder]) expect(modeOf(made), made).toBe(expected);
			chmodSync(folder, 0o700);
			await makeRunFolder(small, { cache });
			expect(modeOf(folder), "the rights of a run folder that is there").toBe("700");
		} finally {
			process.umask(before);
		}
	});

	it("say where they cannot be made, and what to do", async () => {
		writeFileSync(join(cache, "runs"), "");
		await expect(makeRunFolder(small, { cache })).rejects.toThrow(FileError);
		await expect(makeRunFolder(small, { cache })).rejects.toThrow("PRUNE_GGUF_HOME");
	});
});

describe("listRuns", () => {
	it("gives masks, sizes and dates, last used first", async () => {
		expect(await listRuns({ cache })).toEqual([]);
		const old = await keepLedger(small, "CPU", 3, 20);
		const plan = await keepPlan(small, 10);
		const recent = await keepLedger(large, "CPU", 5, 1);
		mkdirSync(join(cache, "runs", "empty"));
		const runs = await listRuns({ cache });
		expect(runs.map((run) => run.model)).toEqual(["large-cd34cd34cd34", "Small_Model.Q8_0-ab12ab12ab12"]);
		expect(runs[0]).toMatchObject({ candidates: 5, lastUsed: daysAgo(1), ledgers: [{ path: recent, players: 8, inUse: false }] });
		expect(runs[1]).toMatchObject({ candidates: 3, lastUsed: daysAgo(10), plans: [{ path: plan, size: 2 }] });
		expect(runs[1]?.ledgers[0]).toMatchObject({ path: old, windows: { count: 1, length: 4 } });
		expect(runs[1]?.size).toBe(runs[1]!.ledgers[0]!.size + 2);
	});

	it("reports a damaged ledger instead of failing", async () => {
		const path = await keepLedger(small, "CPU", 3, 20);
		writeFileSync(path, "rubbish\n");
		expect((await listRuns({ cache }))[0]?.ledgers[0]?.damage).toContain("not a cache");
	});
});

describe("deleteRuns", () => {
	it("deletes the locks of runs that are over, not of running ones", async () => {
		await keepPlan(small, 1);
		const folder = await makeRunFolder(small, { cache });
		const over = `${runLockPath(folder, "ab".repeat(6))}.lock`;
		const { pid } = spawnSync(process.execPath, ["-e", ""]);
		writeFileSync(over, JSON.stringify({ pid, host: hostname(), start: "" }));
		const lock = await lockFile(runLockPath(folder, "cd".repeat(6)));
		await deleteRuns({ all: true, cache });
		expect(readdirSync(folder)).toEqual([basename(lock.path)]);
		await lock.release();
	});

	it("lists and deletes what a run left that was killed before its ledger began, and nothing of one that goes on", async () => {
		const folder = await makeRunFolder(small, { cache });
		const { pid } = spawnSync(process.execPath, ["-e", ""]);
		const windows = windowsPath(folder, "12".repeat(6));
		const speed = keptSpeedPath(folder, "34".repeat(6));
		const over = `${runLockPath(folder, "ab".repeat(6))}.lock`;
		const put = () => {
			writeFileSync(windows, "[]");
			writeFileSync(speed, "{}");
			writeFileSync(over, JSON.stringify({ pid, host: hostname(), start: "" }));
			for (const path of [windows, speed, over]) utimesSync(path, daysAgo(5), daysAgo(5));
		};
		put();
		const lock = await lockFile(runLockPath(folder, "cd".repeat(6)));
		expect(await listRuns({ cache })).toEqual([]);
		await deleteRuns({ cache, all: true });
		expect(existsSync(windows)).toBe(true);
		await lock.release();
		put();
		const [kept] = await listRuns({ cache });
		expect(kept).toMatchObject({ leftovers: [{ path: windows, size: 2 }, { path: speed }, { path: over }], lastUsed: daysAgo(5) });
		expect((await deleteRuns({ cache, olderThanDays: 10, now })).deleted).toEqual([]);
		expect(existsSync(windows)).toBe(true);
		expect((await deleteRuns({ cache, model: "ab12ab" })).deleted).toEqual(expect.arrayContaining([windows, speed]));
		expect(existsSync(folder)).toBe(false);
	});

	it.each(["when it deletes their ledger", "if there is none"])("deletes what was measured of a device, %s", async (when) => {
		const folder = when === "if there is none" ? await makeRunFolder(small, { cache }) : dirname(await keepLedger(small, "CPU", 1, 1));
		const beside = [parityPath(folder, "12".repeat(6)), placementPath(folder, "34".repeat(6))];
		for (const path of beside) writeFileSync(path, "{}");
		await deleteRuns({ cache, all: true });
		expect(existsSync(folder)).toBe(false);
	});

	it("deletes the record of an output when its run has ended, not before", async () => {
		await keepLedger(small, "CPU", 1, 1);
		const folder = runFolder(small, { cache });
		const record = writtenPath(folder, "out.gguf");
		writeFileSync(record, "{}");
		const lock = await lockFile(record);
		await deleteRuns({ cache, all: true });
		expect(readdirSync(folder).sort()).toEqual([record, lock.path].map((path) => basename(path)).sort());
		await lock.release();
		await deleteRuns({ cache, all: true });
		expect(existsSync(folder)).toBe(false);
	});

	it("deletes what is old, and folders left empty, but nothing that it did not make", async () => {
		const old = await keepLedger(small, "CPU", 3, 20);
		const recent = await keepLedger(small, "CUDA", 3, 2);
		const oldPlan = await keepPlan(large, 30);
		writeFileSync(join(runFolder(small, { cache }), "notes.txt"), "mine");
		const result = await deleteRuns({ cache, olderThanDays: 10, now });
		expect([...result.deleted].sort()).toEqual([old, oldPlan].sort());
		expect(result.freed).toBeGreaterThan(2);
		expect(existsSync(recent)).toBe(true);
		expect(existsSync(runFolder(large, { cache }))).toBe(false);
		await deleteRuns({ cache, all: true });
		expect(readdirSync(runFolder(small, { cache }))).toEqual(["notes.txt"]);
	});

	it.each(["large", "large.gguf", "large-cd34cd34cd34", "cd34cd", "cd34".repeat(16)])("deletes one model, named as %s", async (model) => {
		await keepLedger(small, "CPU", 1, 1);
		await keepLedger(large, "CPU", 1, 1);
		await deleteRuns({ cache, model });
		expect((await listRuns({ cache })).map((run) => run.model)).toEqual(["Small_Model.Q8_0-ab12ab12ab12"]);
	});

	it("deletes what killed runs left unfinished, among the runs and in a folder that is named", async () => {
		const plan = await keepPlan(small, 1);
		const dead = spawnSync(process.execPath, ["-e", ""]).pid;
		const unfinished = partialName("greedy-6.plan.json").replace(`-${process.pid}-`, `-${dead}-`);
		const [kept, beside] = [join(runFolder(small, { cache }), unfinished), join(cache, unfinished)];
		const living = join(cache, partialName("out.gguf"));
		for (const path of [kept, beside, living]) writeFileSync(path, "half");
		expect((await listRuns({ cache }))[0]).toMatchObject({ partials: [{ path: kept, size: 4 }], size: 6 });
		expect(await deleteRuns({ cache, partials: cache })).toEqual({ deleted: [beside], freed: 4, inUse: [living] });
		expect(existsSync(plan)).toBe(true);
		expect(await deleteRuns({ cache, olderThanDays: 30, now })).toMatchObject({ deleted: [kept], freed: 4 });
		expect(existsSync(plan)).toBe(true);
		await expect(deleteRuns({ cache, partials: join(cache, "missing") })).rejects.toThrow(FileError);
	});

	it("leaves a ledger that is in use", async () => {
		const path = await keepLedger(small, "CPU", 1, 1);
		const { header } = await Ledger.read(path);
		await using ledger = await Ledger.open(path, header);
		expect((await listRuns({ cache }))[0]?.ledgers[0]?.inUse).toBe(true);
		expect(await deleteRuns({ cache, all: true })).toMatchObject({ deleted: [], inUse: [path] });
		await ledger.close();
		expect((await deleteRuns({ cache, all: true })).deleted).toEqual([path]);
	});

	it.each([{}, { all: true, model: "large" }, { olderThanDays: -1 }, { olderThanDays: Number.NaN }, { model: "unknown" }, { all: false }])(
		"refuses %j",
		async (options) => {
			const path = await keepLedger(large, "CPU", 1, 1);
			await expect(deleteRuns({ cache, ...options })).rejects.toThrow(InvalidOptionError);
			expect(existsSync(path)).toBe(true);
		},
	);

	it("names the options that say what to delete", async () => {
		await expect(deleteRuns({ cache })).rejects.toThrow("give --all, --older-than DAYS, --model NAME or --partials FOLDER");
		await expect(deleteRuns({ cache, all: true, model: "large" })).rejects.toThrow("leave out --older-than and --model");
	});
});
