import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { reportHtml } from "../../src/report/html.js";
import { withoutGaps } from "../../src/report/html-extras.js";
import { escapeHtml, html, visible } from "../../src/report/tags.js";
import { hostile, madeUpReport } from "../helpers/report.js";

const documentOf = (page: string) => parseHTML(page).document;
const textOf = (element: { textContent: string | null } | null) => (element?.textContent ?? "").replace(/\s+/g, " ").trim();

it("counts empty lines of a text where they would fill the page", () => {
	expect(withoutGaps("a\n\n\nb")).toBe("a\n\n\nb");
	expect(withoutGaps("a\n\n \n\t\n\nb\n\nc")).toBe("a\n[4 empty lines]\nb\n\nc");
	expect(withoutGaps("\n".repeat(30))).toBe("\n[29 empty lines]\n");
});

describe("the template", () => {
	it("escapes what is put in, once", () => {
		const inner = html`<b title="${`"'`}">${"<i>&amp;"}</b>`;
		expect(html`${inner}${[1, inner]}${undefined}${false}${""}`.text).toBe(
			'<b title="&quot;&#39;">&lt;i&gt;&amp;amp;</b>1<b title="&quot;&#39;">&lt;i&gt;&amp;amp;</b>',
		);
	});

	it("shows characters that are not seen but act", () => {
		expect(escapeHtml("a\u202Eb\u0000c\uD800d\ne")).toBe("a\\u202eb\\u0000c\uFFFDd\ne");
		expect(visible("\u{1F40B} שלום")).toBe("\u{1F40B} שלום");
	});
});

describe("the page", () => {
	const report = madeUpReport();
	const page = reportHtml(report);
	const document = documentOf(page);

	it("says the verdict before anything else", () => {
		const paragraphs = [...document.querySelectorAll("body p")].slice(0, 2).map(textOf);
		expect(paragraphs[0]).toBe(report.verdict.headline.replace("->", "→").replace("(x ", "(× "));
		expect(paragraphs[1]).toContain("✕ Not a sensible trade");
	});

	it("has every section, and none that the report lacks", () => {
		const ids = (text: string) => [...documentOf(text).querySelectorAll("h2")].map((heading) => heading.id);
		expect(ids(page)).toEqual([
			...["before-after", "gate", "warnings", "blocks", "curve", "alternatives", "speed", "samples", "collapse"],
			...["pairs", "surrogate", "reproduce", "timings"],
		]);
		const { gate, alternatives, speed, samples, collapse, interactions, surrogate, quality, removal, output, curve, ...least } = report;
		const bare = { ...least, warnings: [], disagreements: [], verdict: { headline: "Sensible: remove nothing.", reason: "Dear." } };
		expect(ids(reportHtml(bare))).toEqual(["blocks", "reproduce", "timings"]);
	});

	it("needs no network and no script", () => {
		expect(document.querySelectorAll("script, link, img, iframe, object, embed").length).toBe(0);
		expect(page).not.toMatch(/\b(?:src|srcset|action|formaction|xlink:href)\s*=|@import|url\(|\son[a-z]+=/i);
		const links = [...document.querySelectorAll("a")].map((link) => link.getAttribute("href")!);
		expect(links.length).toBeGreaterThan(5);
		for (const link of links) expect(document.querySelector(link), link).not.toBeNull();
		expect(page).toContain("default-src 'none'");
	});

	it("names every chart, describes it, and gives its figures as a table", () => {
		const figures = [...document.querySelectorAll("figure")];
		expect(figures.length).toBe(5);
		const ids: string[] = [];
		for (const figure of figures) {
			const charts = [...figure.querySelectorAll("svg")];
			expect(charts.length).toBe(2);
			for (const svg of charts) {
				expect(svg.getAttribute("role")).toBe("img");
				const labels = svg.getAttribute("aria-labelledby")!.split(" ");
				ids.push(...labels);
				expect(labels.every((id: string) => textOf(svg.querySelector(`#${id}`)).length > 10)).toBe(true);
				expect(svg.querySelectorAll("[aria-label], [aria-hidden], style").length).toBe(0);
				expect(svg.outerHTML).not.toMatch(/NaN|undefined|Infinity/);
			}
			expect(figure.querySelectorAll("tbody tr").length).toBeGreaterThan(2);
		}
		expect(new Set(ids).size).toBe(ids.length);
	});

	it("gives every table a caption and its cells headings", () => {
		const tables = [...document.querySelectorAll("table")];
		expect(tables.length).toBeGreaterThan(10);
		for (const table of tables) {
			expect(textOf(table.querySelector("caption"))).not.toBe("");
			const columns = table.querySelectorAll("thead th[scope=col]").length;
			expect(columns).toBeGreaterThan(1);
			for (const row of table.querySelectorAll("tbody tr")) {
				expect(row.querySelectorAll("th[scope=row]").length).toBe(1);
				expect(row.querySelectorAll("th, td").length).toBe(columns);
			}
		}
	});

	it("marks what became of each block by more than a color", () => {
		const items = [...document.querySelectorAll(".strip li")];
		expect(items.length).toBe(30);
		expect(items.map(textOf).slice(3, 6)).toEqual(["3 kept", "4✕ removed", "5✕ removed"]);
		expect(textOf(items[0]!)).toBe("0! kept: critical");
		expect(textOf(items[29]!)).toContain("never a candidate");
	});

	it("says of figures with error what interval they have", () => {
		const rows = [...document.querySelectorAll("#before-after ~ .scroll tbody tr")].map(textOf);
		expect(rows[0]).toBe("loss (nats per token)3.1503.955+0.805 ± 0.050+0.700 to +0.910");
		expect(rows[1]).toBe("perplexity23.3452.20× 2.24 ± 0.11× 2.01 to × 2.48");
		expect(rows.find((row) => row.startsWith("file size"))).toBe("file size98.4 MB85.1 MB-13.5 %");
	});

	it("shows hostile names as text", () => {
		const bad = documentOf(reportHtml(madeUpReport(hostile)));
		const good = documentOf(reportHtml(madeUpReport("harmless")));
		const shape = (root: typeof bad) => [...root.querySelectorAll("*")].map((element) => element.tagName).join(" ");
		expect(shape(bad)).toBe(shape(good));
		const attributes = [...bad.querySelectorAll("*")].flatMap((element) => [...element.attributes].map(({ name }) => name));
		expect(attributes.filter((name) => name.startsWith("on") || name === "src")).toEqual([]);
		const shown = bad.body.textContent!;
		expect(shown.split("alert(1)").length).toBeGreaterThan(20);
		expect(shown).not.toContain("\u202E");
		expect(shown).toContain("\\u202egnp.exe");
	});

	it("draws models of one block and of a hundred", () => {
		for (const blocks of [1, 100]) {
			const list = Array.from({ length: blocks }, (_, block) => ({ block, state: "kept" as const, contribution: block % 7 }));
			const text = reportHtml({ ...report, model: { ...report.model, blocks }, blocks: { list, unit: "nats", estimator: "x" } });
			expect(documentOf(text).querySelectorAll(".strip li").length).toBe(blocks);
			expect(text).not.toMatch(/NaN|undefined/);
		}
	});

	it("shows what broke down", () => {
		const series = [{ method: "m", split: "validation" as const, points: [{ removed: [1], loss: null, added: null }] }];
		const figures = [{ name: "loss", unit: "nats per token" as const, before: 2, after: null, change: null, isRatio: false }];
		const text = reportHtml({ ...report, curve: { metric: "loss", series }, quality: { ...report.quality!, figures } });
		expect(textOf(documentOf(text).querySelector("#before-after ~ .scroll tbody tr"))).toBe("loss (nats per token)2.000brokenbroken");
		expect(text).not.toMatch(/NaN|undefined/);
	});
});
