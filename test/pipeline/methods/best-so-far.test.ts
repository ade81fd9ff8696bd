import { expect, it } from "vitest";
import type { LogEvent, Metric } from "../../../src/api/index.js";
import { Coalition } from "../../../src/game/coalition.js";
import { commandToRemove, outputWithout } from "../../../src/pipeline/preflight/command-line.js";
import { bestMeasured, BestSoFar } from "../../../src/pipeline/methods/best-so-far.js";

const command = (removed: readonly number[]) => commandToRemove("m.gguf", outputWithout("a/m.gguf", removed), removed);

it("tells the best set of each size, in the unit of the metric", () => {
	const best = new BestSoFar();
	const step = (removed: number[], addedLoss: number) => best.onStep({ count: removed.length, removed, addedLoss, tried: 1 });
	for (const [removed, added] of [[[4], 0.3] as const, [[2], 0.1] as const, [[1, 2], 0.4] as const]) step([...removed], added);
	const told = (metric: Metric) => {
		const notes: string[] = [];
		best.tell(metric, { onLog: ({ message }) => notes.push(message), command });
		return notes.join();
	};
	expect(told("loss")).toMatch(/added loss \(nats per token\) on the search split:\n {2}1: 2 \(\+0\.100\)\n {2}2: 1-2 /);
	expect(told("loss")).toMatch(/such as the last: prune-gguf m\.gguf m-minus-2\.gguf --remove 1-2$/);
	expect(told("kl")).toContain("KL divergence");
	expect(told("accuracy")).toContain("nats per question");
	expect(told("accuracy")).not.toContain("per token");
});

it("names none of a few single removals, and all once there is more", () => {
	const best = new BestSoFar();
	const told = () => {
		const events: LogEvent[] = [];
		best.tell("loss", { onLog: (event) => events.push(event), command });
		return events;
	};
	best.onStep({ count: 1, removed: [4.25], addedLoss: 3, tried: 1, among: { measured: 4, all: 8, longest: 1 } });
	const message = "Only 4 of 8 attention parts were measured alone: too few to name a good candidate.";
	expect(told()).toEqual([{ level: "note", message }]);
	best.onStep({ count: 2, removed: [4.25, 6.25], addedLoss: 2, tried: 1 });
	expect(told()[0]!.sets).toHaveLength(2);
});

it("tells whole blocks beside half-block cuts that are ahead, and how to take those", () => {
	const best = new BestSoFar();
	const told = () => {
		const events: LogEvent[] = [];
		best.tell("loss", { onLog: (event) => events.push(event), command });
		return events[0]!;
	};
	best.onStep({ count: 1, removed: [4], addedLoss: 0.1, tried: 1 });
	best.onStep({ count: 2, removed: [3.5, 5], addedLoss: 0.2, tried: 1 });
	// Without whole blocks of that size there is nothing to put beside it.
	expect(told().message).toMatch(
		/\n {2}1: 4 \(\+0\.100\)\n {2}2: 3f-4a, 5 \(\+0\.200\)\nA half-block cut .* by chance.*\n.*such as the last: .*3f-4a,5$/,
	);
	best.onStep({ count: 2, removed: [3, 4], addedLoss: 0.25, tried: 1 });
	best.onStep({ count: 2, removed: [4, 5], addedLoss: 0.22, tried: 1 });
	expect(told().message).toMatch(/\n {2}2: 4-5 \(\+0\.220\)\n {2}2: 3f-4a, 5 \(\+0\.200\)\n.*\n.*such as 4-5: .* --remove 4-5$/);
	expect(told().sets).toEqual([
		{ removed: [4], added: 0.1 },
		{ removed: [4, 5], added: 0.22 },
		{ removed: [3.5, 5], added: 0.2 },
	]);
	best.onStep({ count: 2, removed: [4.25, 6.25], addedLoss: 0.1, tried: 1 });
	expect(told().message).not.toContain("by chance");
});

it("finds them among what was measured", () => {
	const measured = (loss: number, ...removed: number[]) => ({ coalition: Coalition.ofRemoved(8, removed), losses: Float64Array.of(loss) });
	const played = [measured(2), measured(2.25, 3, 4), measured(2.125, 3.5, 5), measured(2.5, 4, 5), measured(2.5, 2)];
	const steps = bestMeasured({ players: 8, frozen: new Map(), played: () => played, allows: () => true }, 4);
	expect(steps.map(({ removed, addedLoss }) => [removed, addedLoss])).toEqual([
		[[2], 0.5],
		[[3, 4], 0.25],
		[[3.5, 5], 0.125],
	]);
});

it("tells only the set that was chosen, once there is one", () => {
	const best = new BestSoFar();
	best.onStep({ count: 3, removed: [3, 9, 10], addedLoss: 0.4, tried: 1 });
	best.choose({ removed: [3, 6, 10], added: 0.412 });
	const events: LogEvent[] = [];
	best.tell("loss", { onLog: (event) => events.push(event), command });
	expect(events).toEqual([
		{
			level: "note",
			message:
				"The final comparison chose 3, 6, 10: +0.412 added loss (nats per token) on the validation split.\nTo take it without a search: prune-gguf m.gguf m-minus-3.gguf --remove 3,6,10",
			sets: [{ removed: [3, 6, 10], added: 0.412, chosen: true }],
		},
	]);
});

it("names a file by the blocks and attention parts that it lacks", () => {
	expect(outputWithout("a/m.gguf", [1.25, 2.25])).toBe("m-minus-2a.gguf");
	expect(outputWithout("a/m.gguf", [1.25, 2, 3.5], "Q4_0")).toBe("m-minus-2-1a-Q4_0.gguf");
	expect(outputWithout("a/m.gguf", [])).toBe("m.gguf");
});
