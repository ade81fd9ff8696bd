import { expect, it } from "vitest";
import type { ContinuationPair } from "../../../src/model/evaluation/collapse.js";
import { textSections } from "../../../src/pipeline/reporting/speed-and-texts.js";

const written = { text: "a calm text", tokens: [1, 2, 3, 4, 5] };
const pairs = Array.from(
	{ length: 4 },
	(): ContinuationPair => ({
		...{ prompt: "Once upon a time", mode: "greedy", before: written },
		after: { text: "", tokens: [] },
	}),
);

it("a warning of worse texts says that the report shows them only where one is written", () => {
	expect(textSections(pairs, true).warning).toBe(
		"4 of 4 samples are newly empty; the report shows them beside those of the original model",
	);
	expect(textSections(pairs, false).warning).toBe("4 of 4 samples are newly empty; a report shows the texts: --report FILE");
	expect(
		textSections(
			pairs.map((pair) => ({ ...pair, after: written })),
			false,
		).warning,
	).toBeUndefined();
});
