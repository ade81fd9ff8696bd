// Tables of pages that show figures of a command's output.
import { difference } from "./mask.mjs";

/** Cells of the rows of a table in Markdown, without its head and the line below it. */
const rowsOf = (table) =>
	table
		.split("\n")
		.slice(2)
		.map((row) =>
			row
				.split("|")
				.slice(1, -1)
				.map((cell) => cell.trim()),
		);

/**
 * Each row has to stand in a line of the output: the line begins with the row's first cell, or with its first word, and has the other
 * cells in their order. A table may leave cells out.
 * @param {string} table in Markdown
 * @param {string} output
 * @returns {string | undefined} the first row that does not
 */
export function missingFigures(table, output) {
	const lines = output.split("\n");
	for (const [name = "", ...cells] of rowsOf(table)) {
		const shown = cells.filter((cell) => cell !== "");
		const own = lines.filter((line) => line.startsWith(name));
		const meant = own.length > 0 ? own : lines.filter((line) => line.startsWith(`${name.split(" ")[0]} `));
		if (!meant.some((line) => hasInOrder(line, name.split(" ")[0], shown)))
			return `the page says "${[name, ...shown].join(" | ")}", the command printed "${meant.join("\n") || "no such line"}"`;
	}
	return undefined;
}

/** Whether the columns of a line hold cells in their order, as outputs are compared: by the row's name, speeds are masked. */
function hasInOrder(line, name, cells) {
	const columns = onSameText(name, cells, line.split(/\s{2,}/).slice(1));
	let at = 0;
	return cells.every((cell) => {
		const found = columns.findIndex((column, i) => i >= at && difference(`${name} ${cell}`, `${name} ${column}`) === undefined);
		at = found + 1;
		return found >= 0;
	});
}

/**
 * Another processor rounds otherwise, so the model writes another text there to measure on: the same command printed perplexities of 23 and of
 * 30. The figures are brought to the first one of the page, so that what is compared is how much they rise.
 */
function onSameText(name, cells, columns) {
	const [page, printed] = [Number(cells[0]), Number(columns[0])];
	const factor = page / printed;
	if (name !== "perplexity" || !(factor > 0.5 && factor < 2)) return columns;
	return columns.map((column) => (/^\d+\.\d+$/.test(column) ? (Number(column) * factor).toFixed(2) : column));
}
