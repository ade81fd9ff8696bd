import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { describeBlocks } from "../../src/model/architectures/index.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { Model } from "../../src/model/runtime/model.js";
import { makeWindows } from "../../src/model/runtime/windows.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { hasTools } from "./fixtures.js";
import { makeOwnModel } from "./own-fixtures.js";
import { OWN_MODELS } from "./own-models.js";

// Blocks of gemma4 cannot be made the identity, so that a view cannot hold one in the place of a missing sliding-window block.

const folder = tempFolder();
const model = OWN_MODELS.find(({ name }) => name === "gemma4-full-first")!;

describe.skipIf(!hasTools)("a view of an architecture whose blocks cannot be made the identity", () => {
	it("does not resume where no sliding-window block comes behind", async () => {
		const path = await makeOwnModel(model, join(folder, "rules"));
		const blocks = describeBlocks(await GgufFile.read(path));
		expect(blocks.checkView([3, 4, 5])).toBeUndefined();
		expect(blocks.checkView([3, 5])).toMatch(/sliding-window block/);
		const merged = { attention: 3, feedForward: 4 };
		expect(blocks.checkView([merged, { attention: 5, feedForward: 5 }])).toMatch(/sliding-window block/);
	});

	it("measures such candidates in a batch as alone", async () => {
		await using loaded = await Model.load(await makeOwnModel(model, join(folder, "batch")), { threads: 2 });
		const windows = makeWindows(
			Int32Array.from({ length: 128 }, (_, i) => (i * 7) % 100),
			64,
		);
		const sets = [[4], [3.5], [1.5], []].map((removed) => Coalition.ofRemoved(6, removed));
		const evaluator = loaded.createEvaluator();
		const batch = await evaluator.evaluate(sets, windows, { digest: true });
		for (const [i, set] of sets.entries())
			expect((await evaluator.evaluate([set], windows, { digest: true }))[0]!.digests, `${set}`).toEqual(batch[i]!.digests);
	});
});
