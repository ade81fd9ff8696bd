import { firstOf } from "../helpers/slow.js";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeBlocks } from "../../src/model/architectures/index.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { ATTENTION_MODELS, NO_ATTENTION_MODELS } from "./attention-models.js";
import { examine } from "./examine.js";
import { hasTools } from "./fixtures.js";
import { FIXTURE_TOOL, makeOwnModel } from "./own-fixtures.js";
import { faultsOf } from "./record.js";
import { attentionSets } from "./sets.js";

// Two models that can lose attention parts, in every way, and what is refused. All others run in test/full/attention.test.ts.

const folder = tempFolder();

describe.skipIf(!hasTools)("removing the attention part of a block alone", () => {
	it.each(firstOf(1, ["llama-fused", "llama-biases"]))("is exact in %s: zeroed original, layer view and written file", async (named) => {
		const model = ATTENTION_MODELS.find(({ name }) => name === named)!;
		const path = await makeOwnModel(model, join(folder, model.name));
		const examined = await examine(path, { folder: join(folder, `work-${named}`), sets: attentionSets, reader: FIXTURE_TOOL });
		expect(faultsOf(examined)).toEqual([]);
		const refused = examined.findings.filter(({ verdict }) => verdict === "refused");
		expect(refused.map(({ kind }) => kind)).toEqual(["attention of the first block", "attention of the new first block"]);
		expect(examined.findings.filter(({ idle }) => idle)).toEqual([]);
		expect(examined.readers.llama).toBe(examined.findings.length - refused.length);
	});

	it.each(NO_ATTENTION_MODELS.map(([model, why]) => ({ model, why, name: model.name })))("is refused in $name", async ({ model, why }) => {
		const plan = describeBlocks(await GgufFile.read(await makeOwnModel(model, join(folder, model.name))));
		expect(plan.attention).toEqual({ allowed: false, reason: expect.stringMatching(why) });
		expect(plan.check([3.25])).toMatch(/^the attention part of a block cannot be removed alone: .+ Remove whole blocks/);
		expect(plan.check([3])).toBeUndefined();
	});
});
