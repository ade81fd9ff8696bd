import { describe, expect, it } from "vitest";
import { type JudgedRemoval, removalVerdict } from "../../src/pipeline/reporting/verdict.js";
import { speedChange } from "../../src/report/figures.js";
import { formatRatio } from "../../src/report/format.js";
import { gateLine } from "../../src/report/gate.js";
import type { Report } from "../../src/report/report-data.js";
import {
	quantizedText,
	type SummaryPlaces,
	speedText,
	summaryText,
	tiedText,
	unclearSpeedText,
	wrapped,
} from "../../src/report/summary.js";
import { madeUpReport } from "../helpers/report.js";

const { limits, collapse, alternatives, textCheck, context: _, ...usual } = madeUpReport();
const { sources, ...quality } = usual.quality!;
const places: SummaryPlaces = {
	...{ output: "out.gguf", plan: "out.gguf.plan.json", report: "out.gguf.report.html" },
	...{ command: "Run it: llama-cli -m out.gguf", seconds: 299 },
};

/** A report of a run that removed these blocks, with figures that fit the verdict. */
function made(added: number, judged: Partial<JudgedRemoval> = {}, more: Partial<Report> = {}): Report {
	const removed = [4, 5, 14];
	const verdict = removalVerdict({
		...{ removed, blocks: 30, written: true, added, standardError: 0.01, healable: true, curve: usual.curve },
		...judged,
	});
	const figures = quality.figures
		.filter(({ name }) => name !== "kl" && name !== "agreement")
		.map((figure) => {
			if (figure.name !== "perplexity") return figure;
			const change = Math.exp(added);
			return { ...figure, after: 23.34 * change, change, standardError: 0.01 * change };
		});
	const text = "self-generated text";
	const output = { ...usual.output!, verification: "llama.cpp computes bit for bit what was measured (1,905 tokens)" };
	return { ...usual, verdict, output, removal: { ...usual.removal!, removed }, quality: { ...quality, text, figures }, ...more };
}

const head = (text: string) => text.split("\n").slice(0, 9).join("\n");
const lines = (text: string) => text.trimEnd().split("\n");

describe("the summary of a run", () => {
	it("says in one screen what was done, what it costs and how to run it", () => {
		expect(summaryText(made(0.05), places)).toBe(
			`Removed 3 of 30 blocks: 4-5, 14.
File: out.gguf (85.1 MB)

Sensible: perplexity rises by 5 %. Up to 10.5 % counts as small.

                       original    pruned  change
perplexity                23.34     24.54  x 1.05 ± 0.01
parameters              134.5 M   113.3 M  -15.8 %
file size               98.4 MB   85.1 MB  -13.5 %
generation (tokens/s)      41.2      50.1  x 1.22 (1.18 to 1.26)
prompt (tokens/s)           210       262  x 1.25 (1.21 to 1.29)
memory                 180.0 MB  155.0 MB  -13.9 %
KV cache                94.0 MB   75.0 MB  -20.2 %
Perplexity is measured on 1,905 tokens of self-generated text: not comparable
with published figures. Memory is for 4,096 tokens of context. ± is one standard
error; ranges are 95 % intervals.

Verified: llama.cpp computes bit for bit what was measured (1,905 tokens)
Report: out.gguf.report.html
Plan: out.gguf.plan.json
Time: 4 min 59 s
Run it: llama-cli -m out.gguf
`,
		);
	});

	it("says what to do where other programs drowned the speed", () => {
		const at = (low: number, high: number) => {
			const figures = usual.speed!.figures.map((figure) =>
				figure.name === "generation" ? { ...figure, interval: { low, high } } : figure,
			);
			return made(0.05, {}, { speed: { ...usual.speed!, figures } });
		};
		expect(summaryText(at(0.58, 1.8), places)).toContain(
			"\nThe speed is unclear: close other programs, run prune-gguf speed MODEL out.gguf.\nPerplexity is measured",
		);
		const { output, ...unwritten } = at(0.58, 1.8);
		expect(unclearSpeedText(at(0.58, 1.8), { model: "my model.gguf", output: "b.gguf" })).toContain("speed 'my model.gguf' b.gguf.");
		expect(unclearSpeedText(unwritten)).toMatch(/run prune-gguf speed MODEL --remove 4-5,14\.$/);
		// Little effect, measured well; a wide interval without 1.
		expect(unclearSpeedText(at(0.97, 1.04))).toBeUndefined();
		expect(unclearSpeedText(at(1.1, 1.9))).toBeUndefined();
	});

	it("says what to do instead of a costly removal", () => {
		expect(head(summaryText(made(0.316), places))).toBe(
			`Removed 3 of 30 blocks: 4-5, 14.
File: out.gguf (85.1 MB)

Costly: perplexity rises by 37 %. Up to 10.5 % counts as small.
- Remove 1 block (-n 1): perplexity rises by 6 % on the validation split.
- --heal may recover part of the loss without training.
- For a smaller file, quantizing may cost less: --quantized-alternatives
  measures it.
`,
		);
	});

	it("says that a model is damaged, and shows the quantization of the same size where it was measured", () => {
		const verdict = "Q3_K_L (84.2 MB) adds 0.310 ± 0.030 nats per token: quantize instead.";
		const report = made(0.805, { hasAlternatives: true }, { alternatives: { ...alternatives!, verdict } });
		expect(head(summaryText(report, places))).toBe(
			`Removed 3 of 30 blocks: 4-5, 14.
File: out.gguf (85.1 MB)

Damaged: perplexity more than doubled (x 2.24 ± 0.02).
- Remove 1 block (-n 1): perplexity rises by 6 % on the validation split.
- --heal may recover part of the loss without training.
- Q3_K_L (84.2 MB) adds 0.310 ± 0.030 nats per token: quantize instead.

                       original    pruned  change`,
		);
	});

	it("has healing, and does not advise it then", () => {
		const heal = {
			...{ applied: true, tokens: 25_600, addedBytes: 1_200_000, seconds: 40 },
			cuts: [{ removed: [4, 5], kind: "refit" }, { removed: [14], kind: "refit" }, { removed: [20] }],
			splits: [{ split: "heldOut", before: 3.512, after: 3.466, difference: -0.046, standardError: 0.008 }],
		};
		const text = summaryText(made(0.316, { healed: true, healable: false }, { heal }), places);
		expect(text).toMatch(/^Removed 3 of 30 blocks: 4-5, 14; healed\.\n/);
		expect(text).toContain(
			"\nHealed 2 of 3 cuts on 25.6 k tokens in 40 s: loss 3.512 -> 3.466 (-0.046 ±\n0.008). This makes the file 1.2 MB larger than without healing.\n",
		);
		// A file that was quantized afterwards has another size, and the steps are one sum.
		const quantized = { ...usual.quality!, quantized: { type: "Q4_K_M" } };
		const both = summaryText(made(0.316, { healed: true, healable: false }, { heal, quality: quantized }), {
			...places,
			seconds: undefined,
		});
		expect(both).not.toContain("larger");
		const [loss] = quantized.figures;
		expect(loss!.name).toBe("loss");
		const rest = loss!.change! - 0.805 + 0.046;
		const steps = `removing blocks x 2.24, healing x 0.955, quantizing ${formatRatio(Math.exp(rest))}; in all ${formatRatio(Math.exp(loss!.change!))}.`;
		expect(both.replaceAll("\n", " ")).toContain(`Quantized to Q4_K_M. Perplexity step by step: ${steps}`);
		expect(text).toContain("on the validation split before\n  healing.\n");
		expect(text).not.toContain("--heal ");
		const failed = { ...heal, applied: false, cuts: [{ removed: [4, 5] }] };
		expect(summaryText(made(0.05, {}, { heal: failed }), places)).toContain("\nNot healed: no cut could be healed.\n");
	});

	it("says of a quantized file what the removal alone costs", () => {
		const report = made(0.316, { quantized: "Q4_K_M", quantizingCosts: true, healable: false });
		const quantized = { ...report, quality: { ...report.quality!, quantized: { type: "Q4_K_M", from: "f16.gguf" } } };
		const text = summaryText(quantized, { ...places, command: undefined }, { width: 120 });
		expect(text).toMatch(/^Removed 3 of 30 blocks: 4-5, 14; quantized to Q4_K_M\.\n/);
		expect(text).toContain(
			"\nQuantized to Q4_K_M from the weights of f16.gguf. Removing the blocks alone adds 0.805 ± 0.050 nats per token.\n",
		);
		expect(text).toContain("\n- A type with more bits than Q4_K_M costs less.\n");
		const alone = (difference: number | null) => {
			const split = { split: "heldOut" as const, before: 3, after: 3, difference, standardError: difference === null ? null : 0.01 };
			return quantizedText({ ...quantized, quality: { ...quantized.quality, splits: [split] } });
		};
		expect(alone(-0.02)).toContain("Removing the blocks alone lowers the loss by 0.020 ± 0.010 nats per token.");
		expect(alone(null)).toContain("With the blocks removed and nothing quantized, the model gives no finite loss.");
		const attention = { ...quantized, removal: { ...quantized.removal!, removed: [4.25, 6.25] } };
		expect(quantizedText(attention)).toContain("Removing the attention parts alone adds 0.805");
	});

	it("shows the limits, and explains what they and the verdict say together", () => {
		const met = { name: "max-ppl-ratio", limit: 1.5, value: 1.37, standardError: 0.02, met: true };
		const within = summaryText(made(0.316, { limits: "met" }, { limits: [met] }), places);
		expect(within).toContain("counts as small. It is within the\nlimits that you set.\n");
		expect(within).toContain("\nLimit met: max-ppl-ratio at most 1.50, measured 1.37 ± 0.020\n");
		const missed = { name: "min-accuracy arc", limit: 0.45, value: 0.4496, standardError: 0.01, met: false };
		const beyond = summaryText(made(0.05, { limits: "missed" }, { limits: [missed] }), places);
		expect(beyond).toMatch(/^Sensible: .*But it misses a\nlimit that you set\.$/m);
		expect(beyond).toContain("\nLimit missed: min-accuracy arc at least 45 %, measured 44.96 ± 1.0 %\n");
	});

	it("names tied candidates, three at most", () => {
		const one = { removed: [4, 9, 10], method: "greedy", above: 0.004, standardError: 0.006, windows: 40 };
		const text = (count: number) => summaryText(made(0.05, {}, { removal: { ...usual.removal!, tied: Array(count).fill(one) } }), places);
		expect(text(1)).toContain("\nStatistically tied on 40 validation windows: 4, 9-10\n");
		expect(text(5)).toContain("\nStatistically tied on 40 validation windows: 4, 9-10; 4, 9-10; 4, 9-10; and 2\nmore\n");
		expect(text(0)).not.toContain("tied");
		// Those that were left out for better ones were measured on less text.
		const mixed = { removal: { ...usual.removal!, tied: [{ ...one, windows: 10 }, one] } };
		expect(summaryText(made(0.05, {}, mixed), places)).toContain("\nStatistically tied on up to 40 validation windows: 4, 9-10; 4, 9-10\n");
		const { windows, ...old } = one;
		expect(tiedText({ ...usual, removal: { ...usual.removal!, tied: [old] } })).toBe("Statistically tied on the validation split: 4, 9-10");
		expect(tiedText({ ...usual, removal: { ...usual.removal!, tied: [one] }, curve: { metric: "accuracy", series: [] } })).toContain(
			"40 validation questions",
		);
	});

	it("does without the speed", () => {
		const { speed, ...report } = made(0.05);
		const text = summaryText(report, places);
		expect(text).toContain("-13.5 %\nPerplexity is measured");
		expect(text).toContain("with published figures. ± is one standard error.\n");
		expect(text).not.toMatch(/tokens\/s|memory|KV cache|Memory|interval/);
	});

	it("says that no file was written", () => {
		const { output, ...report } = made(0.05, { written: false });
		const { output: _, report: __, ...kept } = places;
		const text = summaryText(report, { ...kept, command: "Write it: prune-gguf apply m.gguf OUTPUT.gguf --plan p.json" });
		expect(text).toMatch(/^Removing 3 of 30 blocks: 4-5, 14\.\nNo model was written\. The plan is out\.gguf\.plan\.json\n/);
		expect(text).not.toContain("Verified");
		expect(text.match(/out\.gguf\.plan\.json/g)).toHaveLength(1);
		expect(lines(text).at(-1)).toBe("Write it: prune-gguf apply m.gguf OUTPUT.gguf --plan p.json");
	});

	it("fits 24 lines of 80 columns, blank lines first to go", () => {
		const tied = [{ removed: [4, 9, 10], method: "greedy", above: 0.004, standardError: 0.006, windows: 40 }];
		const gates = [{ name: "max-ppl-ratio", limit: 3, value: 2.24, standardError: 0.02, met: true }];
		const full = made(0.805, { limits: "met" }, { removal: { ...usual.removal!, tied }, limits: gates });
		for (const report of [made(0.05), made(0.316), full]) {
			const text = lines(summaryText(report, places));
			expect(text.length).toBeLessThanOrEqual(24);
			expect(Math.max(...text.map((line) => line.length))).toBeLessThanOrEqual(80);
			expect(text.at(-1)).toBe("Run it: llama-cli -m out.gguf");
		}
	});

	it("has figures of another metric, and counts sources", () => {
		const report = { ...made(0.05), quality: { ...usual.quality!, text: "a.txt" } };
		const { speed, ...short } = report;
		const text = summaryText(short, places);
		expect(text).toMatch(/^KL divergence \(nats per token\) +0\.000 +0\.800 +\+0\.800 ± 0\.040$/m);
		expect(text).toMatch(/^same top token +100 % +58 % +-42\.0 ± 1\.2 %$/m);
		expect(text).toContain("\n2 calibration texts: the report shows each.\n");
		expect(summaryText(short, { ...places, report: undefined })).not.toContain("the report shows");
	});

	it("does without measurements", () => {
		const { quality: _, speed, surrogate, output, ...least } = made(0.05);
		expect(summaryText(least)).not.toMatch(/undefined|NaN/);
	});
});

describe("a change of speed", () => {
	const change = (ratio: number, low: number, high: number) => speedChange({ ratio, interval: { low, high } });

	it("is not measurable here where the interval holds 1", () => {
		expect(change(1.02, 0.97, 1.06)).toBe("not measurable here (0.97 to 1.06)");
		expect(change(1.22, 1.18, 1.26)).toBe("x 1.22 (1.18 to 1.26)");
		expect(change(0.9, 0.85, 0.95)).toBe("x 0.90 (0.85 to 0.95)");
		expect(speedChange({ ratio: 1.22 })).toBe("x 1.22, no interval");
	});

	it("never looks as if the interval held 1, or did not", () => {
		expect(change(1.03, 1.003, 1.05)).toBe("x 1.03 (1.003 to 1.05)");
		expect(change(1.03, 0.9996, 1.05)).toBe("not measurable here (0.9996 to 1.05)");
	});
});

describe("a limit", () => {
	it("is never rounded so that it looks met", () => {
		const line = (name: string, limit: number, value: number) => gateLine({ name, limit, value, met: false });
		expect(line("max-ppl-ratio", 1.5, 1.5004)).toBe("Limit missed: max-ppl-ratio at most 1.50, measured 1.5004");
		expect(line("target-size", 90e6, 90_040_000)).toBe("Limit missed: target-size at most 90.0 MB, measured 90,040,000 bytes");
		expect(line("target-size", 2 ** 30, 2e9)).toBe("Limit missed: target-size at most 1,073,741,824 bytes, measured 2.0 GB");
		expect(line("min-accuracy", 0.4567, 0.4566)).toBe("Limit missed: min-accuracy at least 45.67 %, measured 45.66 %");
	});
});

it("speedText scales bytes and keeps three digits of speed", () => {
	expect(speedText({ name: "memory", unit: "bytes", before: { value: 2e9 }, after: { value: 1e9 }, ratio: 0.5 })).toMatchObject({
		...{ title: "memory", before: "2.0 GB", after: "1.0 GB", change: "-50.0 %" },
	});
	expect(
		speedText({ name: "prompt", unit: "tokens per second", before: { value: 1234.5 }, after: { value: 9.8765 }, ratio: 0.008 }),
	).toMatchObject({
		...{ title: "prompt (tokens/s)", before: "1235", after: "9.88", change: "x 0.01" },
	});
});

it("wrapped breaks between words only", () => {
	expect(wrapped("aaa bb c dddddd e", 6)).toBe("aaa bb\nc\ndddddd\ne");
	expect(wrapped("", 5)).toBe("");
});
