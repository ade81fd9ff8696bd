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
		goal: { targetSize: 2e6 },
		computeAxis: "blocks",
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
		expect(text).toMatch(/^ +own +1 +4\.5 MB +11 +\+0\.100 ± 0\.010 +3$/m);
		expect(text).not.toMatch(/^ +own +2 /m);
		expect(text).toContain("nats added, by file size\n");
		expect(text).toContain("nats added, by blocks kept (of 12)\n");
		expect(text).toContain("On the held-out split (15 windows, not used for any choice): Q4_0 adds 0.021 ± 0.010 nats per token.\n");
		expect(text).toContain("Next:\n  llama-quantize m.gguf q.gguf Q4_0\n");
	});

	it("does without a best choice", () => {
		const { best: _best, ...rest } = result;
		const text = frontierText({ ...rest, verdict: { text: "Nothing fits." }, commands: [] }, {});
		expect(text.startsWith("Nothing fits.\n")).toBe(true);
		expect(text).not.toContain("best choice");
		expect(text).not.toContain("Next:");
	});
});
