// Prose of a Markdown page.
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { gfmTable } from "micromark-extension-gfm-table";

/**
 * @typedef {object} Passage
 * @property {number} line its first line, counted from 1
 * @property {string} text
 * @property {boolean} counted whether the lengths of its sentences count: not those of headings, tables and pictures
 */

/**
 * @param {string} page
 * @param {{ tables?: boolean }} options tables: whether cells are read, for their words
 * @returns {Passage[]} paragraphs, items of lists, headings and cells; code blocks and comments are left out, and code spans keep their marks
 */
export function passagesOfMarkdown(page, { tables = true } = {}) {
	const passages = [];
	const visit = (node) => {
		if (node.type === "table" && !tables) return;
		if (["paragraph", "heading", "tableCell"].includes(node.type)) {
			const text = textOf(node);
			if (text.trim() !== "") passages.push({ line: node.position.start.line, text, counted: node.type === "paragraph" });
			return;
		}
		for (const child of node.children ?? []) visit(child);
	};
	visit(fromMarkdown(page, { extensions: [gfmTable()], mdastExtensions: [gfmTableFromMarkdown()] }));
	return passages;
}

/** Text as it is read aloud. */
function textOf(node) {
	if (node.type === "text") return node.value;
	if (node.type === "inlineCode") return `\`${node.value.replaceAll("`", "'")}\``;
	if (node.type === "break") return "\n";
	// A badge or a picture is no part of a sentence.
	if (node.type === "image" || node.type === "imageReference" || node.type === "html") return "";
	return (node.children ?? []).map(textOf).join("");
}

/** The part of a changelog that can still change: up to the heading of the first release with a date. */
export function unreleased(page) {
	const lines = page.split("\n");
	const released = lines.findIndex((line) => /^## /.test(line) && !/unreleased|not released/i.test(line));
	return released < 0 ? page : lines.slice(0, released).join("\n");
}
