import { describe, expect, it } from "vitest";
import { type JudgedRemoval, lossSentence, removalVerdict, suggestionVerdict } from "../../../src/pipeline/reporting/verdict.js";
import type { ReportCurve } from "../../../src/report/report-data.js";
import { riseText, worseTexts } from "../../../src/report/trade.js";

const outcome = (added: number | null, standardError: number | null = 0.02): JudgedRemoval => ({
	...{ removed: [3, 6, 7], blocks: 12, written: true, added, standardError },
});
const curveOf = (split: "search" | "validation", added: (number | null)[], metric: ReportCurve["metric"] = "kl"): ReportCurve => ({
	metric,
	series: [
		{
			...{ method: "auto", split },
			points: added.map((one, i) => ({ removed: Array.from({ length: i }, (_, k) => k + 1), loss: 3, added: one })),
		},
	],
});
/** Of the loss, whatever its name is. */
const lossCurve = (split: "search" | "validation", added: (number | null)[]): ReportCurve => ({
	...curveOf(split, added),
	metric: "nll" as ReportCurve["metric"],
});
const adviceOf = (curve: ReportCurve | undefined, more: Partial<JudgedRemoval> = {}) =>
	removalVerdict({ ...outcome(0.5), curve, ...more }).advice![0];

describe("the verdict on a set", () => {
	it("says what was removed", () => {
		expect(removalVerdict(outcome(0.316)).headline).toBe("Removed 3 of 12 blocks: 3, 6-7.");
		expect(removalVerdict({ ...outcome(0.316), written: false }).headline).toBe("Removing 3 of 12 blocks: 3, 6-7.");
		expect(removalVerdict({ ...outcome(0.316), healed: true, quantized: "Q4_0" }).headline).toBe(
			"Removed 3 of 12 blocks: 3, 6-7; healed and quantized to Q4_0.",
		);
	});

	it("says what fewer blocks bring of a target speed-up, as far as it was measured", () => {
		const ratios = new Map([1, 2, 3, 11].map((count) => [count, { value: 12 / (12 - count) }]));
		const { advice } = removalVerdict({ ...outcome(0.316), speeds: { of: "generation", ratios } });
		expect(advice![1]).toBe("Fewer blocks bring less speed: generation was x 1.20 without 2, x 1.09 without 1.");
		const none = removalVerdict({ ...outcome(0.316), speeds: { of: "generation", ratios: new Map([[3, { value: 1.3 }]]) } });
		expect(none.advice!.join()).not.toContain("less speed");
		expect(removalVerdict(outcome(0.316)).advice!.join()).not.toContain("less speed");
	});

	// 0.1 nats is the bound of a suggestion, ln 2 doubles the perplexity.
	it.each([
		[-0.05, "sensible", "Sensible: perplexity falls by 4.9 %."],
		[0.039, "sensible", "Sensible: the change in loss (+0.039 ± 0.020 nats per token) is within the measuring error."],
		[0.05, "sensible", "Sensible: perplexity rises by 5 %. Up to 10.5 % counts as small."],
		[0.1, "sensible", "Sensible: perplexity rises by 10.5 %. Up to 10.5 % counts as small."],
		[0.1001, "costly", "Costly: perplexity rises by 11 %. Up to 10.5 % counts as small."],
		[0.6925, "costly", "Costly: perplexity rises by 99.9 %. Up to 10.5 % counts as small."],
		[0.7, "damaged", "Damaged: perplexity more than doubled (x 2.01 ± 0.04)."],
	] as const)("%d nats added are %s", (added, trade, reason) => {
		expect(removalVerdict(outcome(added))).toMatchObject({ trade, reason });
		// Twice the error is about the 95 % interval on 60 windows.
		expect(`${lossSentence({ mean: added, standardError: 0.02 }, 60)}.`).toBe(reason);
	});

	it("knows a broken model", () => {
		const verdict = removalVerdict({ ...outcome(null, null), healable: true });
		expect(verdict).toMatchObject({ trade: "broken", reason: "Broken: the pruned model gives no finite loss." });
		expect(verdict.advice!.join()).not.toContain("--heal");
	});

	it("counts texts that are newly wrong, so that no warning says something else", () => {
		const texts = "5 of 10 samples newly get stuck in a loop";
		expect(removalVerdict({ ...outcome(0.05), worseTexts: texts })).toMatchObject({
			...{ trade: "costly", reason: `Costly: perplexity rises by 5 %, which is small, but ${texts}.` },
		});
		expect(removalVerdict({ ...outcome(0.2), worseTexts: texts }).reason).toContain(`rises by 22 %, and ${texts}. Up to`);
		expect(removalVerdict({ ...outcome(0.8), worseTexts: texts }).reason).toMatch(/doubled \(.*\), and 5 of 10 samples/);
	});

	it("advises what is left to do, and nothing where the trade is sensible", () => {
		expect(removalVerdict({ ...outcome(0.05), healable: true }).advice).toBeUndefined();
		expect(removalVerdict({ ...outcome(0.3), healable: true }).advice).toEqual([
			"Remove fewer blocks. Run prune-gguf MODEL to see what each number of them costs.",
			"--heal may recover part of the loss without training.",
			"For a smaller file, quantizing may cost less: --quantized-alternatives measures it.",
		]);
		expect(removalVerdict({ ...outcome(0.3), hasAlternatives: true }).advice).toHaveLength(1);
	});

	it("advises nothing that makes the file larger where a size was asked for", () => {
		const ratios = new Map([[2, { value: 1.2 }]]);
		const more = { curve: lossCurve("validation", [0, 0.03]), speeds: { of: "generation", ratios } } as const;
		const sized = { ...outcome(0.3), ...more, targetSize: 90e6, quantized: "Q4_0", quantizingCosts: true, healable: true };
		const frontier = "Other types of weights may cost less at this size: prune-gguf frontier MODEL --target-size 90000000 measures it.";
		expect(removalVerdict(sized).advice).toEqual(["--heal may recover part of the loss without training.", frontier]);
		expect(removalVerdict({ ...sized, healable: false }).advice).toEqual([frontier]);
	});

	it("names a number of blocks that is sensible, as far as one was measured", () => {
		expect(adviceOf(lossCurve("validation", [0, 0.03, 0.08, 0.5]))).toBe(
			"Remove 2 blocks (-n 2): perplexity rises by 8 % on the validation split.",
		);
		// The search split alone says too little to name a number.
		expect(adviceOf(lossCurve("search", [0, 0.03, 0.11, 0.5]), { healed: true })).toMatch(/^Remove fewer blocks\. /);
		expect(adviceOf(lossCurve("validation", [0, -0.01]), { quantized: "Q4_0" })).toBe(
			"Remove 1 block (-n 1): perplexity does not rise on the validation split before quantizing.",
		);
		expect(adviceOf(curveOf("validation", [0, 0.0999]))).toBe(
			"Remove 1 block (-n 1): the KL divergence is 0.100 nats per token on the validation split.",
		);
		// Validation found two blocks too dear, so that the search says nothing of them or of more.
		const both = (validation: number[]) => {
			const [searched, validated] = [lossCurve("search", [0, 0.03, 0.08]), lossCurve("validation", validation)];
			return { ...searched, series: [...searched.series, ...validated.series] };
		};
		const measured = both([0, 0.05, 0.3]);
		expect(adviceOf(measured)).toBe("Remove 1 block (-n 1): perplexity rises by 5 % on the validation split.");
		const dear = both([0, 0.05, 0.3]);
		dear.series[1]!.points.splice(1, 1);
		expect(adviceOf(dear)).toMatch(/^Remove fewer blocks\. /);
		expect(adviceOf(both([0, 0.2, 0.3]))).toBe(
			"Even one block raises perplexity by about 22 %: no number of blocks is cheap on this text.",
		);
		const broken = both([0, 0.05, 0.3]);
		broken.series[1]!.points = [{ removed: [1], loss: null, added: null }];
		expect(adviceOf(broken)).toMatch(/^Remove fewer blocks\. /);
		// A cut that looks cheaper than whole blocks may be so by chance: a run takes those.
		const halves = lossCurve("validation", [0, 0.05]);
		halves.series[0]!.points.push({ removed: [4.5], loss: 3, added: 0.01 });
		expect(adviceOf(halves)).toBe("Remove 1 block (-n 1): perplexity rises by 5 % on the validation split.");
		const unknown = "Remove fewer blocks. Run prune-gguf MODEL to see what each number of them costs.";
		for (const curve of [undefined, lossCurve("validation", [0]), lossCurve("search", [0, null]), curveOf("search", [0, 0.05], "accuracy")])
			expect(adviceOf(curve)).toBe(unknown);
	});
});

describe("a verdict's details", () => {
	it("does not advise fewer blocks where even one costs too much, whatever is done with it", () => {
		expect(adviceOf(lossCurve("search", [0, 0.2, 0.9]))).toBe(
			"Even one block raises perplexity by at least 22 %: no number of blocks is cheap on this text.",
		);
		expect(adviceOf(lossCurve("validation", [0, 0.9, 0.95]))).toMatch(/^Even one block more than doubles perplexity: /);
		expect(adviceOf(curveOf("validation", [0, 0.2]))).toMatch(/^Even one block costs about 0\.200 nats of KL divergence: /);
		expect(adviceOf(lossCurve("validation", [0, 0.2]), { healed: true })).toBe(
			"Even one block raises perplexity by about 22 % before healing.",
		);
		expect(adviceOf(lossCurve("validation", [0, 0.2]), { quantized: "Q4_0" })).toContain("by about 22 % before quantizing: no number");
	});

	it("says of one block that even it costs too much", () => {
		expect(adviceOf(lossCurve("search", [0, 0.2]), { removed: [3] })).toBe("Even this one block costs too much.");
	});

	it("advises in words and sets of what was removed: attention parts are no blocks", () => {
		const attentions = { removed: [3.25, 6.25, 7.25] };
		expect(adviceOf(undefined, { removed: [3.25] })).toBe("Even this one attention part costs too much.");
		expect(adviceOf(undefined, attentions)).toBe(
			"Remove fewer attention parts. Run prune-gguf MODEL --granularity attention to see what each number of them costs.",
		);
		expect(adviceOf(undefined, { removed: [3, 6.25] })).toMatch(/^Remove fewer blocks or attention parts\. /);
		// Sets of blocks that reach the same speed-up take part in the comparison of attention parts.
		const curve = lossCurve("validation", [0, 0.05, 0.08]);
		expect(adviceOf(curve, attentions)).toMatch(/^Remove fewer attention parts\. /);
		curve.series[0]!.points.push({ removed: [6.25], loss: 3, added: 0.02 });
		expect(adviceOf(curve, attentions)).toBe(
			"Remove 1 attention part (--remove-attention 1): perplexity rises by 2 % on the validation split.",
		);
		expect(adviceOf(curve, { removed: [1, 2, 3] })).toMatch(/^Remove 2 blocks \(-n 2\)/);
		expect(adviceOf(curve, { removed: [1, 6.25, 7.25] })).toMatch(/^Remove 1 attention part /);
		curve.series[0]!.points.at(-1)!.added = 0.2;
		expect(adviceOf(curve, attentions)).toBe(
			"Even one attention part raises perplexity by about 22 %: no number of attention parts is cheap on this text.",
		);
	});

	it("advises more bits only where quantizing costs something", () => {
		const advice = (more: Partial<JudgedRemoval>) => removalVerdict({ ...outcome(0.3), quantized: "Q4_0", ...more }).advice!.join();
		expect(advice({})).not.toMatch(/bits|quantiz/);
		expect(advice({ quantizingCosts: true })).toContain("A type with more bits than Q4_0 costs less.");
	});

	it("takes the interval that the figures show", () => {
		const wide = { interval: { low: -0.01, high: 0.11 } };
		expect(removalVerdict({ ...outcome(0.05), ...wide }).reason).toBe(
			"Sensible: the change in loss (+0.050 ± 0.020 nats per token) is within the measuring error.",
		);
		expect(removalVerdict({ ...outcome(0.2, 0.15), interval: { low: -0.1, high: 0.5 } }).reason).toBe(
			"Costly: perplexity rises by 22 %, which is within the measuring error. Up to 10.5 % counts as small.",
		);
	});

	it("calls no fall small", () => {
		const { reason } = removalVerdict({ ...outcome(-0.05), worseTexts: "1 sample is newly empty" });
		expect(reason).toBe("Costly: perplexity falls by 4.9 %, but 1 sample is newly empty.");
	});
});

describe("texts", () => {
	it("rises show on which side of the bounds they are", () => {
		expect([0.05, 0.1, 0.10005, 0.105, 0.6929, 0.7].map(riseText)).toEqual(["5 %", "10.5 %", "11 %", "11 %", "99.95 %", "101 %"]);
		expect([0.004, 0.0006, 0.0004, -0.002, -0.0004].map(riseText)).toEqual([
			...["0.4 %", "0.1 %", "less than 0.1 %", "0.2 %", "less than 0.1 %"],
		]);
	});

	it("worseTexts counts by kind", () => {
		const one = (kind: string) => ({ kind, prompt: "", before: "", after: "", message: "m" });
		const textCheck = { conditions: "c", texts: 10, kinds: [], distinct: { before: 1, after: 1 } };
		expect(worseTexts({ collapse: [one("loop"), one("loop"), one("empty")], textCheck })).toBe(
			"2 of 10 samples newly get stuck in a loop, 1 is newly empty",
		);
		expect(worseTexts({ collapse: [one("script")] })).toBe("1 sample newly changes to another script");
		expect(worseTexts({ collapse: [], textCheck })).toBeUndefined();
	});
});

it("a suggestion is a verdict without a trade", () => {
	expect(suggestionVerdict({ removed: [4, 5], reason: "It costs little." })).toEqual({
		...{ headline: "Sensible: remove blocks 4-5.", reason: "It costs little." },
	});
	expect(suggestionVerdict({ removed: [], reason: "Every block is dear." }).headline).toBe("Sensible: remove nothing.");
});
