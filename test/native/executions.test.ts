import { afterAll, beforeAll, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { blockExecutions } from "../../src/game/executions.js";
import { Random } from "../../src/game/random.js";
import type { EvaluationStats } from "../../src/model/runtime/evaluator.js";
import { Model } from "../../src/model/runtime/model.js";
import { blocks, fixturePath, fixtureWindows } from "../helpers/fixture.js";

let model: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

it.each([true, false])("are as many as a sweep runs, prefixes shared: %s", async (sharePrefixes) => {
	const random = new Random(3);
	const masks = Array.from({ length: 40 }, () =>
		Coalition.ofRemoved(blocks, random.sample([...Array(blocks).keys()], 1 + random.integer(8))),
	);
	const distinct = [...new Map(masks.map((mask) => [mask.key, mask])).values()];
	let stats: EvaluationStats | undefined;
	const evaluator = model.createEvaluator({ sharePrefixes });
	await evaluator.evaluate(distinct, fixtureWindows(2, 32), { onCandidate: (_index, _losses, now) => (stats = now) });
	expect(stats!.blocksDone).toBe(blockExecutions(distinct, evaluator.resumes));
});
