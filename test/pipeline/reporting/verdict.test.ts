import { describe, expect, it } from "vitest";
import { type JudgedRemoval, suggestionVerdict, removalVerdict } from "../../../src/pipeline/reporting/verdict.js";

const outcome = (added: number | null, standardError: number | null = 0.02): JudgedRemoval => ({
	...{ removed: [3, 6, 7], blocks: 12, written: true, parameters: [2_500_000, 1_900_000], added, standardError },
	loss: [3, added === null ? null : 3 + added],
});

describe("the verdict on a set", () => {
	it("says what was removed and what it costs", () => {
		expect(removalVerdict(outcome(0.316)).headline).toBe(
			"Removed 3 of 12 blocks (3, 6-7): 24.0 % fewer parameters, perplexity 20.09 -> 27.55 (x 1.37 ± 0.03).",
		);
		expect(removalVerdict({ ...outcome(0.316, null), written: false }).headline).toBe(
			"Removing 3 of 12 blocks (3, 6-7): 24.0 % fewer parameters, perplexity 20.09 -> 27.55 (x 1.37).",
		);
	});

	it("says what it was quantized to, and advises accordingly", () => {
		const { headline, reason } = removalVerdict({ ...outcome(0.316), quantized: "Q4_K_M" });
		expect(headline).toMatch(/^Removed 3 of 12 blocks \(3, 6-7\) and quantized to Q4_K_M: 24\.0 % fewer parameters/);
		expect(reason).toMatch(/Remove fewer blocks, or take a type with more bits\.$/);
	});

	// 0.1 nats is the bound of a suggestion, ln 2 doubles the perplexity.
	it.each([
		[-0.05, "sensible", "within the error of measuring"],
		[0.039, "sensible", "within the error of measuring"],
		[0.05, "sensible", "perplexity rises by 5 %"],
		[0.1, "sensible", "up to about 11 % (0.1 nats per token) counts as small"],
		[0.101, "costly", "perplexity rises by 11 %, where"],
		[0.69, "costly", "smaller quantization"],
		[0.7, "damaging", "Not a sensible trade: perplexity rises by 101 %"],
		[12, "damaging", "Not a sensible trade"],
	] as const)("%d nats added are %s", (added, trade, words) => {
		const verdict = removalVerdict(outcome(added));
		expect(verdict.trade).toBe(trade);
		expect(verdict.reason).toContain(words);
	});

	it("knows a broken model", () => {
		const verdict = removalVerdict(outcome(null, null));
		expect(verdict.trade).toBe("broken");
		expect(verdict.headline).toContain("perplexity 20.09 -> broken.");
	});
});

it("a suggestion is a verdict without a trade", () => {
	expect(suggestionVerdict({ removed: [4, 5], reason: "the most of 12 blocks that fit" })).toEqual({
		...{ headline: "Sensible: remove blocks 4-5.", reason: "The most of 12 blocks that fit." },
	});
	expect(suggestionVerdict({ removed: [], reason: "Every block is dear." }).headline).toBe("Sensible: remove nothing.");
});
