import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { settingsFrom } from "../../../src/api/options/shape.js";
import { InvalidCandidateError, InvalidOptionError } from "../../../src/errors.js";
import { inspectModel } from "../../../src/jobs/inspect.js";
import { describeBlocks, removeBlocks } from "../../../src/model/architectures/index.js";
import { blocksToRemove } from "../../../src/model/evaluation/perplexity.js";
import { encodeEntry, GgufFile, type GgufTensor, writtenSize } from "../../../src/model/gguf/index.js";
import { bytesToHeal, healedTypes, mostAdded } from "../../../src/pipeline/preflight/heal-disk.js";
import { bytesToWrite, checkedRemoval, type Header } from "../../../src/pipeline/preflight/model-header.js";
import { sizesWithout } from "../../../src/pipeline/preflight/model-sizes.js";
import { blocksData } from "../../../src/pipeline/reporting/evidence.js";
import type { PlanOrigin } from "../../../src/pipeline/planning/origin.js";
import { changedFixture, fixturePath } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const file = await GgufFile.read(fixturePath);
const real = describeBlocks(file);
/** A plan that allows every set of the fixture. */
const allowing = { ...real, check: () => undefined };

describe("what options say of half-block cuts", () => {
	it("is read as text or as positions", () => {
		expect(settingsFrom("apply", { remove: "7f-9a, 3" }).remove).toEqual([3, 7.5, 8.5]);
		expect(settingsFrom("prune", { remove: [7.5, 3, 3] }).remove).toEqual([3, 7.5]);
		expect(() => settingsFrom("speed", { remove: "7f-9f" })).toThrow(InvalidOptionError);
		expect(() => settingsFrom("speed", { remove: [7.75] })).toThrow(/^remove: .* got 7\.75$/);
		expect(checkedRemoval("m.gguf", allowing, "7f-9a, 3")).toEqual([3, 7.5, 8.5]);
		expect(blocksToRemove([8.5, 3], 12)).toEqual([3, 8.5]);
		expect(blocksToRemove(undefined, 12)).toEqual([]);
	});

	it("is refused beyond the end of the model, with the nearest range", () => {
		const message = "there is no block 12: the blocks are 0 to 11; the nearest range is 9f-11a";
		expect(() => blocksToRemove("9f-13a", 12)).toThrow(message);
		expect(() => checkedRemoval("m.gguf", allowing, "3, 9f-13a")).toThrow(new InvalidCandidateError(`m.gguf: ${message}`));
		expect(() => checkedRemoval("m.gguf", allowing, [3, 12])).toThrow(
			new InvalidCandidateError("m.gguf: there is no block 12: the blocks are 0 to 11"),
		);
	});

	it("is refused with the reason of the architecture", () => {
		const parallel = { ...real, check: () => "only whole blocks can go: their parts run side by side" };
		expect(() => checkedRemoval("m.gguf", parallel, "7f-8a")).toThrow(
			/^blocks 7f-8a cannot be removed from m\.gguf: only whole blocks can go: their parts run side by side/,
		);
	});

	it("is healed by the matrix of the feed-forward part behind it, which may be larger then", () => {
		const header: Header = { path: fixturePath, file, blocks: allowing };
		const heal = { heal: true, healType: "F16" as const };
		const types = (removed: number[]) => [...healedTypes(header, heal)(removed).keys()];
		expect(types([7.5])).toEqual(["blk.8.ffn_down.weight"]);
		expect(types([0, 7.5, 8.5])).toEqual(["blk.9.ffn_down.weight"]);
		expect(types([10.5, 3])).toEqual(["blk.2.ffn_down.weight", "blk.11.ffn_down.weight"]);
		// Only the feed-forward part of block 8 is kept between: one matrix for both.
		expect(types([7.5, 9])).toEqual(["blk.8.ffn_down.weight"]);
		const { dims, source } = file.tensor("blk.8.ffn_down.weight")!;
		const more = 2 * dims[0]! * dims[1]! - source.size;
		expect(bytesToHeal(header, [7.5], heal)).toBe(more + file.alignment);
		expect(bytesToHeal(header, 1, heal)).toBeGreaterThanOrEqual(more);
		expect(bytesToHeal(header, [7.5], {})).toBe(0);
	});

	it("may need a larger matrix of the last block than whole blocks do, which have none behind them", () => {
		const only = {
			...{ architecture: file.architecture, alignment: file.alignment, number: (key: string) => file.number(key) },
			tensor: (name: string) => (name.startsWith("blk.11.") ? file.tensor(name) : undefined),
		} as unknown as GgufFile;
		const header = (parts: typeof real.parts) => ({ path: "m.gguf", file: only, blocks: { ...real, parts } });
		const added = (parts: typeof real.parts) => mostAdded(header(parts), healedTypes(header(parts), { heal: true, healType: "F16" }));
		expect(added({ allowed: false, reason: "" })).toBe(0);
		expect(added({ allowed: true })).toBeGreaterThan(0);
	});
});

describe("sizes", () => {
	// Each part of each block has another size: block b has 10 ** b in its attention part, twice that in its feed-forward part.
	const tensors = [0, 1, 2, 3].flatMap((block) => [
		{ name: `blk.${block}.attn_q.weight`, dims: [10 ** block], source: { size: 2 * 10 ** block } },
		{ name: `blk.${block}.other.weight`, dims: [2 * 10 ** block], source: { size: 4 * 10 ** block } },
	]) as unknown as GgufTensor[];
	tensors.push({ name: "output.weight", dims: [5], source: { size: 10 } } as unknown as GgufTensor);
	const made = { tensors, size: 100 + tensors.reduce((sum, { source }) => sum + source.size, 0) } as unknown as GgufFile;
	const view = { ...real.view, feedForward: (block: number) => [`blk.${block}.other.weight`] };
	const blocks = { ...real, blocks: 4, view };
	const all = 3 * 1111 + 5;

	it.each<[number[], number]>([
		[[], 0],
		[[1], 30],
		[[0.5], 2 + 10],
		[[0.5, 1.5], 2 + 10 + 20 + 100],
		[[0, 2.5], 3 + 200 + 1000],
	])("without %j", (removed, gone) => {
		expect(sizesWithout({ file: made, blocks })(removed)).toEqual({ bytes: made.size - 2 * gone, parameters: all - gone });
		expect(bytesToWrite({ path: "m.gguf", file: made, blocks }, removed)).toBe(made.size - 2 * gone);
	});

	it("of a number of blocks are those without the largest", () => {
		expect(bytesToWrite({ path: "m.gguf", file: made, blocks }, 2)).toBe(made.size - 2 * 3300);
	});

	it("of the fixture's parts are those of its tensors", () => {
		const named = (pattern: RegExp) =>
			file.tensors.filter(({ name }) => pattern.test(name)).reduce((sum, { source }) => sum + source.size, 0);
		const gone = named(/^blk\.(7|8)\.ffn_/) + named(/^blk\.(8|9)\.attn_/);
		expect(gone).toBeGreaterThan(1e5);
		expect(sizesWithout({ file, blocks: real })([7.5, 8.5]).bytes).toBe(file.size - gone);
	});

	it("of what will be written are those of the file, with its header", () => {
		for (const removed of [[3], [3, 7.5, 8.5]]) {
			const written = writtenSize(removeBlocks(file, removed, { version: "0.1.0" }));
			const planned = bytesToWrite({ path: fixturePath, file, blocks: real }, removed);
			expect(Math.abs(planned - written)).toBeLessThan(2000);
		}
		const header = file.size - file.tensors.reduce((sum, { source }) => sum + source.size, 0);
		expect(header).toBeGreaterThan(20_000);
	});
});

it("blocks of which a part is kept are told from others", () => {
	const origin = { machine: {}, calibration: {} } as unknown as PlanOrigin;
	const parts = { blocks: 8, critical: [{ block: 4, reason: "r" }], frozen: [{ block: 0, reason: "f" }], importance: undefined, origin };
	const { list } = blocksData({ ...parts, removed: [1, 3.5, 4.5, 6.5] });
	const states = ["frozen", "removed", "kept", "attention", "removed", "feed-forward", "attention", "feed-forward"];
	expect(list.map(({ state }) => state)).toEqual(states);
});

it.each([
	["as text", encodeEntry("prune_gguf.removed", "string", "3, 7f-9a"), "3, 7f-9a"],
	["as numbers", encodeEntry("prune_gguf.removed_blocks", "array", [3, 4, 7], "uint32"), "3-4, 7"],
])("inspect shows what a file lost, which it says %s", async (name, entry, text) => {
	const own = [encodeEntry("prune_gguf.version", "string", "0.1.0"), encodeEntry("prune_gguf.source_block_count", "uint32", 15), entry];
	const path = await changedFixture(join(folder, `${name}.gguf`), (content) => ({ ...content, entries: [...content.entries, ...own] }));
	expect((await inspectModel(path)).pruned).toBe(`blocks ${text} of 15 removed by prune-gguf 0.1.0`);
});
