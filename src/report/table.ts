import { stripVTControlCharacters, styleText } from "node:util";

/** How text is laid out. */
export interface TextStyle {
	/** Colors and bold print. @default false */
	readonly color?: boolean;
	/** Columns of the terminal. @default 80 */
	readonly width?: number;
}

/** A column of a table. */
export interface Column {
	readonly title: string;
	/** @default "left" */
	readonly align?: "left" | "right";
}

const GAP = "  ";

/** Columns that a text takes, colors aside. */
export function textWidth(text: string): number {
	return stripVTControlCharacters(text).length;
}

/** Text in a color where the style has colors. NO_COLOR is a matter of whoever makes the style. */
export function paint(format: Parameters<typeof styleText>[0], text: string, style: TextStyle): string {
	return style.color && text !== "" ? styleText(format, text, { validateStream: false }) : text;
}

/** Rows under their titles, columns as wide as their widest cell. No trailing blanks, a newline after every line. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], style: TextStyle = {}): string {
	const widths = columns.map((column, i) => Math.max(textWidth(column.title), ...rows.map((row) => textWidth(row[i] ?? ""))));
	const line = (cells: readonly string[], format: (cell: string) => string) =>
		columns
			.map((column, i) => format(pad(cells[i] ?? "", widths[i]!, column.align)))
			.join(GAP)
			.trimEnd();
	const title = line(
		columns.map((column) => column.title),
		(cell) => cell,
	);
	const body = rows.map((row) => line(row, (cell) => cell));
	return [paint("bold", title, style), ...body].map((text) => `${text}\n`).join("");
}

/** A bar of `#` from 0 to `value`, or of `-` where the value is negative; at least one character for what is not 0. */
export function formatBar(value: number, largest: number, width: number): string {
	if (!Number.isFinite(value)) return "!".repeat(width);
	if (value === 0 || !(largest > 0)) return "";
	const length = Math.max(1, Math.min(width, Math.round((Math.abs(value) / largest) * width)));
	return (value < 0 ? "-" : "#").repeat(length);
}

function pad(text: string, width: number, align: Column["align"] = "left"): string {
	const blanks = " ".repeat(Math.max(0, width - textWidth(text)));
	return align === "right" ? blanks + text : text + blanks;
}
