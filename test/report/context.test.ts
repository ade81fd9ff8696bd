import { describe, expect, it } from "vitest";
import { cardText } from "../../src/report/card.js";
import { contextNotes, contextRows, timesNotes } from "../../src/report/context.js";
import { reportHtml } from "../../src/report/html.js";
import { summaryText } from "../../src/report/summary.js";
import { madeUpReport } from "../helpers/report.js";

const report = madeUpReport();
const context = report.context!;

describe("the context in a report", () => {
	it("has a row of time, and one of the KV cache where the speed has none for this context", () => {
		expect(contextRows(report).map(({ title, change }) => [title, change])).toEqual([
			["ms per token at 8,192", "x 1.22 as fast, derived, extrapolated from 4,088 tokens"],
			["KV cache at 8,192", "-20.2 % (F16, flash attention)"],
		]);
		const same = { ...report, context: { ...context, context: report.speed!.context! } };
		expect(contextRows(same).map(({ title }) => title)).toEqual(["ms per token at 4,096"]);
		const { speed: _, ...without } = same;
		expect(contextRows(without)).toHaveLength(2);
		expect(contextRows({ ...report, context: undefined })).toEqual([]);
	});

	it("says where the time is not that of the quantized file, beside whose size and quality it stands", () => {
		const quantized = { ...report, quality: { ...report.quality!, quantized: { type: "Q4_0" } } };
		expect(contextRows(quantized).map(({ title }) => title)).toEqual(["ms per token at 8,192, before quantizing", "KV cache at 8,192"]);
		for (const text of [summaryText(quantized, {}, { width: 120 }), reportHtml(quantized), cardText(quantized)])
			expect(text).toContain("ms per token at 8,192, before quantizing");
	});

	it("says how its figures came about, and what the search saw", () => {
		const [times, kv, seen] = contextNotes(report);
		expect(times).toMatch(
			/derived from measured times of the original model.*, at 4,088 tokens\. What grows with the context is extrapolated from there in a straight line, by a factor of 2\.00\./,
		);
		expect(times).toContain("An attention part takes 0.600 ms there, a feed-forward part 0.400 ms.");
		expect(seen).toBe(
			"The search saw 5 windows of 512 tokens and scored their positions from 256 on. Figures of the held-out split are of all positions of windows of this length.",
		);
		expect(kv).toBe("The KV cache is counted in F16.");
		const near = { ...context, times: { ...context.times!, measuredAt: 8000 } };
		expect(contextNotes({ ...report, context: near })[0]).not.toContain("straight line");
		expect(contextRows({ context: near })[0]!.change).toBe("x 1.22 as fast, derived");
		const { times: _, milliseconds: __, seen: ___, ...bare } = context;
		expect(contextNotes({ ...report, context: { ...bare, kvCache: { before: 5, after: 5 } } })).toEqual([]);
	});

	it("says of attention parts what they save without flash attention, and how much of the context named ones were measured in", () => {
		const { times: _, milliseconds: __, seen: ___, ...bare } = context;
		const notes = (removed: readonly number[], tokens = 8192) =>
			contextNotes({ ...report, context: { ...bare, context: tokens }, removal: { ...report.removal!, removed: [...removed] } });
		expect(notes([4, 5, 11.5])).toEqual(["The KV cache is counted in F16."]);
		expect(notes([4, 5.25])).toEqual([
			expect.stringMatching(
				/^The KV cache is counted in F16\. Without flash attention, .* about half of what attention parts save is lost\.$/,
			),
			"Losses are of all positions of windows of 128 tokens. Attention matters more later in a text: --window-length sees more of the context.",
		]);
		expect(notes([4, 5.25], 128)).toHaveLength(1);
	});

	it("says which times of several types are extrapolated, and that they were not measured in turns", () => {
		const of = (name: string, measuredAt: number) => ({ name, context: 4096, measuredAt });
		const [far, apart] = timesNotes([of("F16", 512), of("Q8_0", 1024), of("Q4_0", 4080)]);
		expect(far).toBe("Times at 4,096 tokens of context are extrapolated in a straight line: F16 from 512, Q8_0 from 1,024 tokens.");
		expect(apart).toBe(
			"Times of Q8_0, Q4_0 were measured at another moment than those of the original weights (F16), not in turns with them. How exact a speed-up of one type over another is, is not known.",
		);
		expect(timesNotes([of("F16", 4080)])).toEqual([]);
		expect(timesNotes([])).toEqual([]);
	});

	it("is in the summary, on the page and in the model card", () => {
		for (const text of [summaryText(report, {}, { width: 120 }), reportHtml(report), cardText(report)]) {
			expect(text).toContain("ms per token at 8,192");
			expect(text).toContain("KV cache at 8,192");
		}
	});
});
