import { describe, expect, it } from "vitest";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { checkRacing } from "../../../src/pipeline/preflight/racing.js";

describe("--racing", () => {
	it("is taken with the loss on all positions of one text", () => {
		expect(() => checkRacing({ racing: true })).not.toThrow();
		expect(() => checkRacing({ racing: true, metric: "loss", scoreShare: 1, calibration: ["a.txt"] })).not.toThrow();
		expect(() => checkRacing({ racing: false, metric: "kl" })).not.toThrow();
		expect(() => checkRacing({ scoreShare: 0.5 })).not.toThrow();
	});

	it.each([
		[{ metric: "kl" }, "--metric kl. Leave out --racing or that"],
		[{ metric: "accuracy", questions: "q.jsonl" }, "--questions. Leave out --racing or that"],
		[{ scoreShare: 0.25 }, "--score-share. Leave out --racing or that"],
		[{ calibration: ["a.txt", "b.txt"] }, "several --calibration files. Leave out --racing or that"],
		[{ metric: "kl", scoreShare: 0.25 }, "--metric kl and --score-share. Leave out --racing or these"],
	] as const)("is refused with %j, where it would do nothing", (settings, end) => {
		expect(() => checkRacing({ racing: true, ...settings })).toThrow(
			`--racing needs the metric loss, scored at all positions of one text: it does nothing with ${end}`,
		);
	});

	it("is refused by each job that takes it, before the model is read", async () => {
		const options = { metric: "kl", search: { racing: true } } as const;
		const refused = /^--racing needs the metric loss/;
		await expect(pruneGguf("none.gguf", undefined, { ...options, removeBlocks: 1 })).rejects.toThrow(refused);
		await expect(findFrontier("none.gguf", { search: options.search, calibration: ["a.txt", "b.txt"], targetSize: 1 })).rejects.toThrow(
			refused,
		);
		await expect(rankBlocks("none.gguf", options)).rejects.toThrow(refused);
	});
});
