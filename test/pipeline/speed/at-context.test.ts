import { join } from "node:path";
import { expect, it } from "vitest";
import { removeBlocks } from "../../../src/model/architectures/index.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { comparedHalf, unequalParts } from "../../../src/pipeline/speed/at-context.js";
import { ATTENTION_MODELS } from "../../conformance/attention-models.js";
import { hasTools } from "../../conformance/fixtures.js";
import { makeOwnModel } from "../../conformance/own-fixtures.js";
import { changedFixture, fixturePath } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();

/** Its feed-forward parts have 64 to 192 values, and its attention parts 2 or 4 heads with 1 to 4 of keys and values. */
const unlike = ATTENTION_MODELS.find(({ name }) => name === "deci-some-without")!;

it.skipIf(!hasTools)("parts that differ clearly in size are named", async () => {
	const [own, fixture] = [await makeOwnModel(unlike, folder), fixturePath];
	const differ = async (path: string) => unequalParts(await readModelHeader(path, {}));
	expect(await differ(own)).toBe("attention parts by a factor of up to 4 and feed-forward parts by a factor of up to 3");
	expect(await differ(fixture)).toBeUndefined();
});

it("times of parts come from a half with about half of the attention that a file still has", async () => {
	const half = async (lost: readonly number[]) => {
		const file = await GgufFile.read(fixturePath);
		const name = join(folder, `${lost.length}-${lost[0]}.gguf`);
		const path = await changedFixture(name, () => removeBlocks(file, lost, { version: "1" }));
		return comparedHalf(await readModelHeader(path, {}));
	};
	// Half of the blocks, spread alike, are those without attention.
	const odd = await half([1.25, 3.25, 5.25, 7.25, 9.25, 11.25]);
	expect(odd).toEqual({ removed: expect.anything(), attentions: { all: 6, without: 3 } });
	expect(odd!.removed).toHaveLength(6);
	expect((await half([6.25, 7.25, 8.25, 9.25, 10.25, 11.25]))!.attentions).toEqual({ all: 6, without: 3 });
	expect((await half([5, 2.25]))!.attentions).toEqual({ all: 10, without: 4 });
});
