import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type * as Architectures from "../../../src/model/architectures/index.js";
import { VerificationError } from "../../../src/errors.js";
import { type GgufContent, encodeEntry } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import { Coalition } from "../../../src/game/coalition.js";
import { identityOf } from "../../../src/storage/hash.js";
import { writePruned } from "../../../src/pipeline/writing/write-pruned.js";
import { hasTools, makeFixtures } from "../../conformance/fixtures.js";
import { rewrite } from "../../conformance/rewrite.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { onCpu } from "../../../src/model/runtime/placement.js";

/** The outcome for the content that would be written. */
let spoil: ((content: GgufContent) => GgufContent) | undefined;
vi.mock("../../../src/model/architectures/index.js", async (original) => {
	const real = await original<typeof Architectures>();
	const removeBlocks: typeof real.removeBlocks = (...args) => {
		const content = real.removeBlocks(...args);
		return spoil ? spoil(content) : content;
	};
	return { ...real, removeBlocks };
});

const folder = tempFolder();
const PATTERN = "gemma3.attention.sliding_window_pattern";
const withPattern =
	(...slides: boolean[]) =>
	(content: GgufContent): GgufContent => ({
		...content,
		entries: [...content.entries.filter(({ key }) => key !== PATTERN), encodeEntry(PATTERN, "array", slides, "bool")],
	});

afterEach(() => {
	spoil = undefined;
});

describe.skipIf(!hasTools)("a written file whose windows are another block's", () => {
	it("is not kept, though the verification tokens do not reach beyond a window", async () => {
		// The pattern by default, windows of 512 tokens, prompts of 32; rotation is the same in both kinds of blocks.
		const keys = {
			"attention.sliding_window_pattern": null,
			"attention.sliding_window": ["uint32", 512],
			"rope.freq_base": ["float32", 10000],
			"rope.freq_base_swa": ["float32", 10000],
		} as const;
		const path = await rewrite(makeFixtures("gemma3", folder)[0]!, join(folder, "gemma3.gguf"), { keys });
		const removed = [1];
		const windows = makeWindows(
			Int32Array.from({ length: 64 }, (_, i) => (i * 37) % 100),
			32,
		);
		const model = await Model.load(path, { threads: 2 });
		const [expected] = await model.createEvaluator().evaluate([Coalition.ofRemoved(6, removed)], windows);
		await model.dispose();
		const { losses } = expected!;
		const sha256 = await identityOf(model.file.paths);
		const write = (name: string) =>
			writePruned(
				{ file: model.file, removed, sha256, expected: { windows, losses, threads: 2, ubatch: 512, placement: onCpu(6) } },
				join(folder, name),
				{},
			);
		const before = readdirSync(folder);
		spoil = withPattern(true, true, true, false, true);
		await expect(write("wrong.gguf")).rejects.toThrow(VerificationError);
		await expect(write("wrong.gguf")).rejects.toThrow(/block 3 \(block 4 of the original\): sliding window false, expected true/);
		expect(readdirSync(folder)).toEqual(before);
		spoil = undefined;
		await expect(write("right.gguf")).resolves.toMatchObject({ verification: expect.stringContaining("bit for bit") });
	});
});
