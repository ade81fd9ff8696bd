// Commands and outputs of a page.
import { fromMarkdown } from "mdast-util-from-markdown";

// What a page can say of its blocks, in HTML comments right above them:
//   <!-- output: COMMAND -->          the block is what the command prints on standard output; numbers that vary are masked
//   <!-- output stderr: COMMAND -->   the same of standard error
//   <!-- output error: COMMAND -->    the error at the end of standard error
//   <!-- output both: COMMAND -->     both, standard error first, as a terminal shows a run that ends with its result
//   <!-- sample output: COMMAND -->   only the words are compared: no number is
//   <!-- figures: COMMAND -->         the cells of the table stand in the line of the output that begins as the row does
//   <!-- exits: 0, 3 -->              exit codes that the commands of the block may give, or the command of the output; else 0
//   <!-- in tests: 3.5GB=2.2MB -->    what the commands, or the file, get instead for the 12-block model
//   <!-- test:full: REASON -->        runs only where tests are thorough
//   <!-- not run: REASON -->          the commands of the block are not run, for example since they need another program
//   <!-- file: NAME -->               the block is a file that commands of the page read
//   <!-- not an output: REASON -->    the block shows something else

/**
 * @typedef {object} Item
 * @property {"command" | "output" | "figures" | "file" | "unmarked"} kind unmarked: a block of text that no comment explains
 * @property {number} line counted from 1
 * @property {string} [command] as the page shows it; of all but files and unmarked blocks
 * @property {readonly [string, string][]} instead words of the page, and what tests take for them
 * @property {readonly number[]} [exits]
 * @property {string} [why] why the page says that it is not run
 * @property {string} [slow] why the page says that only thorough tests run it
 * @property {boolean} [fresh] whether what commands before it wrote is not there: of the first example in a help
 * @property {"stdout" | "stderr" | "error" | "both"} [stream] of an output
 * @property {boolean} [sample] whether only the words of an output are compared
 * @property {string} [name] of a file
 * @property {string} [text] of an output, without the line that repeats the command; of a file; the table of figures
 * @property {boolean} [prompt] whether the first line of an output repeats the command behind `$ `
 * @property {readonly [number, number]} [range] of an output's text in the page
 */

/** A command in running text or in a table: what a reader can type, not the mere name of a command. */
const inText = /^(?:npx prune-gguf [\w./-]+|prune-gguf runs clean |prune-gguf [^<>]*\.gguf\b)/;

/** @returns {Item[]} in the order of the page */
export function itemsOf(page) {
	const items = [];
	let said = [];
	const visit = (node) => {
		const line = node.position?.start.line;
		if (node.type === "html") return said.push(node.value);
		const comments = said.join("\n");
		said = [];
		if (node.type === "code") items.push(...itemsOfBlock(page, node, comments));
		else if (node.type === "inlineCode" && inText.test(node.value))
			items.push({ kind: "command", line, command: node.value, exits: [0], instead: [] });
		else if (node.type === "paragraph") {
			const command = /<!-- figures: ([^\n]*?) -->/.exec(comments)?.[1];
			const text = page.slice(node.position.start.offset, node.position.end.offset);
			if (command) items.push({ kind: "figures", line, command, text, ...remarksOf(comments) });
		}
		node.children?.forEach(visit);
	};
	visit(fromMarkdown(page));
	return items;
}

/** What comments say of any kind of block. */
function remarksOf(comments) {
	const said = (name) => new RegExp(`<!-- ${name}: ([^\\n]*?) -->`).exec(comments)?.[1];
	return {
		exits: said("exits")?.split(",").map(Number) ?? [0],
		instead: (said("in tests") ?? "")
			.split(", ")
			.filter((part) => part.includes("="))
			.map((part) => part.split("=")),
		why: said("not run"),
		slow: said("test:full"),
	};
}

function itemsOfBlock(page, node, comments) {
	const line = node.position.start.line;
	const remarks = remarksOf(comments);
	const output = /<!-- (sample )?output(?: (stdout|stderr|error|both))?: ([^\n]*?) -->/.exec(comments);
	if (output) return [{ ...outputOf(page, node, output), ...remarks }];
	if (node.value.startsWith("Usage: ")) return examplesOf(node).map((example) => ({ kind: "command", ...remarks, ...example }));
	const name = /<!-- file: ([^\n]*?) -->/.exec(comments)?.[1];
	if (name) return [{ kind: "file", line, name, text: `${node.value}\n`, instead: remarks.instead }];
	if (node.lang === "sh")
		return commandsOf(node.value).map(({ command, at }) => ({ kind: "command", line: line + 1 + at, command, ...remarks }));
	// Blocks of a programming language, and of JSON and Mermaid, have tests of their own.
	const explained = (node.lang && node.lang !== "text") || /<!-- not an output: [^\n]*? -->/.test(comments);
	return explained ? [] : [{ kind: "unmarked", line, instead: [] }];
}

/** Examples at the end of a command's help, which test/docs.test.ts compares. No comment can stand in it. */
function examplesOf(node) {
	const lines = node.value.split("\n");
	const begin = lines.indexOf("Examples:");
	return lines
		.map((text, at) => ({ line: node.position.start.line + 1 + at, command: text.trim(), at, text }))
		.filter(({ at, text }) => begin >= 0 && at > begin && text.startsWith("    prune-gguf "))
		.map(({ line, command }, i) => ({ line, command, instead: [["3.5GB", "2.4MB"]], slow: "a page has its like", fresh: i === 0 }));
}

function outputOf(page, node, [, sample, stream = "stdout", command]) {
	const [first = ""] = node.value.split("\n");
	const prompt = first.startsWith("$ ");
	const whole = page.slice(node.position.start.offset, node.position.end.offset);
	const begin = node.position.start.offset + whole.indexOf("\n") + 1;
	const end = begin + whole.slice(whole.indexOf("\n") + 1).lastIndexOf("\n") + 1;
	const text = prompt ? node.value.slice(first.length + 1) : node.value;
	return {
		kind: "output",
		line: node.position.start.line,
		command,
		stream,
		sample: sample !== undefined,
		text,
		prompt,
		range: [begin, end],
	};
}

/** Commands of a shell block: a line each, or several that end with a backslash. Comments are left out. */
export function commandsOf(block) {
	const commands = [];
	let open = false;
	block.split("\n").forEach((raw, at) => {
		const line = raw.replace(/(?:^|\s+)#(?:\s.*)?$/, "").trim();
		const part = line.replace(/\s*\\$/, "");
		if (open) commands.at(-1).command += ` ${part}`;
		else if (line !== "") commands.push({ command: part, at });
		open = line.endsWith("\\");
	});
	return commands;
}

/** The page with the text of an output block replaced. */
export function withOutput(page, output, text) {
	const [begin, end] = output.range;
	const prompt = output.prompt ? `${page.slice(begin).split("\n")[0]}\n` : "";
	return `${page.slice(0, begin)}${prompt}${text.trimEnd()}\n${page.slice(end)}`;
}
