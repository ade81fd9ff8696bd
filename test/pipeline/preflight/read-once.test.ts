import { describe, expect, it, vi } from "vitest";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { ReadOnce } from "../../../src/pipeline/preflight/model-header.js";
import { fixturePath } from "../../helpers/fixture.js";

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

	it("is none where there is no file, and an error where it is not there", async () => {
		expect(await new ReadOnce(undefined, {}).file()).toBeUndefined();
		expect(await new ReadOnce(undefined, {}).header()).toBeUndefined();
		await expect(new ReadOnce(`${fixturePath}.gone`, {}).file()).rejects.toThrow(/gone/);
	});
});
