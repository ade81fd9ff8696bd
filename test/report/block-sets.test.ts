import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../src/errors.js";
import { blocksAsText } from "../../src/notation.js";
import { reportCard, reportPage } from "../../src/pipeline/reporting/files.js";
import { halvesNote } from "../../src/report/halves.js";
import { reportHtml } from "../../src/report/html.js";
import type { Report } from "../../src/report/report-data.js";
import { summaryText } from "../../src/report/summary.js";
import { madeUpReport } from "../helpers/report.js";

const textOf = (element: { textContent: string | null } | null) => (element?.textContent ?? "").replace(/\s+/g, " ").trim();
const stored: Report = JSON.parse(
	readFileSync(fileURLToPath(new URL("../fixtures/number-lists/smaller.gguf.report.json", import.meta.url)), "utf8"),
);
const note =
	"14f-17a is a half-block cut: from the feed-forward part of block 14 to the attention part of block 17. What is left of these two blocks is one block.";

/** The made-up report, as if 4-5, 14f-17a and 20f-21a were removed. */
function withHalves(): Report {
	const report = madeUpReport();
	const removed = [4, 5, 14.5, 15.5, 16.5, 20.5];
	const states: Readonly<Record<number, Report["blocks"]["list"][number]["state"]>> = {
		...{ 4: "removed", 5: "removed", 14: "attention", 15: "removed", 16: "removed", 17: "feed-forward" },
		...{ 20: "attention", 21: "feed-forward" },
	};
	const list = report.blocks.list.map((block) => ({
		...block,
		state: states[block.block] ?? (block.state === "removed" ? "kept" : block.state),
	}));
	return { ...report, removal: { ...report.removal!, removed }, blocks: { ...report.blocks, list } };
}

describe("the files of a report", () => {
	it("are made from stored reports, with lists of numbers or with text", async () => {
		const text = JSON.parse(JSON.stringify(stored, blocksAsText)) as Report;
		expect(text.removal!.removed).toBe("1, 4-5, 8");
		expect(text.curve!.series[0]!.points[0]!.removed).toBe("none");
		expect(await reportPage(text)).toBe(await reportPage(stored));
		expect(reportCard(text)).toBe(reportCard(stored));
		expect(reportCard(stored)).toContain("without blocks 1, 4-5, 8");
	});

	it("are refused for what is no report, with the place", async () => {
		const wrong = { ...stored, removal: { ...stored.removal!, removed: "1, 4f-5f" } } as unknown as Report;
		await expect(reportPage(wrong)).rejects.toThrow(InvalidOptionError);
		await expect(reportPage(wrong)).rejects.toThrow(/^this is no report of prune-gguf: removal\.removed: 4f-5f names an odd number/);
		expect(() => reportCard({ version: 2 } as Report)).toThrow(InvalidOptionError);
	});
});

describe("a half-block cut", () => {
	it("is explained by its first example, and not where there is none", () => {
		expect(halvesNote([4, 5, 14.5, 15.5, 16.5, 20.5], "llama")).toBe(note);
		expect(halvesNote([4, 5], "llama")).toBeUndefined();
		expect(halvesNote([], "llama")).toBeUndefined();
	});

	it("is no attention part, of which the note says which adapters do not load", () => {
		expect(halvesNote([4.25, 5.25], "llama")).toContain(
			"LoRA adapters made for the architecture llama do not load with the file, which is of llama.cpp's architecture deci.",
		);
		// A file of deci stays one.
		expect(halvesNote([4.25], "deci")).toMatch(/LoRA adapters that change a removed attention part do not load with the file\./);
		expect(halvesNote([4.25], "deci")).not.toContain("llama");
		const report = madeUpReport();
		const card = reportCard({ ...report, removal: { ...report.removal!, removed: [4.25, 5.25] } });
		expect(card).toContain("without 4-5a. 4-5a is the attention part of blocks 4 to 5 alone");
	});

	it("is shown on the page as two halves, named for those who do not see them", () => {
		const { document } = parseHTML(reportHtml(withHalves()));
		const items = [...document.querySelectorAll(".strip li")];
		expect(items.map(textOf).slice(14, 18)).toEqual([
			"14◧ attention part kept, feed-forward part removed",
			"15✕ removed",
			"16✕ removed",
			"17◨ feed-forward part kept, attention part removed",
		]);
		expect(items.slice(14, 18).map((item) => item.getAttribute("class"))).toEqual(["attention", "removed", "removed", "feed-forward"]);
		const legend = [...document.querySelectorAll(".strip + .legend li")].map(textOf);
		expect(legend).toContain("◧ attention part kept, feed-forward part removed");
		expect(legend).toContain("◨ feed-forward part kept, attention part removed");
		expect(textOf(document.querySelector("#blocks ~ p"))).toBe(
			`Removed: 4-5, 14f-17a, 20f-21a. Blocks are numbered from 0 to 29, as in the original file. ${note}`,
		);
	});

	it("is shown alone beside the importance of blocks, if it was measured", () => {
		const { blocks, ...report } = withHalves();
		const shiftedPairs = [
			{ removed: [3.5], added: 0.04 },
			{ removed: [4.5], added: 0.03 },
			{ removed: [14.5], added: 0.05, interval: { low: 0.03, high: 0.07 } },
			{ removed: [17.5], added: 0.02 },
			{ removed: [20.5], added: 9.5 },
		];
		const page = (pairs?: typeof shiftedPairs) => {
			const { document } = parseHTML(reportHtml({ ...report, blocks: pairs ? { ...blocks, shiftedPairs: pairs } : blocks }));
			return [...document.querySelectorAll("figure")].filter((one) => textOf(one).includes("Half-block cuts alone"));
		};
		expect(page()).toEqual([]);
		const [shown, ...others] = page(shiftedPairs);
		expect(others).toEqual([]);
		const rows = [...shown!.querySelectorAll("tbody tr")].map((row) => [...row.children].map(textOf));
		expect(rows).toEqual([
			["3f-4a", "a part is kept", "+0.0400", ""],
			["4f-5a", "both parts removed", "+0.0300", ""],
			["14f-15a", "both parts removed", "+0.0500", "+0.0300 to +0.0700"],
			["17f-18a", "a part is kept", "+0.0200", ""],
			["20f-21a", "both parts removed", "+9.5000", ""],
		]);
		expect(textOf(shown!.querySelector("desc"))).toContain("Cheapest: 17f-18a (+0.020), 4f-5a (+0.030), 3f-4a (+0.040), 14f-15a (+0.050).");
		const bars = [...shown!.querySelectorAll("svg.wide rect")].map((bar) => [bar.getAttribute("fill"), Number(bar.getAttribute("height"))]);
		expect(bars.map(([fill]) => fill)).toEqual(["kept", "removed", "removed", "kept", "removed"].map((name) => `var(--${name})`));
		// The dearest one is cut, so that the others stay distinct.
		expect(bars[4]![1]).toBeGreaterThan(2 * (bars[2]![1] as number));
		expect(bars[2]![1]).toBeGreaterThan(10);
	});

	it("is explained once in the summary and in the card", () => {
		const report = withHalves();
		const summary = summaryText(report).replaceAll("\n", " ");
		expect(summary.split(note)).toHaveLength(2);
		const card = reportCard(report).replaceAll("\\", "");
		expect(card).toContain(`without blocks 4-5, 14f-17a, 20f-21a. ${note} Nothing was trained`);
		expect(card.split("half-block cut")).toHaveLength(2);
	});
});
