import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { closeToWriters, exposedBy, isCached } from "../../src/storage/exposed.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
let count = 0;
let cache = "";
let file = "";
beforeEach(() => {
	cache = join(folder, `cache-${count++}`);
	file = join(cache, "build", "cpu", "one.node");
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, "");
	for (const [path, mode] of [
		[cache, 0o755],
		[join(cache, "build"), 0o755],
		[dirname(file), 0o755],
		[file, 0o644],
	] as const)
		chmodSync(path, mode);
});

describe.skipIf(process.platform === "win32")("a file in the cache", () => {
	it("is safe if only its owner can write to it and the folders above", async () => {
		expect(await exposedBy(file, cache)).toBeUndefined();
	});

	it.each([
		["the file", "", 0o664],
		["its folder", "..", 0o775],
		["the folder above", "../..", 0o757],
	])("is not if others can write to %s, until that is taken from them", async (_, where, mode) => {
		const open = join(file, where);
		chmodSync(open, mode);
		expect(await exposedBy(file, cache)).toBe(`other users may write to ${open} (mode ${mode.toString(8)})`);
		await closeToWriters(open);
		expect(statSync(open).mode & 0o022).toBe(0);
		expect(await exposedBy(file, cache)).toBeUndefined();
	});

	it("is safe below a folder that is closed to others, or whose entries only their owners replace", async () => {
		chmodSync(file, 0o666);
		chmodSync(join(cache, "build"), 0o700);
		expect(await exposedBy(file, cache)).toBeUndefined();
		chmodSync(join(cache, "build"), 0o755);
		chmodSync(cache, 0o700);
		expect(await exposedBy(file, cache)).toBeUndefined();
		chmodSync(cache, 0o755);
		chmodSync(file, 0o644);
		chmodSync(dirname(file), 0o1777);
		expect(await exposedBy(file, cache)).toBeUndefined();
	});

	it("goes by what a link leads to", async () => {
		const link = join(cache, "build", "link");
		symlinkSync(dirname(file), link);
		expect(await exposedBy(join(link, "one.node"), cache)).toBeUndefined();
		chmodSync(dirname(file), 0o777);
		expect(await exposedBy(join(link, "one.node"), cache)).toBe(`other users may write to ${link} (mode 777)`);
	});

	it.skipIf(process.getuid?.() !== 0)("is not if it belongs to another user than this one and root", async () => {
		chownSync(dirname(file), 12345, 12345);
		expect(await exposedBy(file, cache)).toBe(`${dirname(file)} belongs to another user (number 12345)`);
	});
});

it("is one below the cache folder, not beside it", async () => {
	expect([file, cache, `${cache}-2/one`, dirname(cache), join(cache, "..one")].map((path) => isCached(path, cache))).toEqual([
		...[true, false, false, false, true],
	]);
	expect(await exposedBy(join(folder, "missing"), cache)).toBeUndefined();
});
