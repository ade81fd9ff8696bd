// Commands and outputs of a page.
import { fromMarkdown } from "mdast-util-from-markdown";

// What a page can say of its blocks, in HTML comments right above them:
//   <!-- output: COMMAND -->          the block is what the command prints on standard output; numbers that vary are masked
//   <!-- output stderr: COMMAND -->   the same of standard error
//   <!-- output both: COMMAND -->     both, standard error first, as a terminal shows a run that ends with its result
//   <!-- sample output: COMMAND -->   only the words are compared: no number is
//   <!-- exits: 0, 3 -->              exit codes that the commands of the block may give, or the command of the output; else 0
//   <!-- not run: REASON -->          the commands of the block are not run, for example since they suit larger models only

/**
 * @typedef {object} Command
 * @property {"command"} kind
 * @property {number} line counted from 1
 * @property {string} command
 * @property {readonly number[]} exits
 * @property {string} [why] why the page says that it is not run
 */

/**
 * @typedef {object} Output
 * @property {"output"} kind
 * @property {number} line
 * @property {string} command
 * @property {readonly number[]} exits
 * @property {"stdout" | "stderr" | "both"} stream
 * @property {boolean} sample whether only its words are compared
 * @property {string} text of the block, without the line that repeats the command
 * @property {boolean} prompt whether its first line repeats the command behind `$ `
 * @property {readonly [number, number]} range of the block's text in the page
 */

/** @returns {(Command | Output)[]} commands of `sh` blocks and outputs that a comment announces, in the order of the page */
export function itemsOf(page) {
	const items = [];
	let said = [];
	const visit = (node) => {
		if (node.type === "html") said.push(node.value);
		else if (node.type === "code") {
			items.push(...itemsOfBlock(page, node, said));
			said = [];
		} else {
			if (!node.children?.length) return;
			said = [];
			node.children.forEach(visit);
		}
	};
	visit(fromMarkdown(page));
	return items;
}

function itemsOfBlock(page, node, comments) {
	const said = comments.join("\n");
	const exits = /<!-- exits: ([\d, ]+) -->/.exec(said)?.[1].split(",").map(Number) ?? [0];
	const line = node.position.start.line;
	const why = /<!-- not run: ([^\n]*?) -->/.exec(said)?.[1];
	const output = /<!-- (sample )?output(?: (stdout|stderr|both))?: ([^\n]*?) -->/.exec(said);
	if (output) return [{ ...outputOf(page, node, output), exits, why }];
	if (node.lang !== "sh") return [];
	return commandsOf(node.value).map(({ command, at }) => ({ kind: "command", line: line + 1 + at, command, exits, why }));
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
