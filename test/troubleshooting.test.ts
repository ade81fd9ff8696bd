import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

// docs/troubleshooting.md and troubleshooting-install.md are searched by the words of messages: their headings must be words that the program says.

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Scripts are plain JavaScript, so their types are said here. */
const { passagesOfStrings } = (await import(new URL("../scripts/prose/source.mjs", import.meta.url).href)) as {
	passagesOfStrings(source: string, options: { least: number }): { text: string }[];
};

/** Headings of what no message of the program says: messages of npm, and questions. */
const others = [/^`npx` asks/, /^`npm link` fails/, /^Which native part/, /^It is slow/];

const page = ["troubleshooting.md", "troubleshooting-install.md"].map((name) => readFileSync(join(ROOT, "docs", name), "utf8")).join("\n");
const headings = [...page.matchAll(/^\*\*(.+?)\*\*/gm)].map(([, heading]) => heading!);
const quoted = headings.filter((heading) => !others.some((other) => other.test(heading)));

const sources = readdirSync(join(ROOT, "src"), { recursive: true })
	.map((file) => join("src", String(file)))
	.filter((file) => file.endsWith(".ts"));

/** What the program says, and the script that fetches llama.cpp; a value that a message puts in is one word. */
const messages = [...sources, join("scripts", "fetch-llama.mjs")]
	.flatMap((file) => passagesOfStrings(readFileSync(join(ROOT, file), "utf8"), { least: 1 }))
	.map(({ text }) => text.replaceAll(/\s+/g, " "));

const asPattern = (words: string) =>
	new RegExp(
		words
			.split(" ... ")
			.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
			.join(" .+ "),
	);

it("the page has headings of both kinds", () => {
	expect(quoted.length).toBeGreaterThan(20);
	for (const other of others) expect(headings.some((heading) => other.test(heading))).toBe(true);
});

it.each(quoted)("a message says %s", (heading) => {
	const spans = [...heading.matchAll(/`([^`]+)`/g)].map(([, words]) => words!);
	expect(spans).not.toEqual([]);
	// Nothing else stands in a heading, so that no paraphrase stands for the message.
	expect(heading.replaceAll(/`[^`]+`/g, "").replaceAll(/[,.\s]/g, "")).toBe("");
	for (const words of spans) expect(messages.some((message) => asPattern(words).test(message))).toBe(true);
});
