import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError } from "../../src/errors.js";
import { lockFile, lockOwner, waitForLock } from "../../src/storage/lock.js";

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
