import { readdirSync, writeFileSync } from "node:fs";
import type * as files from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";

// A system without /proc (macOS, Windows), which does not say when a process began.
vi.mock("../../src/storage/process-space.js", () => ({
	machineId: () => "",
	processFacts: () => undefined,
	processSpace: () => undefined,
}));
vi.mock("node:fs/promises", async (original) => {
	const real = await original<typeof files>();
	return { ...real, unlink: vi.fn(real.unlink) };
});

const folder = tempFolder();
const path = join(folder, "x.ledger.jsonl");

/** The module as another worker thread has it: with a memory of its own. */
async function thread() {
	vi.resetModules();
	return import("../../src/storage/lock.js");
}

describe("a lock where the system does not say when a process began", () => {
	it("is held by one of two worker threads of a process", async () => {
		const [one, other] = [await thread(), await thread()];
		const lock = await one.lockFile(path);
		await expect(other.lockFile(path)).rejects.toThrow(`in use by process ${process.pid}`);
		await expect(one.lockFile(path)).rejects.toThrow(`in use by process ${process.pid}`);
		await lock.release();
		await lock.release();
		const next = await other.lockFile(path);
		// Idempotent: the lock of another thread is none of its own.
		await lock.release();
		expect(readdirSync(folder)).toHaveLength(1);
		await next.release();
		expect(readdirSync(folder)).toEqual([]);
	});

	it("is free for its thread if its file could not be deleted", async () => {
		const one = await thread();
		const lock = await one.lockFile(path);
		const { unlink } = await import("node:fs/promises");
		vi.mocked(unlink).mockRejectedValueOnce(Object.assign(new Error("EBUSY"), { code: "EBUSY" }));
		await lock.release();
		expect(readdirSync(folder)).toHaveLength(1);
		await (await one.lockFile(path)).release();
		expect(readdirSync(folder)).toEqual([]);
	});

	it("of an earlier version, which kept no id, is taken over from an earlier process of this number", async () => {
		writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.pid, host: hostname(), start: "" }));
		await (await (await thread()).lockFile(path)).release();
	});
});
