import { describe, expect, it } from "vitest";
import type { FrontierCell, FrontierResult } from "../../src/cli/api.js";
import { frontierText } from "../../src/cli/quantized-views.js";

const figure = (mean: number) => ({ mean, standardError: 0.01 });
const cell = (type: FrontierCell["type"], removed: number[], bytes: number, added: number, beaten: [boolean, boolean]): FrontierCell => ({
	...{ type, removed, blocks: 12 - removed.length, compute: 1 - removed.length / 12, bytes, fits: true },
	...{ loss: figure(3 + added), added: figure(added), divergence: null, agreement: null },
	dominated: { bytes: beaten[0], compute: beaten[1], both: false },
});

describe("frontierText", () => {
	const best = { ...cell("Q4_0", [], 2e6, 0.02, [false, true]), heldOut: { ...cell("Q4_0", [], 2e6, 0.021, [false, true]) } };
	const result: FrontierResult = {
		model: { path: "m.gguf", name: "m.gguf", architecture: "llama", blocks: 12, size: 5e6, parameters: 2e6 },
		reference: { name: "f16.gguf", sha256: "", bytes: 5e6, loss: figure(3) },
		sourceQuantized: false,
		ownType: "Q4_1",
		goal: { targetSize: 2e6 },
		computeAxis: "blocks",
		granularity: { used: "block", reason: "as given" },
		text: { source: "own samples", validation: 10, heldOut: 15, length: 128 },
		cells: [best, cell("own", [3, 4], 4e6, 0.3, [true, true]), cell("own", [3], 4.5e6, 0.1, [true, false])],
		best,
		verdict: { better: "quantizing", text: "Quantize." },
		commands: ["llama-quantize m.gguf q.gguf Q4_0"],
		seconds: 61,
	};

	it("says the verdict first, then what leads on an axis, then both charts", () => {
		const text = frontierText(result, {});
		expect(text.startsWith("Quantize.\n")).toBe(true);
		expect(text).toContain("Best combinations by loss and size, or by loss and blocks kept (2 of 3; --json has all).\n");
		expect(text).toMatch(/^> +Q4_0 +0 +2\.0 MB +12 +\+0\.020 ± 0\.010$/m);
		expect(text).toMatch(/^ +Q4_1 +1 +4\.5 MB +11 +\+0\.100 ± 0\.010 +3$/m);
		expect(text).not.toMatch(/^ +Q4_1 +2 /m);
		expect(text).not.toContain("own");
		expect(text).toContain("nats added, by file size\n");
		expect(text).toContain("nats added, by blocks kept (of 12)\n");
		expect(text).toContain("On the held-out split (15 windows, not used for any choice): Q4_0 adds 0.021 ± 0.010 nats per token.\n");
		expect(text).toContain("Next:\n  llama-quantize m.gguf q.gguf Q4_0\n");
	});

	it("sets rows above the size apart, the nearest two of them, and shows the row that the verdict names", () => {
		const above = (removed: number[], bytes: number) => ({ ...cell("own", removed, bytes, 0.1, [false, false]), fits: false });
		const beside = cell("Q2_K", [], 1e6, 0.9, [true, true]);
		const cells = [best, beside, above([], 5e6), above([3], 4e6), above([3, 4], 3e6)];
		const text = frontierText({ ...result, cells, verdict: { ...result.verdict, beside } }, {});
		const rows = text
			.split("nats added, by")[0]!
			.split("\n")
			.filter((line) => / MB | than /.test(line));
		expect(rows.map((line) => line.trim().split(/ {2,}/).slice(0, 4).join(" "))).toEqual([
			"> Q4_0 0 2.0 MB",
			"Q2_K 0 1.0 MB 12",
			"larger than 2.0 MB:",
			"Q4_1 1 4.0 MB 11",
			"Q4_1 2 3.0 MB 10",
		]);
		const slow = frontierText({ ...result, cells, goal: { targetCompute: 1.2 } }, {});
		expect(slow).toContain("\nthese miss the goal:\n");
		expect(slow).toMatch(/^ +Q4_1 +0 +5\.0 MB/m);
	});

	it("names the command that heals too, and says that it was not measured", () => {
		const text = frontierText({ ...result, commands: ["write it", "write it --heal"] }, {});
		expect(text).toContain(
			"Next:\n  write it\nTo heal it too, which may recover part of the loss (not measured here):\n  write it --heal\n",
		);
	});

	it("after a dry run says only how long it would take", () => {
		const estimate = { evaluations: 30, known: 2, tokens: 5000, seconds: 90, steps: [{ name: "Searching" as const, seconds: 90 }] };
		const { best: _best, ...rest } = result;
		expect(frontierText({ ...rest, cells: [], commands: [], estimate }, {})).toBe(
			`This run would take about 1 min 30 s:
  Searching  1 min 30 s
It would measure up to 30 candidates, in all about 5,000 tokens.
2 more are known from earlier runs.
Dry run: no combination was measured.
Time of the dry run: 1 min 1 s
`,
		);
	});

	it("does without a best choice", () => {
		const { best: _best, ...rest } = result;
		const text = frontierText({ ...rest, verdict: { text: "Nothing fits." }, commands: [] }, {});
		expect(text.startsWith("Nothing fits.\n")).toBe(true);
		expect(text).not.toContain("best choice");
		expect(text).not.toContain("Next:");
	});
});
