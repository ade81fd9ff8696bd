import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { removeBlocks } from "../../src/model/architectures/index.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import type { Evaluation, EvaluationStats } from "../../src/model/runtime/evaluator.js";
import { Model } from "../../src/model/runtime/model.js";
import { changedFixture, fixturePath, fixtureWindows, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// A file that has lost attention parts states heads and widths for each block. Its candidates share the work of common first blocks.

const folder = tempFolder();
const windows = fixtureWindows(2, 64);
const bits = ({ losses, digests }: Evaluation) => [...losses].map(String).concat(digests!);

let model: Model;
beforeAll(async () => {
	const file = await GgufFile.read(fixturePath);
	const path = await changedFixture(join(folder, "deci.gguf"), () => removeBlocks(file, [2.25, 5.25, 6.25, 11.25], { version: "1" }));
	model = await Model.load(path, { threads: 2 });
});
afterAll(() => model.dispose());

it("candidates that resume where common first blocks end have the bits of those that do not", async () => {
	// Behind the depths of common blocks are blocks with attention of their own, without it, and with a removed one.
	const sets = [
		[7],
		[8],
		[6],
		[5],
		[2],
		[1, 7],
		[4.25, 9],
		[4.25, 10],
		[4.25, 5],
		[7.25],
		[8.25, 9],
		[3.5],
		[8.5],
		[1, 2, 3],
		[10, 11],
		[],
	];
	const masks = sets.map((set) => removing(...set));
	let stats: EvaluationStats | undefined;
	const onCandidate = (_index: number, _evaluation: Evaluation, now: EvaluationStats) => {
		stats = now;
	};
	const together = await model.createEvaluator().evaluate(masks, windows, { digest: true, onCandidate });
	expect(stats!.blocksShared).toBeGreaterThan(0);
	const evaluator = model.createEvaluator({ sharePrefixes: false });
	for (const [i, mask] of masks.entries()) {
		const [alone] = await evaluator.evaluate([mask], windows, { digest: true });
		expect(bits(together[i]!), `${mask}`).toEqual(bits(alone!));
	}
});
