import { expect, it } from "vitest";
import { reasonedBlocks } from "../../../src/pipeline/methods/critical.js";

const dear = { blocks: [2], addedLoss: 1.5, limit: Math.LN2, frozen: true };

it("says of a critical block what it adds", () => {
	expect(reasonedBlocks([dear])).toEqual([{ block: 2, reason: "removed alone it adds 1.500 nats per token, more than 0.693 a block" }]);
});

it("counts in the unit of the metric", () => {
	expect(reasonedBlocks([dear], undefined, "accuracy")[0]!.reason).toBe(
		"removed alone it adds 1.500 nats per question, more than 0.693 a block",
	);
});

it("says it of each block that goes only together with others", () => {
	const reason = "removed alone it adds 1.500 nats per token, more than 0.500 a block; set free to reach the size";
	expect(reasonedBlocks([{ ...dear, blocks: [2, 3], limit: 0.5, frozen: false }])).toEqual([
		{ block: 2, reason },
		{ block: 3, reason },
	]);
});

it("says of a critical attention part that it is one, and what it was removed with", () => {
	const of = (beside: readonly number[], frozen = true) => reasonedBlocks([{ ...dear, frozen }], { beside })[0]!.reason;
	expect(of([])).toBe("its attention part, removed alone, adds 1.500 nats per token, more than 0.693");
	expect(of([7])).toBe("its attention part, removed beside block 7, adds 1.500 nats per token, more than 0.693");
	const freed = "its attention part, removed beside blocks 7, 9, adds 1.500 nats per token, more than 0.693; set free to reach the size";
	expect(of([7, 9], false)).toBe(freed);
});
