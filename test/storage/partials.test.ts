import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { FileError } from "../../src/errors.js";
import { deletePartials, listPartials, partialName } from "../../src/storage/partials.js";
import { tempFolder } from "../helpers/temp-folder.js";

const root = tempFolder();
const here = partialName("").slice(-24, -8);
const elsewhere = "0123456789abcdef";
/** Number of a process that has ended. */
const dead = spawnSync(process.execPath, ["-e", ""]).pid;
let folder = "";
beforeEach(() => {
	folder = mkdtempSync(join(root, "case-"));
});
const put = (name: string, bytes = 7) => {
	const path = join(folder, name);
	writeFileSync(path, "x".repeat(bytes));
	const twoHoursAgo = Date.now() / 1000 - 7200;
	utimesSync(path, twoHoursAgo, twoHoursAgo);
	return path;
};

describe("unfinished files", () => {
	it("are recognized by their names, and their processes by what the names say", async () => {
		const gone = put(`.a.gguf.partial-${dead}-${here}01234567`);
		const living = put(partialName("a.gguf"));
		const foreign = put(`.a.gguf.partial-${dead}-${elsewhere}01234567`);
		// An earlier version's 4 digits are too few to distinguish this machine from another.
		const ofEarlier = put(`.a.gguf.partial-${dead}-0123456789ab`);
		for (const other of ["a.gguf", ".a.gguf.partial-x-0123456789ab", ".a.gguf.partial-12-0123", "a.partial-12-0123456789ab"]) put(other);
		mkdirSync(join(folder, `.folder.partial-${dead}-${here}01234567`));
		const found = new Map((await listPartials(folder)).map(({ path, inUse }) => [path, inUse]));
		expect(found).toEqual(
			new Map([
				[gone, false],
				[living, true],
				[foreign, true],
				[ofEarlier, true],
			]),
		);
	});

	it("are deleted where their process is gone, and nothing else is", async () => {
		const gone = put(`.a.gguf.partial-${dead}-${here}01234567`, 100);
		const living = put(partialName("b.gguf"));
		const foreign = put(`.a.gguf.partial-${dead}-${elsewhere}01234567`);
		const mine = put("a.gguf");
		const ofEarlier = put(`.a.gguf.partial-${dead}-0123456789ab`);
		const result = await deletePartials(folder, false);
		expect(result).toEqual({ deleted: [gone], freed: 100, inUse: [foreign, ofEarlier, living].sort(), recent: [] });
		for (const kept of [living, foreign, ofEarlier, mine]) expect(existsSync(kept)).toBe(true);
		expect(readdirSync(folder).length).toBe(4);
	});

	it("of the last five minutes stay, but for who asks", async () => {
		const fresh = put(`.a.gguf.partial-${dead}-${here}01234567`);
		const minutesAgo = Date.now() / 1000 - 4 * 60;
		utimesSync(fresh, minutesAgo, minutesAgo);
		expect(await deletePartials(folder, false)).toEqual({ deleted: [], freed: 0, inUse: [], recent: [fresh] });
		expect(await deletePartials(folder, true)).toMatchObject({ deleted: [fresh], recent: [] });
		expect(existsSync(fresh)).toBe(false);
	});

	it("of a folder that is not there are an error", async () => {
		await expect(listPartials(join(folder, "missing"))).rejects.toThrow(FileError);
		await expect(deletePartials(join(folder, "missing"), true)).rejects.toThrow(/missing/);
	});

	it("have names that every file system takes", () => {
		expect(Buffer.byteLength(partialName("\u{1F40B}".repeat(200)))).toBeLessThan(255);
	});
});
