import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findAddon } from "../../src/model/runtime/load-addon.js";
import { reportHtml } from "../../src/report/html.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { Browser, findChromium, type View } from "../helpers/chromium.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes } from "../helpers/home.js";
import { hostile, madeUpReport, timedReport, withAttention } from "../helpers/report.js";
import { firstOf } from "../helpers/slow.js";

// The page in a real browser, as a reader's screen, printer or screen reader shows it.

const { folder } = ownHomes();
const chromium = findChromium();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Reports of other runs to look at too, divided as the search path is. */
const others = (process.env.PRUNE_GGUF_REPORTS ?? "").split(delimiter).filter((path) => path !== "");
/** Folder to store pictures of the pages, to be looked at. */
const pictures = process.env.PRUNE_GGUF_PICTURES;

const views: Readonly<Record<string, View>> = {
	"phone-light": { width: 390, height: 844, scheme: "light" },
	"phone-dark": { width: 390, height: 844, scheme: "dark" },
	"desktop-light": { width: 1280, height: 900, scheme: "light" },
	"desktop-dark": { width: 1280, height: 900, scheme: "dark" },
};

if (!chromium) console.log("No Chromium in the path (or in the variable CHROMIUM): the report is not looked at in a browser.");

describe.skipIf(!chromium)("the page in Chromium", () => {
	let browser: Browser;
	const pages = new Map<string, string>();
	const open = async (page: string, view: View) => {
		browser.complaints.length = 0;
		await browser.open(pathToFileURL(pages.get(page)!).href, view);
	};

	beforeAll(async () => {
		const put = (name: string, text: string) => {
			const path = join(folder, `${name}.html`);
			writeFileSync(path, text);
			pages.set(name, path);
		};
		put("made-up", reportHtml(madeUpReport()));
		put("timed", reportHtml(timedReport(withAttention)));
		put("hostile", reportHtml(madeUpReport(hostile)));
		put("long-names", reportHtml(madeUpReport("a-very-long-name-without-any-blank-".repeat(8))));
		for (const path of others) pages.set(basename(path, ".html"), path);
		if (pictures) mkdirSync(pictures, { recursive: true });
		if (findAddon()) {
			process.env.PRUNE_GGUF_HOME = join(folder, "home");
			const real = join(folder, "real.html");
			await pruneGguf(fixturePath, undefined, {
				search: { method: "auto", maxEvaluations: 150 },
				removeBlocks: 3,
				report: real,
				windows: 4,
				windowLength: 64,
			});
			pages.set("real", real);
		}
		browser = await Browser.start(chromium!);
	});
	afterAll(() => browser?.close());

	it.each(firstOf(1, ["phone-light", "desktop-dark", "phone-dark", "desktop-light"]))(
		"as %s has no complaint, asks for nothing, and axe finds nothing wrong",
		async (name) => {
			for (const page of pages.keys()) {
				await open(page, views[name]!);
				// Collapsed parts are read too.
				await browser.evaluate(`document.querySelectorAll("details").forEach((one) => { one.open = true; })`);
				await browser.evaluate(axe);
				const { violations, passes } = await browser.evaluate<{
					violations: { id: string; nodes: { html: string }[] }[];
					passes: unknown[];
				}>(`axe.run(document, { resultTypes: ["violations"] })`);
				expect(violations.map(({ id, nodes }) => `${page}: ${id} ${nodes[0]!.html.slice(0, 200)}`)).toEqual([]);
				expect(passes.length).toBeGreaterThan(20);
				expect(browser.complaints).toEqual([]);
				if (pictures) {
					await browser.evaluate(`document.querySelectorAll("details").forEach((one) => { one.open = false; })`);
					writeFileSync(join(pictures, `${page}-${name}.png`), await browser.screenshot());
				}
			}
		},
	);

	it("fits a screen of 320 pixels without scrolling sideways", async () => {
		for (const page of pages.keys()) {
			await open(page, { width: 320, height: 640, scheme: "light" });
			await browser.evaluate(`document.querySelectorAll("details").forEach((one) => { one.open = true; })`);
			expect(await browser.evaluate<number>("document.documentElement.scrollWidth"), page).toBe(320);
		}
	});

	it("runs nothing that a name holds", async () => {
		await open("hostile", views["desktop-light"]!);
		expect(await browser.evaluate("document.scripts.length + document.images.length")).toBe(0);
		expect(await browser.evaluate("document.title")).toContain("<script>alert(1)</script>");
		expect(browser.complaints).toEqual([]);
	});

	it("shows one of the two drawings of each chart, by the width", async () => {
		const shown = `[...document.querySelectorAll("svg")].filter((one) => one.getBoundingClientRect().width > 0).map((one) => one.classList[1])`;
		for (const [view, size] of [
			["phone-light", "narrow"],
			["desktop-dark", "wide"],
		] as const) {
			await open("made-up", views[view]!);
			expect(new Set(await browser.evaluate<string[]>(shown))).toEqual(new Set([size]));
		}
	});

	const seen = (id: string) =>
		browser.evaluate<boolean>(`document.getElementById("${id}").checkVisibility({ contentVisibilityAuto: true })`);

	it("opens the details if a link leads inside, without a script of its own", async () => {
		for (const id of ["details", "times"]) {
			await open("made-up", views["phone-light"]!);
			expect(await seen(id)).toBe(false);
			await browser.evaluate(`document.querySelector("nav a[href='#${id}']").click()`);
			expect(await seen(id)).toBe(true);
			expect(await browser.evaluate(`document.querySelector(".details").open`)).toBe(true);
			expect(await browser.evaluate<number>("scrollY")).toBeGreaterThan(1000);
		}
	});

	it("has the verdict, the whole table and the blocks on the first screen of a desktop, the verdict on that of a phone", async () => {
		const bottom = (selector: string) =>
			browser.evaluate<number>(`document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect().bottom`);
		await open("made-up", views["desktop-light"]!);
		for (const selector of [".verdict", ".first table", ".strip", ".first .pair"])
			expect(await bottom(selector), selector).toBeLessThan(900);
		await open("made-up", views["phone-light"]!);
		expect(await bottom(".verdict")).toBeLessThan(844);
		expect(
			await browser.evaluate(`(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector(".first .scroll"))`),
		).toBe(0);
	});

	it("prints black on white, whatever the screen, with the details", async () => {
		await open("made-up", { ...views["desktop-dark"]!, media: "print" });
		expect(await seen("times")).toBe(true);
		const colors = await browser.evaluate<string[]>(
			"(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))",
		);
		expect(colors).toEqual(["rgb(0, 0, 0)", "rgb(255, 255, 255)"]);
		const { data } = await browser.send<{ data: string }>("Page.printToPDF", { printBackground: true });
		const pdf = Buffer.from(data, "base64");
		expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
		if (pictures) {
			writeFileSync(join(pictures, "made-up.pdf"), pdf);
			writeFileSync(join(pictures, "made-up-print.png"), await browser.screenshot());
		}
	});
});
