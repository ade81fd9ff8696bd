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
		const [times, kv, seen] = contextNotes(context);
		expect(times).toMatch(
			/derived from measured times of the original model.*, at 4,088 tokens\. What grows with the context is extrapolated from there in a straight line, by a factor of 2\.00\./,
		);
		expect(times).toContain("An attention part takes 0.600 ms there, a feed-forward part 0.400 ms.");
		expect(seen).toBe(
			"The search saw 5 windows of 512 tokens and scored their positions from 256 on. Figures of the held-out split are of all positions of windows of this length.",
		);
		expect(kv).toMatch(/counted in F16. Without flash attention, llama.cpp keeps the values/);
		const near = { ...context, times: { ...context.times!, measuredAt: 8000 } };
		expect(contextNotes(near)[0]).not.toContain("straight line");
		expect(contextRows({ context: near })[0]!.change).toBe("x 1.22 as fast, derived");
		const { times: _, milliseconds: __, seen: ___, ...bare } = context;
		expect(contextNotes({ ...bare, kvCache: { before: 5, after: 5 } })).toEqual([]);
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
