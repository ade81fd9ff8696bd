import { expect, it } from "vitest";
import type { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { greedy } from "../../../src/game/search/greedy.js";
import type { Choices } from "../../../src/pipeline/methods/selection-context.js";
import { reasonedBlocks } from "../../../src/pipeline/planning/plan.js";

it("says of a critical attention part that it is one", async () => {
	const costs = [0.1, 0.2, 1.5, 0.3];
	const loss = (coalition: Coalition) => coalition.removed().reduce((sum, block) => sum + costs[block]!, 2);
	const found = await greedy(new FunctionGame({ players: costs.length, loss }), { kmax: 2 });
	const choices: Choices = { found, rivals: [], masks: 0 };
	const of = (used: "block" | "attention") => reasonedBlocks(choices, { used, reason: "" });
	expect(of("block")).toEqual([{ block: 2, reason: "removed alone it adds 1.500 nats per token, more than 0.693 a block" }]);
	expect(of("attention")).toEqual([{ block: 2, reason: "its attention part, removed alone, adds 1.500 nats per token, more than 0.693" }]);
	const beside = found.critical.map((one) => ({ ...one, reason: one.reason.replace("alone", "beside block 7") }));
	const [first] = reasonedBlocks({ ...choices, found: { ...found, critical: beside } }, { used: "attention", reason: "" });
	expect(first?.reason).toBe("its attention part, removed beside block 7, adds 1.500 nats per token, more than 0.693");
});
