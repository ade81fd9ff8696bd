import { copyFileSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { checkAsRead, GgufFile } from "../../../src/model/gguf/index.js";
import { ReadOnce, readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { FileError } from "../../../src/errors.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();

describe("a header that is read once", () => {
	it("is read when it is first asked for", async () => {
		const read = vi.spyOn(GgufFile, "read");
		const once = new ReadOnce(fixturePath, {});
		expect(read).not.toHaveBeenCalled();
		const file = await once.file();
		const header = await once.header();
		expect(header).toMatchObject({ path: fixturePath, blocks: { blocks: 12 } });
		expect(header!.file).toBe(file);
		expect(await once.file()).toBe(file);
		expect(read).toHaveBeenCalledTimes(1);
		read.mockRestore();
	});

	it("is not gone by where the file was replaced or written to since", async () => {
		const path = join(folder, "model.gguf");
		copyFileSync(fixturePath, path);
		const header = await readModelHeader(path, {});
		await expect(checkAsRead(header)).resolves.toBeUndefined();
		copyFileSync(fixturePath, `${path}.other`);
		renameSync(`${path}.other`, path);
		await expect(checkAsRead(header)).rejects.toThrow(/changed since its header was read/);
		await expect(Session.open(header, { windows: 2, windowLength: 8 }, { masks: 1, weights: "own" })).rejects.toThrow(FileError);
	});

	it("knows the file that it was read from, not the one that took its place since", async () => {
		const path = join(folder, "swapped.gguf");
		copyFileSync(fixturePath, path);
		const file = await GgufFile.read(path);
		copyFileSync(fixturePath, `${path}.other`);
		renameSync(`${path}.other`, path);
		await expect(checkAsRead({ file })).rejects.toThrow(/changed since its header was read/);
		unlinkSync(path);
		await expect(checkAsRead({ file })).rejects.toThrow(/cannot be read any more/);
	});

	it("is none where there is no file, and an error where it is not there", async () => {
		expect(await new ReadOnce(undefined, {}).file()).toBeUndefined();
		expect(await new ReadOnce(undefined, {}).header()).toBeUndefined();
		await expect(new ReadOnce(`${fixturePath}.gone`, {}).file()).rejects.toThrow(/gone/);
	});
});
