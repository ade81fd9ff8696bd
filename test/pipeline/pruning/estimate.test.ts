import { expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { usefulMasks } from "../../../src/pipeline/pruning/estimate.js";
import { threadsNote } from "../../../src/pipeline/session/search-ledger.js";
import { Ledger } from "../../../src/storage/ledger.js";

it("counts the known candidates of the kind that is measured", () => {
	const ledger = Ledger.inMemory({ key: "k", players: 6, windows: { count: 1, length: 8 }, settings: {} });
	for (const removed of [[], [1], [2], [1, 2], [1, 2, 3], [1.5]])
		ledger.append({ coalition: Coalition.ofRemoved(6, removed), losses: Float64Array.of(2) });
	expect(usefulMasks(ledger, 1, { method: "leave-one-out" })).toBe(3);
	expect(usefulMasks(ledger, 2, {})).toBe(4);
	expect(usefulMasks(ledger, 1, { method: "paper" })).toBe(6);
	expect(usefulMasks(ledger, 1, { method: "greedy", granularity: "half-block" })).toBe(4);
	expect(usefulMasks(ledger, 2, { remove: [1, 2] })).toBe(1);
});

it("says that a search settled on other threads", () => {
	expect([threadsNote(2, 2), threadsNote(2, 4), threadsNote(2, 1)]).toEqual([
		undefined,
		"The search runs on 4 threads",
		"The search runs on 1 thread",
	]);
});
