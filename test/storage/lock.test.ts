import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import * as files from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileError } from "../../src/errors.js";
import { lockFile, lockOwner, waitForLock } from "../../src/storage/lock.js";
import { lockTimes } from "../../src/storage/silent-lock.js";

vi.mock("node:fs/promises", async (original) => {
	const real = await original<typeof files>();
	return { ...real, link: vi.fn(real.link), rename: vi.fn(real.rename) };
});

lockTimes.watch = 100;

let folder: string;
let path: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "prune-gguf-lock-"));
	path = join(folder, "x.ledger.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const deadPid = () => spawnSync(process.execPath, ["-e", ""]).pid;
const lockOf = (pid: number, host = hostname(), start = "") => writeFileSync(`${path}.lock`, JSON.stringify({ pid, host, start }));

describe("lockFile", () => {
	it("is held once, freed once, and leaves nothing behind", async () => {
		const lock = await lockFile(path);
		expect(JSON.parse(readFileSync(lock.path, "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
		await expect(lockFile(path)).rejects.toThrow(FileError);
		await expect(lockFile(path)).rejects.toThrow(`in use by process ${process.pid}`);
		expect(await lockOwner(path)).toMatchObject({ pid: process.pid });
		await lock.release();
		await lock.release();
		expect(readdirSync(folder)).toEqual([]);
		expect(await lockOwner(path)).toBeUndefined();
		await (await lockFile(path)).release();
	});

	it("refuses where another live process holds it", async () => {
		lockOf(process.ppid);
		await expect(lockFile(path)).rejects.toThrow(`in use by process ${process.ppid}`);
		expect(existsSync(`${path}.lock`)).toBe(true);
	});

	it("refuses where a process of another machine holds it, and says which file to delete", async () => {
		lockOf(1, "elsewhere");
		await expect(lockFile(path)).rejects.toThrow(/on elsewhere.*\.lock/);
	});

	it("refuses where a process of another container of this name holds it, whether it lives or not", async () => {
		const foreign = { pid: deadPid(), host: hostname(), start: "1", space: "pid:[1]" };
		writeFileSync(`${path}.lock`, JSON.stringify(foreign));
		expect(await lockOwner(path)).toEqual(foreign);
		await expect(lockFile(path)).rejects.toThrow(/in use by process \d+ in another container, or on another machine.*delete .*\.lock/);
	});

	it("takes over what a container of this name left that has not touched it for ten minutes", async () => {
		const foreign = { pid: deadPid(), host: hostname(), start: "1", space: "pid:[1]" };
		writeFileSync(`${path}.lock`, JSON.stringify(foreign));
		const touched = (minutes: number) => utimesSync(`${path}.lock`, new Date(), new Date(Date.now() - minutes * 60_000));
		touched(9);
		await expect(lockFile(path)).rejects.toThrow(/in another container/);
		touched(11);
		await (await lockFile(path)).release();
	});

	it("does not take over what only looks silent, by a clock that jumped: its holder touches it while it is watched", async () => {
		lockTimes.watch = 1000;
		const foreign = { pid: deadPid(), host: hostname(), start: "2", space: "pid:[1]" };
		writeFileSync(`${path}.lock`, JSON.stringify(foreign));
		const old = new Date(Date.now() - 3_600_000);
		utimesSync(`${path}.lock`, old, old);
		const later = new Date(old.getTime() + 60_000);
		setTimeout(() => utimesSync(`${path}.lock`, later, later), 300);
		await expect(lockFile(path)).rejects.toThrow(/in another container/);
		expect(JSON.parse(readFileSync(`${path}.lock`, "utf8"))).toEqual(foreign);
		lockTimes.watch = 100;
	});

	it.each([
		["with hard links", undefined],
		["without hard links", "ENOTSUP"],
	])("gives back a lock that another process took between two looks, on file systems %s", async (_, code) => {
		lockOf(deadPid());
		const other = JSON.stringify({ pid: process.ppid, host: hostname(), start: "" });
		vi.mocked(files.rename).mockImplementationOnce(async (from, to) => {
			writeFileSync(from, other);
			renameSync(from, to);
		});
		const link = vi.mocked(files.link);
		const real = link.getMockImplementation()!;
		if (code) link.mockImplementation(() => Promise.reject(Object.assign(new Error(code), { code })));
		await expect(lockFile(path)).rejects.toThrow(`in use by process ${process.ppid}`);
		link.mockImplementation(real);
		expect(readFileSync(`${path}.lock`, "utf8")).toBe(other);
		expect(readdirSync(folder)).toHaveLength(1);
	});

	it("refuses where a process of another machine of this name holds it, whose number means another process here", async () => {
		const lock = await lockFile(path);
		const own = JSON.parse(readFileSync(lock.path, "utf8")) as { machine?: string };
		await lock.release();
		const foreign = { ...own, pid: deadPid(), machine: "0123456789abcdef" };
		writeFileSync(lock.path, JSON.stringify(foreign));
		expect(own.machine).not.toBe(foreign.machine);
		expect(await lockOwner(path)).toEqual(foreign);
		await expect(lockFile(path)).rejects.toThrow(/in use by process \d+ .*on another machine of this name/);
	});

	it("takes over what a process of its own container left", async () => {
		const lock = await lockFile(path);
		const own = JSON.parse(readFileSync(lock.path, "utf8")) as object;
		await lock.release();
		writeFileSync(lock.path, JSON.stringify({ ...own, pid: deadPid() }));
		await (await lockFile(path)).release();
	});

	it.each([
		["a process that is gone", () => lockOf(deadPid())],
		["an earlier process with this id", () => lockOf(process.pid, hostname(), "1")],
		["an empty file", () => writeFileSync(`${path}.lock`, "")],
		["rubbish", () => writeFileSync(`${path}.lock`, "[]")],
	])("takes over the lock of %s", async (_, prepare) => {
		prepare();
		const lock = await lockFile(path);
		expect(readdirSync(folder)).toHaveLength(1);
		await lock.release();
		expect(readdirSync(folder)).toEqual([]);
	});

	it("lets one of many win", async () => {
		lockOf(deadPid());
		const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => lockFile(path)));
		expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
	});
});

describe("waitForLock", () => {
	it("waits until the holder is done, and tells once for whom", async () => {
		const lock = await lockFile(path);
		const told: number[] = [];
		const waiting = waitForLock(path, { every: 10, onWait: ({ pid }) => told.push(pid) });
		await new Promise((resolve) => setTimeout(resolve, 100));
		expect(told).toEqual([process.pid]);
		await lock.release();
		await (await waiting).release();
		expect(readdirSync(folder)).toEqual([]);
	});

	it("takes a lock that nobody holds at once", async () => {
		lockOf(deadPid());
		const told: number[] = [];
		await (await waitForLock(path, { onWait: ({ pid }) => told.push(pid) })).release();
		expect(told).toEqual([]);
	});

	it("ends with the signal's reason", async () => {
		const lock = await lockFile(path);
		const controller = new AbortController();
		const reason = new Error("enough");
		setTimeout(() => controller.abort(reason), 50);
		await expect(waitForLock(path, { signal: controller.signal })).rejects.toBe(reason);
		await lock.release();
	});

	it("does not wait for a process of another machine that may be gone", async () => {
		lockOf(1, "elsewhere");
		const old = new Date(Date.now() - 11 * 60_000);
		utimesSync(`${path}.lock`, old, old);
		await expect(waitForLock(path)).rejects.toThrow(/on elsewhere.*delete .*\.lock/);
		expect(existsSync(`${path}.lock`)).toBe(true);
	});

	it("takes over what another machine left, if asked to, once it was not touched for ten minutes", async () => {
		lockOf(1, "elsewhere");
		const touched = (minutes: number) => utimesSync(`${path}.lock`, new Date(), new Date(Date.now() - minutes * 60_000));
		touched(9);
		const told: string[] = [];
		const waiting = waitForLock(path, { every: 10, takeSilent: true, onWait: ({ host }) => told.push(host) });
		await new Promise((resolve) => setTimeout(resolve, 100));
		expect(told).toEqual(["elsewhere"]);
		touched(11);
		const lock = await waiting;
		expect(await lockOwner(path)).toMatchObject({ pid: process.pid, host: hostname() });
		await lock.release();
		expect(readdirSync(folder)).toEqual([]);
	});
});
