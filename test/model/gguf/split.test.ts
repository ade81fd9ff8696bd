import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { InvalidGgufError } from "../../../src/errors.js";
import { contentOf, GgufFile } from "../../../src/model/gguf/file.js";
import { readGgufHeader } from "../../../src/model/gguf/header.js";
import { readShards, shardName, withoutSplitKeys } from "../../../src/model/gguf/split.js";
import { buildGguf, entry, makeGguf, makeSplitGguf, tinyLlama } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { writeContent } from "./write-content.js";

const root = tempFolder();
const spec = tinyLlama({ blocks: 2 });
let folder = "";
let shards: string[] = [];
let number = 0;

beforeEach(() => {
	folder = join(root, `case-${number++}`);
	mkdirSync(folder);
	shards = makeSplitGguf(folder, "tiny model", spec, 3);
});

test("a shard's name is llama.cpp's", () => {
	expect(shardName("m", 0, 3)).toBe("m-00001-of-00003.gguf");
});

describe("a split model", () => {
	test.each([0, 1, 2])("is read whole from shard %i, and written as the single file", async (no) => {
		const file = await GgufFile.read(shards[no]!);
		expect(file.paths).toEqual(shards);
		expect(file.tensors.map((tensor) => tensor.name)).toEqual(spec.tensors!.map((tensor) => tensor.name));
		expect(file.size).toBe(shards.reduce((sum, path) => sum + readFileSync(path).length, 0));
		expect(file.number("split.count")).toBe(3);
		const content = contentOf(file);
		expect(content.entries.some((item) => item.key.startsWith("split."))).toBe(false);
		expect((await writeContent(join(folder, "whole.gguf"), content)).equals(buildGguf(spec))).toBe(true);
	});

	test("takes no more memory than one file may: the sum of all headers is limited, and later metadata is dropped", async () => {
		const bytes = [];
		for (const path of shards) bytes.push((await readGgufHeader(path)).headerBytes);
		const sum = bytes.reduce((total, one) => total + one, 0);
		for (const path of shards) {
			const read = await readShards(path, { maxHeaderBytes: sum });
			expect(read.map(({ entries }) => entries.length > 0)).toEqual([true, false, false]);
			await expect(readShards(path, { maxHeaderBytes: sum - 1 })).rejects.toThrow(/a header of at most/);
		}
	});

	test("has no more tensors in all than a file may have", async () => {
		const tensors = Array.from({ length: 2 ** 16 + 1 }, (_, i) => ({ name: `t${i}`, dims: [1], type: 0 }));
		const [first] = makeSplitGguf(folder, "many", { ...spec, tensors }, 2);
		await expect(GgufFile.read(first!)).rejects.toThrow(/at most 65536 tensors in all shards, found 65537/);
	});

	test("keeps keys that only look like split keys", () => {
		const entries = ["split.no", "split.count", "split.tensors.count", "split.other", "x.split.no"].map((key) => ({
			key,
			type: "uint8" as const,
			raw: Uint8Array.of(1),
		}));
		expect(withoutSplitKeys(entries).map(({ key }) => key)).toEqual(["split.other", "x.split.no"]);
	});

	test("may have an alignment of its own in each shard, and a first shard without tensors", async () => {
		const split = (no: number) => [entry("split.no", "uint16", no), entry("split.count", "uint16", 2)];
		const first = makeGguf(join(folder, shardName("m", 0, 2)), { entries: [...spec.entries!, ...split(0)] });
		makeGguf(join(folder, shardName("m", 1, 2)), { alignment: 256, entries: split(1), tensors: spec.tensors! });
		const file = await GgufFile.read(first);
		expect(file.alignment).toBe(32);
		expect((await writeContent(join(folder, "whole.gguf"), contentOf(file))).equals(buildGguf(spec))).toBe(true);
	});

	test("is found beside the link by which it was given", async () => {
		const links = join(folder, "links");
		mkdirSync(links);
		const linked = shards.map((path, no) => {
			const link = join(links, shardName("other", no, 3));
			symlinkSync(path, link);
			return link;
		});
		expect((await GgufFile.read(linked[1]!)).paths).toEqual(linked);
	});

	test("reads one shard of one, and a lone file with a shard's name, as a single file", async () => {
		const one = makeGguf(join(folder, "one.gguf"), { entries: [entry("split.no", "uint16", 0), entry("split.count", "uint16", 1)] });
		expect((await GgufFile.read(one)).paths).toEqual([one]);
		const named = makeGguf(join(folder, shardName("n", 1, 2)), spec);
		expect((await GgufFile.read(named)).paths).toEqual([named]);
	});
});

describe("a split model that is not whole", () => {
	const refuses = async (path: string, message: RegExp) => {
		await expect(GgufFile.read(path)).rejects.toThrow(InvalidGgufError);
		await expect(GgufFile.read(path)).rejects.toThrow(message);
	};
	const shard = (no: number, count: number, of: Parameters<typeof makeGguf>[1] = {}) =>
		makeGguf(join(folder, shardName("m", no, count)), {
			...of,
			entries: [...(of.entries ?? []), entry("split.no", "uint16", no), entry("split.count", "uint16", count)],
		});

	test("names the missing shard", async () => {
		unlinkSync(shards[1]!);
		await refuses(shards[2]!, /tiny model-00002-of-00003\.gguf is missing: the model is split into 3 files/);
	});

	test("names a shard that was renamed", async () => {
		const renamed = join(folder, "renamed.gguf");
		renameSync(shards[0]!, renamed);
		await refuses(renamed, /shard 1 of 3: expected a name like NAME-00001-of-00003\.gguf/);
	});

	test("names a shard that is another", async () => {
		copyFileSync(shards[2]!, shards[1]!);
		await refuses(shards[0]!, /00002-of-00003\.gguf: expected split\.no 1, found 2/);
	});

	test("names a shard that is damaged", async () => {
		writeFileSync(shards[2]!, readFileSync(shards[2]!).subarray(0, 100));
		await refuses(shards[0]!, /00003-of-00003\.gguf: at byte \d+: expected/);
	});

	test("names a shard that is a model of its own", async () => {
		makeGguf(shards[1]!, spec);
		await refuses(shards[0]!, /00002-of-00003\.gguf: expected split\.no 1, found no such key/);
	});

	test("refuses a number of a type for which llama.cpp ends the process", async () => {
		const first = shard(0, 2, { tensors: [{ name: "t", dims: [4] }] });
		makeGguf(join(folder, shardName("m", 1, 2)), { entries: [entry("split.no", "uint32", 1), entry("split.count", "uint16", 2)] });
		await refuses(first, /m-00002-of-00002\.gguf: expected split\.no as uint16, found uint32/);
	});

	test("names a tensor that is there twice", async () => {
		const first = shard(0, 2, { tensors: [{ name: "t", dims: [4] }] });
		shard(1, 2, { tensors: [{ name: "t", dims: [4] }] });
		await refuses(first, /tensor "t" is in .*m-00001-of-00002\.gguf too/);
	});

	test("says how many tensors are missing", async () => {
		const first = shard(0, 2, { entries: [entry("split.tensors.count", "int32", 5)], tensors: [{ name: "t", dims: [4] }] });
		shard(1, 2);
		await refuses(first, /expected 5 tensors in all 2 shards .*found 1/);
	});

	test.each([
		["split.count", "string", "3"],
		["split.count", "int32", -3],
		["split.count", "float32", 2.5],
		["split.count", "uint64", 2n ** 60n],
	] as const)("refuses %s as %s %s", async (key, type, value) => {
		await refuses(makeGguf(join(folder, "odd.gguf"), { entries: [entry(key, type, value)] }), /expected a whole number as split\.count/);
	});

	test("refuses a number outside the count, and a forged count", async () => {
		const outside = [entry("split.no", "uint16", 3), entry("split.count", "uint16", 3)];
		await refuses(makeGguf(join(folder, shardName("o", 3, 3)), { entries: outside }), /expected split\.no in 0\.\.2/);
		const forged = [entry("split.no", "uint16", 0), entry("split.count", "uint32", 2 ** 31)];
		await refuses(makeGguf(join(folder, shardName("f", 0, 2 ** 31)), { entries: forged }), /expected at most 65535 as split\.count/);
		const unnamed = [entry("split.count", "uint16", 3)];
		await refuses(makeGguf(join(folder, shardName("u", 0, 3)), { entries: unnamed }), /expected split\.no .* found no such key/);
	});
});
