import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ARCHITECTURES } from "../../src/model/architectures/index.js";
import type { Rule } from "../../src/model/architectures/types.js";
import { halvesOf } from "./half-cuts.js";
import { conformanceMarkdown, isShown, ofArchitecture, stateOf } from "./markdown.js";
import { faultsOf, isRecording, readResults } from "./record.js";

// What docs/research/conformance.json records of the last full run.

const results = readResults();

const RESUMING = [...ARCHITECTURES.values()].filter(
	({ refused, resume = "yes" }) => !refused && (resume === "yes" || resume.when !== undefined),
);

it("a run of half-block cuts alone is not recorded", () => {
	expect(isRecording({ CONFORMANCE_RECORD: "1" })).toBe(true);
	expect(isRecording({ CONFORMANCE_HALVES: "1" })).toBe(false);
	expect(() => isRecording({ CONFORMANCE_RECORD: "1", CONFORMANCE_HALVES: "1" })).toThrow("leave one of them out");
});

describe("the recorded conformance run", () => {
	it("has no set that is written and not exact", () => {
		expect(Object.entries(results).flatMap(([name, examined]) => faultsOf(examined).map((fault) => `${name} ${fault}`))).toEqual([]);
	});

	it("compared logits, not losses", () => {
		expect(Object.values(results).filter(({ support, logits }) => support === "exact" && !logits)).toEqual([]);
	});

	it.each([...ARCHITECTURES.values()])("$name: the table claims as much proof as was recorded", (entry) => {
		const proven = stateOf(entry, ofArchitecture(results, entry.name)).startsWith("proven exact");
		expect(entry.proof).toBe(proven ? "bits" : "source");
	});

	it.each([...ARCHITECTURES.values()].filter((entry) => !entry.refused && entry.rules))(
		"$name: rules that no set shows are marked so",
		(entry) => {
			const models = ofArchitecture(results, entry.name);
			const marked = (rule: Rule) => [rule.why, rule.proof ?? "bits"];
			expect(entry.rules!.map(marked)).toEqual(entry.rules!.map((rule) => [rule.why, isShown(rule, models) ? "bits" : "source"]));
		},
	);

	const halvesRecorded = halvesOf(Object.values(results)).length > 0;

	it.runIf(halvesRecorded).each([...ARCHITECTURES.values()].filter(({ refused }) => !refused))(
		"$name: half-block cuts are exact, or refused in each model",
		(entry) => {
			const models = ofArchitecture(results, entry.name);
			const exact = halvesOf(models).some(({ verdict, idle }) => verdict === "exact" && !idle);
			expect(exact).toBe(models.length > 0 && entry.parts?.whole === undefined);
			if (entry.parts?.whole === undefined) return;
			const refused = halvesOf(models).filter(({ verdict }) => verdict === "refused");
			expect(refused.length).toBe(halvesOf(models).length);
		},
	);

	it.each(RESUMING)("$name: hidden states were resumed from", ({ name }) => {
		const resumed = ofArchitecture(results, name).some((model) => model.resumed);
		expect(resumed, `make a model of ${name} that resumes (test/conformance/) and record it, or say why none can in the table`).toBe(true);
	});

	it("is what docs/research/conformance.md shows", () => {
		const page = readFileSync(fileURLToPath(new URL("../../docs/research/conformance.md", import.meta.url)), "utf8");
		expect(page).toBe(conformanceMarkdown(results));
	});
});
