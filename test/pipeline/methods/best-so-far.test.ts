import { expect, it } from "vitest";
import type { Metric } from "../../../src/api/index.js";
import { BestSoFar } from "../../../src/pipeline/methods/best-so-far.js";

it("tells the best set of each size, in the unit of the metric", () => {
	const best = new BestSoFar();
	const step = (removed: number[], addedLoss: number) => best.onStep({ count: removed.length, removed, addedLoss, tried: 1 });
	for (const [removed, added] of [[[4], 0.3] as const, [[2], 0.1] as const, [[1, 2], 0.4] as const]) step([...removed], added);
	const told = (metric: Metric) => {
		const notes: string[] = [];
		best.tell(metric, { onLog: ({ message }) => notes.push(message) });
		return notes.join();
	};
	expect(told("loss")).toMatch(/added loss \(nats per token\) on the search split:\n {2}1: 2 \(\+0\.100\)\n {2}2: 1-2 /);
	expect(told("kl")).toContain("KL divergence");
	expect(told("accuracy")).toContain("nats per question");
	expect(told("accuracy")).not.toContain("per token");
});
