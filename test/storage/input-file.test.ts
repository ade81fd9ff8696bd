import { execFileSync } from "node:child_process";
import type * as fsPromises from "node:fs/promises";
import { mkdirSync, writeFileSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { FileError } from "../../src/errors.js";
import { readInput } from "../../src/storage/input-file.js";
import { tempFolder } from "../helpers/temp-folder.js";

vi.mock("node:fs/promises", async (original) => {
	const real = await original<typeof fsPromises>();
	return { ...real, open: vi.fn(real.open), stat: vi.fn(real.stat) };
});

const folder = tempFolder();
const kind = { give: "a file" };

describe("a file that another program holds a lease of", () => {
	const path = join(folder, "leased.txt");
	writeFileSync(path, "text");
	const leased = (code: string) =>
		vi.mocked(open).mockImplementationOnce(() => Promise.reject(Object.assign(new Error("resource temporarily unavailable"), { code })));

	it.each(["EAGAIN", "EWOULDBLOCK"])("is waited for: %s", async (code) => {
		leased(code);
		expect((await readInput(path, kind)).toString()).toBe("text");
	});

	it("is not where something else has taken its place", async () => {
		leased("EAGAIN");
		mkdirSync(join(folder, "other"));
		const [file, other] = [await stat(path), await stat(join(folder, "other"))];
		vi.mocked(stat).mockResolvedValueOnce(file).mockResolvedValueOnce(other);
		vi.mocked(open).mockClear();
		await expect(readInput(path, kind)).rejects.toThrow(FileError);
		expect(open).toHaveBeenCalledTimes(1);
	});

	it("is not for other errors", async () => {
		leased("EIO");
		await expect(readInput(path, kind)).rejects.toThrow(/cannot be read/);
	});
});

it.skipIf(process.platform === "win32")("a pipe that took the place of a file is refused, and not waited for", async () => {
	const file = await stat(join(folder, "leased.txt"));
	const pipe = join(folder, "pipe");
	execFileSync("mkfifo", [pipe]);
	vi.mocked(stat).mockResolvedValueOnce(file);
	await expect(readInput(pipe, kind)).rejects.toThrow(/is a pipe .*not a regular file/);
});
