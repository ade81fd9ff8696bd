import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reportHtml } from "../../src/report/html.js";
import { type Report, reportSchema } from "../../src/report/report-data.js";
import { Browser, findChromium } from "../helpers/chromium.js";
import { madeUpReport } from "../helpers/report.js";
import { tempFolder } from "../helpers/temp-folder.js";

// A page whose every text comes from a stranger, in a browser that would run what it is given.

const chromium = findChromium();
const folder = tempFolder();
const away = "https://stranger.example/";

/** What would run, load, leave the page, or hide its figures. None has a word that looks like an option, which a command marks. */
const attacks = [
	`</title></style></textarea></script><script>document.title = "ran"; alert(1)</script>`,
	`<img src=${away}a.png onerror=alert(2)>`,
	`"><svg onload=alert(3)><set attributeName=href to=javascript:alert(4) /></svg>`,
	`' onmouseover='alert(5)' onfocus=alert(6) autofocus tabindex=0 style='display:none' x='`,
	`" onclick="alert(7)" href="javascript:alert(8)`,
	"javascript:alert(9)",
	`<a href="javascript:alert(10)">report</a><a href="${away}" target=_blank>more</a>`,
	`</style><style>* { display: none !important } body { background: url(${away}b.png) }</style>`,
	`<link rel=stylesheet href=${away}c.css><style>@import url(${away}d.css);</style>`,
	`<iframe srcdoc="<script>parent.alert(11)</script>"></iframe><object data=${away}e></object><embed src=${away}f>`,
	`<base href=${away}><meta http-equiv=refresh content="0;url=${away}g">`,
	`<form action=${away}h><input name=x autofocus onfocus=alert(12)></form>`,
	"<!----!> ]]> <![CDATA[ &lt;script&gt;alert(13)&lt;/script&gt; &#60;script&#62;alert(14)&#60;/script&#62;",
	`<details ontoggle=alert(15) open><template><script>alert(16)</script></template></details>`,
	"\u202E0001 x\u202C \u2066\u2067 \u0000\u0008\u001B]8;;x\u0007 \u009B8m\u061C\u200E\u200F\u2028\u2029 \uD800 <\u0000script>alert(17)</script>",
];

/** A copy of the report with something behind each text that the format leaves open. @returns how many those are, too */
function filled(report: Report, tail: (number: number) => string): { report: Report; texts: number } {
	let texts = 0;
	const copy = structuredClone(report);
	const visit = (node: Record<string, unknown>) => {
		for (const [key, value] of Object.entries(node)) {
			if (typeof value === "object" && value !== null) visit(value as Record<string, unknown>);
			if (typeof value !== "string") continue;
			node[key] = `${value} ${tail(texts)}`;
			if (v.is(reportSchema, copy)) texts++;
			else node[key] = value;
		}
	};
	visit(copy as unknown as Record<string, unknown>);
	return { report: v.parse(reportSchema, copy), texts };
}

/** Every attack stands behind some text: `turn` moves them on by so many texts. */
const hostile = (turn: number) => filled(madeUpReport(), (number) => attacks[(number + turn) % attacks.length]!);
const plain = filled(madeUpReport(), () => "harmless");

const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

it("the format leaves many texts open, and each gets every attack in its turn", () => {
	expect(plain.texts).toBeGreaterThan(60);
	expect(hostile(0).texts).toBe(plain.texts);
	const page = reportHtml(hostile(0).report);
	expect(page).toContain("&lt;script&gt;document.title = &quot;ran&quot;");
	expect(page).not.toMatch(/<script|<img|<iframe|<object|<embed|<link|<base|<form|<meta http-equiv=refresh/i);
});

it("nothing weakens the policy of the page: no script may run, not even one with a nonce or within the page", () => {
	const found = [...reportHtml(hostile(1).report).matchAll(/<meta http-equiv="Content-Security-Policy" content="([^"]*)">/g)];
	expect(found.map(([, content]) => content)).toEqual([policy]);
	expect(policy).not.toMatch(/script-src|nonce-|strict-dynamic|unsafe-eval|unsafe-hashes|https?:|\*/);
});

if (!chromium) console.log("No Chromium in the path (or in the variable CHROMIUM): hostile names are not looked at in a browser.");

describe.skipIf(!chromium)("hostile names in Chromium", () => {
	let browser: Browser;
	beforeAll(async () => {
		browser = await Browser.start(chromium!);
	});
	afterAll(() => browser?.close());

	const open = async (name: string, report: Report) => {
		const path = join(folder, `${name}.html`);
		writeFileSync(path, reportHtml(report));
		browser.complaints.length = 0;
		await browser.open(pathToFileURL(path).href, { width: 1280, height: 900, scheme: "light" });
		await browser.evaluate(`document.querySelectorAll("details").forEach((one) => { one.open = true; })`);
	};
	/** Does what a reader can do with each element, and waits for what comes of it. */
	const use = () =>
		browser.evaluate(`(async () => {
			for (const one of document.querySelectorAll("*")) {
				for (const kind of ["mouseover", "mouseenter", "pointerdown", "error", "load", "toggle", "animationstart"]) one.dispatchEvent(new Event(kind));
				one.focus?.();
				if (one.matches("a, summary, button, input")) one.click();
			}
			await new Promise((resolve) => setTimeout(resolve, 200));
		})()`);
	/** What is on the page: its elements, and how many of them a reader sees. */
	const elements = () =>
		browser.evaluate<{ tags: string; seen: number }>(`(() => {
			document.querySelectorAll("details").forEach((one) => { one.open = true; });
			const all = [...document.querySelectorAll("*")];
			return { tags: all.map(({ tagName }) => tagName).join(" "), seen: all.filter((one) => one.checkVisibility()).length };
		})()`);

	/** Attributes that run, load or hide something. The charts have a style of their own. */
	const acting = () =>
		browser.evaluate<string[]>(`[...document.querySelectorAll("*")].flatMap((one) => [...one.attributes])
			.filter(({ name, value }) => /^(on|src|style$|action|formaction|target|nonce)/.test(name) || /^\\s*javascript:/i.test(value) && name === "href")
			.map(({ name, value }) => name + "=" + value)`);

	it("run nothing, ask for nothing, lead nowhere, and hide nothing", async () => {
		await open("plain", plain.report);
		const [expected, actingBefore] = [await elements(), await acting()];
		for (let turn = 0; turn < attacks.length; turn++) {
			await open(`hostile-${turn}`, hostile(turn).report);
			const title = await browser.evaluate("document.title");
			await use();
			expect(browser.complaints, `attack ${turn}`).toEqual([]);
			expect(await browser.evaluate("location.protocol + document.title")).toBe(`file:${title}`);
			expect(await elements()).toEqual(expected);
			expect(await acting()).toEqual(actingBefore);
			expect(
				await browser.evaluate(`[...document.links].map((one) => one.getAttribute("href")).filter((one) => !/^#[\\w-]+$/.test(one))`),
			).toEqual([]);
			// What turns the direction of text, or is a control character, is shown as its code.
			expect(
				await browser.evaluate(`/(?![\\t\\n])[\\p{Cc}\\p{Bidi_Control}\\p{Zl}\\p{Zp}]/u.test(document.documentElement.textContent)`),
			).toBe(false);
		}
	});

	it("could run nothing even if one got into the page: the policy stops it", async () => {
		await open("inside", plain.report);
		await browser.evaluate(`(async () => {
			const add = (tag, properties) => document.body.append(Object.assign(document.createElement(tag), properties));
			add("script", { textContent: "document.title = 'ran'" });
			add("script", { src: ${JSON.stringify(`${away}i.js`)} });
			add("img", { src: ${JSON.stringify(`${away}j.png`)} });
			add("div", { innerHTML: "<p onclick=\\"document.title = 'ran'\\">x</p>" });
			document.body.lastChild.firstChild.click();
			add("a", { href: "javascript:document.title='ran'" });
			document.body.lastChild.click();
			document.head.append(Object.assign(document.createElement("base"), { href: ${JSON.stringify(away)} }));
			const form = Object.assign(document.createElement("form"), { action: ${JSON.stringify(`${away}k`)} });
			document.body.append(form);
			form.submit();
			await new Promise((resolve) => setTimeout(resolve, 300));
		})()`);
		expect(await browser.evaluate("document.title")).not.toBe("ran");
		expect(await browser.evaluate("document.baseURI")).toMatch(/^file:/);
		expect(await browser.evaluate("location.protocol")).toBe("file:");
		expect(browser.complaints.length).toBeGreaterThanOrEqual(6);
		for (const complaint of browser.complaints) expect(complaint).toMatch(/Content Security Policy|^asks for|blocked/);
	});
});
