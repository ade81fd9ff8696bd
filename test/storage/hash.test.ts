import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileError } from "../../src/errors.js";
import { hashFile, identityOf } from "../../src/storage/hash.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
const file = (name: string, bytes: string | Uint8Array) => {
	writeFileSync(join(folder, name), bytes);
	return join(folder, name);
};

describe("hashFile", () => {
	test.each([
		["empty", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
		["abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
	])("knows the digest of %s", async (name, text, digest) => {
		expect(await hashFile(file(name, text))).toBe(digest);
	});

	test("reads beyond one piece", async () => {
		const bytes = Uint8Array.from({ length: 9 * 2 ** 20 + 1 }, (_, i) => i % 251);
		const seen: number[] = [];
		const digest = await hashFile(file("large", bytes), undefined, (done) => seen.push(done));
		expect(digest).toBe(createHash("sha256").update(bytes).digest("hex"));
		expect(seen.length).toBeGreaterThan(2);
		expect(seen.at(-1)).toBe(bytes.length);
	});

	test("fails with a typed error, stops with the signal's reason", async () => {
		await expect(hashFile(join(folder, "absent"))).rejects.toThrow(FileError);
		await expect(hashFile(folder)).rejects.toThrow(FileError);
		const reason = new Error("enough");
		await expect(hashFile(file("x", "x"), AbortSignal.abort(reason))).rejects.toBe(reason);
	});
});

describe("identityOf", () => {
	test("is the digest of a single file, and depends on every shard and their order", async () => {
		const [a, b] = [file("a", "abc"), file("b", "")];
		expect(await identityOf([a])).toBe(await hashFile(a));
		const digests = [await hashFile(a), await hashFile(b)].map((digest) => Buffer.from(digest, "hex"));
		const expected = createHash("sha256").update(Buffer.concat(digests)).digest("hex");
		const seen: number[] = [];
		expect(await identityOf([a, file("c", "abcd"), b], undefined, (done) => seen.push(done))).not.toBe(expected);
		expect(seen).toEqual([3, 7]);
		expect(await identityOf([a, b])).toBe(expected);
		expect(await identityOf([b, a])).not.toBe(expected);
		await expect(identityOf([])).rejects.toThrow(RangeError);
	});
});
