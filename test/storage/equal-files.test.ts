import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findEqualFiles } from "../../src/storage/equal-files.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
function file(name: string, content: string): string {
	const path = join(folder, name);
	writeFileSync(path, content);
	return path;
}

describe("findEqualFiles", () => {
	it("finds the first file that an earlier one equals, and says whether it is the same file", async () => {
		const [one, other, copy] = [file("one", "abc"), file("other", "abd"), file("copy", "abc")];
		const link = join(folder, "link");
		symlinkSync(other, link);
		expect(await findEqualFiles([one, other, copy, link])).toEqual({ at: [0, 2], oneFile: false });
		expect(await findEqualFiles([copy, other, link, one])).toEqual({ at: [1, 2], oneFile: true });
		expect(await findEqualFiles([one, one])).toEqual({ at: [0, 1], oneFile: true });
	});

	it("finds none among files that differ, in size or only in content", async () => {
		expect(await findEqualFiles([])).toBeUndefined();
		expect(await findEqualFiles([file("short", "ab"), file("x", "abx"), file("y", "aby")])).toBeUndefined();
	});

	it("leaves files that are empty, missing or no files to who opens them", async () => {
		mkdirSync(join(folder, "a"), { recursive: true });
		mkdirSync(join(folder, "b"), { recursive: true });
		const odd = [join(folder, "a"), join(folder, "b"), file("empty", ""), file("void", ""), join(folder, "none"), join(folder, "nil")];
		expect(await findEqualFiles(odd)).toBeUndefined();
	});

	it("stops at the signal", async () => {
		const signal = AbortSignal.abort(new Error("mine"));
		await expect(findEqualFiles([file("p", "same"), file("q", "same")], signal)).rejects.toThrow("mine");
	});
});
