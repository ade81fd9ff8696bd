// Texts and comments of source files.
import { createRequire } from "node:module";
import { countWords } from "./sentences.mjs";

const ts = createRequire(import.meta.url)("typescript");

/** Tags of HTML that end a text. */
const blockTag =
	/<\/?(?:p|li|td|th|tr|h[1-6]|div|section|figure|figcaption|summary|details|dt|dd|ol|ul|dl|table|thead|tbody|caption|main|header|footer|nav)\b[^>]*>/g;
const inlineTag = /<\/?[a-z][^<>]*>/g;

/**
 * String and template literals that say something. A text that `+` puts together is one; what a template puts in counts as one word.
 * @param {string} source TypeScript or JavaScript
 * @param {{ least: number }} options least: words that a literal has to have
 * @returns {import("./markdown.mjs").Passage[]}
 */
export function passagesOfStrings(source, { least }) {
	const file = ts.createSourceFile("source.ts", source, ts.ScriptTarget.ESNext, true);
	const passages = [];
	const add = (node, text) => {
		let line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
		for (const part of text.split(blockTag)) {
			const plain = part.replace(inlineTag, " ");
			if (countWords(plain) >= least) passages.push({ line, text: plain, counted: true });
			line += part.split("\n").length - 1;
		}
	};
	const visit = (node) => {
		if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isLiteralTypeNode(node)) return;
		const text = literalText(node);
		if (text !== undefined) add(node, text);
		if (text === undefined || ts.isTemplateExpression(node)) ts.forEachChild(node, visit);
		else if (ts.isBinaryExpression(node)) inTemplates(node, visit);
	};
	visit(file);
	return passages;
}

/** What a template of a sum puts in may hold texts of its own. */
function inTemplates(node, visit) {
	if (ts.isTemplateExpression(node)) ts.forEachChild(node, visit);
	else if (ts.isBinaryExpression(node)) for (const side of [node.left, node.right]) inTemplates(side, visit);
}

/** The text of a literal, or of a sum of them; undefined for anything else. */
function literalText(node) {
	if (ts.isStringLiteralLike(node)) return node.text;
	if (ts.isTemplateExpression(node)) return node.head.text + node.templateSpans.map(({ literal }) => `X${literal.text}`).join("");
	if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return undefined;
	const sides = [literalText(node.left), literalText(node.right)];
	return sides.includes(undefined) ? undefined : sides.join("");
}

/** Places of a TypeScript file where no comment can begin. */
function literalSpans(source) {
	const file = ts.createSourceFile("source.ts", source, ts.ScriptTarget.ESNext, true);
	const spans = [];
	const visit = (node) => {
		if (ts.isLiteralExpression(node) || ts.isTemplateMiddleOrTemplateTail(node) || ts.isTemplateHead(node))
			spans.push([node.getStart(file), node.end]);
		ts.forEachChild(node, visit);
	};
	visit(file);
	return spans;
}

/** Comments of TypeScript or JavaScript, as `{ at, text }` with the marks still on. */
function commentsOfTypeScript(source) {
	const ends = new Map(literalSpans(source));
	const found = [];
	const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
	for (let at = 0; at < source.length; ) {
		comment.lastIndex = at;
		const text = ends.has(at) ? undefined : comment.exec(source)?.[0];
		if (text) found.push({ at, text });
		at = text ? at + text.length : Math.max(ends.get(at) ?? 0, at + 1);
	}
	return found;
}

/** Comments of C++: strings come first, so that none begins inside one. */
function commentsOfCpp(source) {
	const pattern = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
	return [...source.matchAll(pattern)].filter(([text]) => text.startsWith("/")).map(({ 0: text, index: at }) => ({ at, text }));
}

const commentsOfPython = (source) => [...source.matchAll(/(?<=^[ \t]*)#(?!!).*/gm)].map(({ 0: text, index: at }) => ({ at, text }));

/**
 * @param {string} source
 * @param {{ language: "ts" | "cpp" | "py", docs?: boolean }} options docs: only those that documentation is made from
 * @returns {import("./markdown.mjs").Passage[]} comments; lines of `//` below each other are one, and each tag of a doc comment begins another
 */
export function passagesOfComments(source, { language, docs = false }) {
	const comments = { ts: commentsOfTypeScript, cpp: commentsOfCpp, py: commentsOfPython }[language](source);
	const lineAt = (at) => source.slice(0, at).split("\n").length;
	const passages = [];
	let last;
	for (const { at, text } of comments) {
		const line = lineAt(at);
		const single = /^(?:\/\/|#)/.test(text);
		if (docs && !text.startsWith("/**")) continue;
		const plain = text.replace(/^(?:\/\/+|\/\*+|#+)/, "").replace(/\*+\/$/, "");
		const alone = source.slice(source.lastIndexOf("\n", at - 1) + 1, at).trim() === "";
		if (single && alone && last?.next === line) {
			last.passage.text += `\n${plain}`;
			last.next++;
			continue;
		}
		const parts = single ? [{ line, text: plain }] : partsOfDoc(plain, line);
		passages.push(...parts.map((part) => ({ ...part, counted: true })));
		last = single && alone ? { passage: passages.at(-1), next: line + 1 } : undefined;
	}
	return passages.filter(({ text }) => text.trim() !== "");
}

/** The text of a doc comment and of each of its tags; examples are code. */
function partsOfDoc(text, first) {
	const parts = [{ line: first, lines: [] }];
	let example = false;
	text.split("\n").forEach((raw, index) => {
		// A tag may follow on the line of what it belongs to.
		for (const line of raw.replace(/^\s*\* ?/, "").split(/\s(?=@(?:default|returns|throws)\b)/)) {
			const tag = /^\s*@(\w+)/.exec(line)?.[1];
			if (tag) example = tag === "example";
			if (tag || line.trim() === "") parts.push({ line: first + index, lines: [] });
			const said = line.replace(/^\s*@(?:param|property|template|typedef)\s+(?:\{[^}]*\}\s+)?\S+|^\s*@\w+(?:\s+\{[^}]*\})?/, "");
			parts.at(-1).lines.push(example ? "" : said);
		}
	});
	return parts.map(({ line, lines }) => ({ line, text: lines.join("\n") }));
}
