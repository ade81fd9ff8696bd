import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { shellWord } from "../../src/report/commands.js";
import type { Report } from "../../src/report/report-data.js";
import { reportHtml } from "../../src/report/html.js";
import { withoutGaps } from "../../src/report/html-texts.js";
import { overviewRows } from "../../src/report/overview.js";
import { summaryText } from "../../src/report/summary.js";
import { printable } from "../../src/cli/printable.js";
import { shownText } from "../../src/storage/shown-text.js";
import { escapeHtml, html, visible } from "../../src/report/tags.js";
import { hostile, madeUpReport, timedReport, withAttention } from "../helpers/report.js";

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
		expect(visible("\u061C\u200E\u200F\u0085\u2028\u2029\t\r\n")).toBe("\\u061c\\u200e\\u200f\\u0085\\u2028\\u2029\t\r\n");
		expect(escapeHtml("a\u202Eb\u0000c\uD800d\ne")).toBe("a\\u202eb\\u0000c\uFFFDd\ne");
		// As a terminal and a message show them, but for spaces and ends of lines that a page has anyway.
		const code = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
		for (const character of "\u0000\u0007\u001B\u007F\u0080\u0085\u009B\u061C\u200E\u200F\u2028\u2029\u202A\u202E\u2066\u2069")
			for (const show of [visible, escapeHtml, printable, shownText]) expect(show(`a${character}b`)).toBe(`a${code(character)}b`);
		expect(visible("a\tb\r\nc")).toBe("a\tb\r\nc");
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
		expect(paragraphs[1]).toContain(`✕ ${report.verdict.reason}`);
	});

	it("has every section in the order of its readers, and none that would say nothing", () => {
		const ids = (text: string, within: string) =>
			[...documentOf(text).querySelectorAll(`${within} > section`)].map((section) => section.getAttribute("aria-labelledby"));
		expect(ids(page, ".first")).toEqual(["before-after", "blocks", "sample", "commands"]);
		expect(ids(page, "main")).toEqual(["curve", "samples", "warnings", "limits", "context", "alternatives"]);
		expect(ids(page, "#details")).toEqual(["importance", "redundant", "surrogate", "splits", "speed", "notes", "reproduction", "times"]);
		const { limits, alternatives, speed, samples, collapse, notes, interactions, surrogate, quality, removal, output, curve, ...rest } =
			report;
		const { textCheck, context, ...least } = rest;
		const list = Array.from({ length: 30 }, (_, block) => ({ block, state: "kept" as const }));
		const verdict = { headline: "Remove nothing.", reason: "Each block costs too much." };
		const bare = reportHtml({
			...least,
			warnings: [],
			disagreements: [],
			collapse: [],
			limits: [],
			samples: [],
			verdict,
			blocks: { list },
		});
		expect(ids(bare, ".first")).toEqual(["blocks", "commands"]);
		expect(ids(bare, "main")).toEqual([]);
		expect(ids(bare, "#details")).toEqual(["reproduction", "times"]);
		expect(textOf(documentOf(bare).body)).not.toMatch(/\bnone\b|llama-cli/i);
	});

	it("shows the figures of the summary in its order", () => {
		const titles = [...document.querySelectorAll(".first tbody th")].map(textOf);
		expect(titles).toEqual(overviewRows(report).map(({ title }) => title));
		expect(titles.slice(-6)).toEqual(["parameters", "file size", "generation (tokens/s)", "prompt (tokens/s)", "memory", "KV cache"]);
		const summary = summaryText(report).split("\n");
		const places = titles.map((title) => summary.findIndex((line) => line.startsWith(title!)));
		expect(places).toEqual([...places].sort((a, b) => a - b));
		expect(places[0]).toBeGreaterThan(0);
		const notes = [...document.querySelectorAll(".first .note")].map(textOf).join(" ");
		expect(notes).toContain("1,905 tokens");
		expect(notes).toContain("Do not compare it with published figures");
	});

	it("says that a speed cannot be measured if its interval holds 1", () => {
		const figures = report.speed!.figures.map((one) =>
			one.name === "prompt" ? { ...one, ratio: 1.02, interval: { low: 0.97, high: 1.07 } } : one,
		);
		const rows = [...documentOf(reportHtml({ ...report, speed: { ...report.speed!, figures } })).querySelectorAll(".first tbody tr")];
		expect(rows.map(textOf).filter((row) => row!.includes("not measurable here"))).toEqual([
			"prompt (tokens/s)210262not measurable here 0.97 to 1.07",
		]);
	});

	it("has the commands to run the file and to repeat the job", () => {
		const commands = (other: Partial<typeof report>) =>
			[...documentOf(reportHtml({ ...report, ...other })).querySelectorAll(".first pre")].map((one) => one.textContent);
		expect(commands({})).toEqual(["llama-cli -m made-up-135M.Q4_1.gguf.out", report.reproduce.command]);
		expect(commands({ output: { ...report.output!, name: "-it's.gguf" } })[0]).toBe("llama-cli -m './-it'\\''s.gguf'");
		expect(commands({ output: undefined as never })).toEqual([report.reproduce.command]);
		// What was typed stands there; the settings that were chosen are a detail.
		const reproduce = { ...report.reproduce, asked: "prune-gguf m.gguf o.gguf -n 6" };
		expect(commands({ reproduce, output: undefined as never })).toEqual([reproduce.asked]);
		const whole = documentOf(reportHtml({ ...report, reproduce })).querySelector("[aria-labelledby=reproduction] pre");
		expect(whole!.textContent).toBe(reproduce.command);
	});

	it("says what was searched for, and why", () => {
		const rowOf = (granularity: typeof report.reproduce.granularity) => {
			const reproduce = { ...report.reproduce, granularity };
			const rows = [...documentOf(reportHtml({ ...report, reproduce })).querySelectorAll("[aria-labelledby=reproduction] tr")];
			return rows.map(textOf).find((row) => row!.startsWith("searched for"));
		};
		expect(rowOf({ used: "half-block", reason: "as given" })).toBe("searched forwhole blocks and half-block cuts (as given)");
		expect(rowOf({ used: "block", reason: "paper takes whole blocks only" })).toBe(
			"searched forwhole blocks (paper takes whole blocks only)",
		);
		expect(rowOf(undefined)).toBeUndefined();
	});

	it("says of which kinds self-generated text is", () => {
		const rowOf = (kinds: (typeof report.reproduce.calibration)[number]["kinds"]) => {
			const own = { ...report.reproduce.calibration[0]!, source: "self-generated text", kinds };
			const reproduce = { ...report.reproduce, calibration: [own] };
			const rows = [...documentOf(reportHtml({ ...report, reproduce })).querySelectorAll("[aria-labelledby=reproduction] tr")];
			return rows.map(textOf).find((row) => row!.startsWith("searchself"));
		};
		const kinds = [
			{ kind: "document", windows: 6 },
			{ kind: "chat", windows: 4 },
		];
		expect(rowOf(kinds)).toMatch(/^searchself-generated text \(6 × document, 4 × chat\)10 × 128/);
		expect(rowOf(undefined)).toMatch(/^searchself-generated text10 × 128/);
	});

	it("quotes what a shell would read otherwise, as the system's shells know it", () => {
		const words = ["a/b-1.gguf", "my model.gguf", "C:\\models\\a.gguf", "C:\\my models\\a.gguf", "it's.gguf"];
		expect(words.map((word) => shellWord(word, "linux"))).toEqual([
			"a/b-1.gguf",
			"'my model.gguf'",
			"'C:\\models\\a.gguf'",
			"'C:\\my models\\a.gguf'",
			"'it'\\''s.gguf'",
		]);
		expect(words.map((word) => shellWord(word, "win32"))).toEqual([
			"a/b-1.gguf",
			'"my model.gguf"',
			"C:\\models\\a.gguf",
			'"C:\\my models\\a.gguf"',
			'"it\'s.gguf"',
		]);
	});

	it("draws no chart of a single candidate, and names both axes of every other one", () => {
		const [series] = report.curve!.series;
		const points = [
			{ removed: [], loss: 3, added: 0 },
			{ removed: [4], loss: 3.2, added: 0.2 },
		];
		const drawn = (more: typeof points) =>
			documentOf(reportHtml({ ...report, curve: { ...report.curve!, series: [{ ...series!, points: more }] } })).querySelector("#curve");
		expect(drawn(points)).toBeNull();
		expect(drawn([...points, { removed: [4, 5], loss: 3.5, added: 0.5 }])).not.toBeNull();
		for (const id of ["curve", "alternatives"]) {
			const texts = [...document.querySelectorAll(`[aria-labelledby=${id}] svg.wide text`)].map(textOf);
			expect(texts, id).toEqual(expect.arrayContaining([expect.stringMatching(/\(nats\)$/)]));
		}
	});

	it("explains the figures that compare token by token, where there are some", () => {
		const notes = (text: string) => [...documentOf(text).querySelectorAll(".first .note")].map(textOf).join(" ");
		expect(notes(page)).toContain("KL divergence says how far");
		const figures = report.quality!.figures.filter(({ name }) => name !== "kl" && name !== "agreement");
		expect(notes(reportHtml({ ...report, quality: { ...report.quality!, figures } }))).not.toContain("KL divergence");
	});

	it("folds the details away, and each link leads to an element inside them", () => {
		const details = document.querySelector("details.details")!;
		expect(details.hasAttribute("open")).toBe(false);
		const links = [...document.querySelectorAll("nav ul ul a, nav a[href='#details']")].map((link) => link.getAttribute("href")!);
		expect(links.length).toBe(9);
		for (const link of links) expect(details.querySelector(link)?.closest("summary") ?? "inside", link).toBe("inside");
		for (const link of links) expect(details.querySelector(link), link).not.toBeNull();
	});

	it("shows each sample once, the first one on the first screen", () => {
		const text = (selector: string) => [...document.querySelectorAll(selector)].map(textOf);
		expect(text(".first .prompt .text")).toEqual(["Once upon a time"]);
		expect(text("main > section .prompt .text")).toEqual([report.samples![1]!.prompt, report.collapse![0]!.prompt]);
		const sample = report.samples![0]!;
		const collapse = [{ kind: "loop", prompt: sample.prompt, before: sample.before, after: sample.after, message: "it repeats a" }];
		const { document: found } = parseHTML(reportHtml({ ...report, collapse }));
		expect([...found.querySelectorAll(".prompt")].length).toBe(2);
		expect(textOf(found.querySelector("[aria-labelledby=samples]"))).toContain(
			"Sample 1, greedyThis is the sample above.✕ loop it repeats a",
		);
	});

	it("leaves out marks that no sample bears", () => {
		const rows = [...document.querySelectorAll("[aria-labelledby=samples] tbody tr")].map(textOf);
		expect(rows).toEqual(["end in a loop0 of 22 of 2✕ worse"]);
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

	it("speaks of attention parts where these were measured, and frames those that are both removed", () => {
		const list = report.blocks.list.map((one) => (one.block === 4 || one.block === 5 ? { ...one, state: "feed-forward" as const } : one));
		const granularity = { used: "attention" as const, reason: "as given" };
		const interactions = [...report.interactions!, { blocks: [4, 5] as [number, number], value: 9 }];
		const attention = documentOf(
			reportHtml({
				...{ ...report, interactions, removal: { ...report.removal!, removed: [4.25, 5.25] } },
				...{ blocks: { ...report.blocks, unit: "nats", list }, reproduce: { ...report.reproduce, granularity } },
			}),
		);
		const said = (id: string) => textOf(attention.querySelector(`section[aria-labelledby=${id}]`));
		expect(said("importance")).toContain("Unit: nats per token that removing the attention part alone adds");
		expect(said("importance")).toMatch(/^Importance of attention parts.*Importance of each attention part/);
		expect(said("redundant")).toMatch(/^Redundant attention parts.*Framed pairs are both removed\./);
		expect(said("redundant")).toMatch(/4a and 5a\+9\.0000both removed/);
		expect(textOf(attention.querySelector("section[aria-labelledby=blocks]"))).toContain(
			"removing its attention part alone costs too much",
		);
		expect(page).toContain("Redundant blocks");
		expect(page).not.toContain("Redundant attention parts");
	});

	it("shows time and KV cache of every candidate where a context is known", () => {
		const cost = { milliseconds: 20.5, kvCache: 88e6 };
		const series = report.curve!.series.map((one) => ({ ...one, points: one.points.map((point) => ({ ...point, ...cost })) }));
		const curve = documentOf(reportHtml({ ...report, curve: { ...report.curve!, context: 8192, series } }));
		const headings = [...curve.querySelectorAll("section[aria-labelledby=curve] thead th")].map(textOf);
		expect(headings.slice(-4)).toEqual(["ms per token at 8,192", "KV cache at 8,192", "file size", "choice"]);
		expect(textOf(curve.querySelector("section[aria-labelledby=curve] tbody tr"))).toContain("20.588.0 MB");
		expect(textOf(document.querySelector("section[aria-labelledby=curve] thead"))).not.toContain("KV cache");
	});

	it("draws quality against time where that is known, first where sets hold blocks and attention parts", () => {
		const chartsOf = (one: Report) =>
			[...documentOf(reportHtml(one)).querySelectorAll("section[aria-labelledby=curve] svg.wide")].map((svg) => ({
				title: textOf(svg.querySelector("title")),
				points: svg.querySelectorAll("g[fill^='var(--series'] path").length,
				said: textOf(svg.querySelector("desc")),
			}));
		const [amount, ...none] = chartsOf(report);
		expect([amount!.title, none]).toEqual(["Quality against blocks removed", []]);
		const time = "Quality against time per token at 8,192";
		const [first, second] = chartsOf(timedReport());
		expect([first, second!.title]).toEqual([amount, time]);
		expect(second!.points).toBe(amount!.points);
		expect(second!.said).toMatch(
			/^Lines and points of loss .*, against derived milliseconds per token at 8,192, 2\d\.\d to 30\.0\. Chosen: /,
		);
		const mixed = chartsOf(timedReport(withAttention));
		expect(mixed.map(({ title }) => title)).toEqual([time, "Quality against parts removed"]);
		expect(mixed[0]!.said).toMatch(/^Points of loss/);
	});

	it("gives every table a caption and its cells headings", () => {
		const tables = [...document.querySelectorAll("table")];
		expect(tables.length).toBeGreaterThan(12);
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
		expect(textOf(items[29]!)).toContain("kept: frozen");
	});

	it("says of figures with error what interval they have", () => {
		const rows = [...document.querySelectorAll("#before-after ~ .scroll tbody tr")].map(textOf);
		expect(rows[0]).toBe("perplexity23.3452.20× 2.24 ± 0.11 × 2.01 to × 2.48");
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
			const list = Array.from({ length: blocks }, (_, block) => ({ block, state: "kept" as const, importance: block % 7 }));
			const text = reportHtml({ ...report, model: { ...report.model, blocks }, blocks: { list, unit: "nats", estimator: "x" } });
			expect(documentOf(text).querySelectorAll(".strip li").length).toBe(blocks);
			expect(text).not.toMatch(/NaN|undefined/);
		}
	});

	it("shows what broke down", () => {
		const series = [{ method: "m", split: "validation" as const, points: [{ removed: [1], loss: null, added: null }] }];
		const figures = [{ name: "kl", unit: "nats per token" as const, before: 0, after: null, change: null, isRatio: false }];
		const text = reportHtml({ ...report, curve: { metric: "loss", series }, quality: { ...report.quality!, figures } });
		expect(textOf(documentOf(text).querySelector("#before-after ~ .scroll tbody tr"))).toBe(
			"KL divergence (nats per token)0.000brokenbroken",
		);
		expect(text).not.toMatch(/NaN|undefined/);
	});
});
