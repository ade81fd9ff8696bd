import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { removeBlocks } from "../../src/model/architectures/index.js";
import { contentOf, encodeEntry, GgufFile, writeGguf } from "../../src/model/gguf/index.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { hasTools, makeFixtures } from "./fixtures.js";
import { FIXTURE_TOOL, hasFixtureTool } from "./own-fixtures.js";
// @ts-expect-error plain JavaScript, shared with the child process
import { differences, hasPython, readByHuggingface, readByLlama, readByPython } from "./readers.mjs";
import { splitInto } from "./rewrite.js";

// Foreign readers of GGUF, on written files of a plain model, a hybrid with per-block arrays and a model in three files; and they do find
// faults.

const folder = tempFolder();
const readers: [string, boolean, (paths: readonly string[]) => unknown][] = [
	["@huggingface/gguf", true, readByHuggingface],
	["llama.cpp's reader", hasFixtureTool, (paths) => readByLlama(FIXTURE_TOOL, paths)],
	["gguf-py (skipped where Python has no package gguf)", hasPython(), readByPython],
];
const REMOVED = [2, 4];

async function compare(read: (paths: readonly string[]) => unknown, original: GgufFile, written: string): Promise<string[]> {
	const blocks = Number(original.value(`${original.architecture}.block_count`));
	const what = { architecture: original.architecture, blocks, removed: REMOVED };
	return differences(await read(original.paths), await read([written]), what);
}

async function writtenTo(path: string, content: Parameters<typeof writeGguf>[1]): Promise<string> {
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, content);
	} finally {
		await handle.close();
	}
	return path;
}

describe.skipIf(!hasTools)("a written file", () => {
	describe.each(readers)("as read by %s", (_, present, read) => {
		it.skipIf(!present).each(["llama", "nemotron_h", "glm-dsa"])("%s is what it should be", async (architecture) => {
			const original = await GgufFile.read(makeFixtures(architecture, join(folder, architecture)).at(-1)!);
			const path = join(folder, `${basename(original.paths[0]!)}-written.gguf`);
			expect(await compare(read, original, await writtenTo(path, removeBlocks(original, REMOVED, { version: "1" })))).toEqual([]);
		});

		it.skipIf(!present)("a model in three files becomes one", async () => {
			const [source] = makeFixtures("gemma3", join(folder, "gemma3"));
			const original = await GgufFile.read(await splitInto(3, source!, join(folder, "in-3")));
			expect(original.paths.length).toBe(3);
			const path = await writtenTo(join(folder, "joined.gguf"), removeBlocks(original, REMOVED, { version: "1" }));
			expect(await compare(read, original, path)).toEqual([]);
		});

		it.skipIf(!present)("differs from one with a changed key, a changed byte, a removed or added key, or swapped tensors", async () => {
			const original = await GgufFile.read(makeFixtures("llama", join(folder, "told"))[0]!);
			const content = removeBlocks(original, REMOVED, { version: "1" });
			const faulty = (change: Partial<typeof content>) => writtenTo(join(folder, "faulty.gguf"), { ...content, ...change });
			const faults = async (change: Partial<typeof content>) => compare(read, original, await faulty(change));
			const { entries, tensors } = content;
			const other = encodeEntry("llama.rope.freq_base", "float32", 12345);
			expect(await faults({ entries: entries.map((one) => (one.key === other.key ? other : one)) })).toEqual([
				expect.stringContaining("rope.freq_base"),
			]);
			expect(await faults({ entries: [...entries, encodeEntry("llama.new", "uint8", 1)] })).toEqual(["llama.new was added"]);
			expect(await faults({ entries: entries.filter(({ key }) => key !== "llama.context_length") })).toEqual([
				"llama.context_length has gone",
			]);
			const last = tensors.at(-1)!;
			const size = last.source instanceof Uint8Array ? last.source.length : last.source.size;
			expect(await faults({ tensors: [...tensors.slice(0, -1), { ...last, source: new Uint8Array(size) }] })).toEqual([
				`${last.name} differs`,
			]);
			expect(await faults({ tensors: [...tensors].reverse() })).toEqual([expect.stringContaining("not the kept ones in their order")]);
		});

		it.skipIf(!present)("differs from one with one more block", async () => {
			const original = await GgufFile.read(makeFixtures("llama", join(folder, "more"))[0]!);
			const path = await writtenTo(join(folder, "whole.gguf"), contentOf(original));
			expect(await compare(read, original, path)).toContainEqual(expect.stringContaining("not the kept ones in their order"));
		});
	});
});
