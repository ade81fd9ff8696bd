// The one table of options. From it come the options of every command, what their values become, the printed command, the plan's record
// and docs/cli.md; the types of src/api/ say what each is for programs.
import { amountRows, limitRows } from "./amount.js";
import { buildRows, cleanRows, machineRows } from "./machine.js";
import { healRows, permissionRows, quantizeRows, writingRows } from "./output.js";
import { type OptionCommand, optionGroups, type OptionPath, type OptionRow, type OptionRows, type PartRow } from "./row.js";
import { searchRows, sweepRows } from "./search.js";
import { textRows } from "./text.js";

/** Every option by the name of its setting, in the order in which help and printed commands show them where their rows say nothing else. */
export const optionTable = {
	...amountRows,
	...limitRows,
	...searchRows,
	...textRows,
	...machineRows,
	...sweepRows,
	...healRows,
	...quantizeRows,
	...writingRows,
	...permissionRows,
	...buildRows,
	...cleanRows,
} as const satisfies OptionRows;

export type OptionTable = typeof optionTable;
/** Names of settings: of options as jobs read them. */
export type SettingName = keyof OptionTable;

/**
 * Fields without a row: groups, which hold options; `now` and `cache` of `cleanRuns`, which only tests give; `variant` of a build, which
 * scripts/build-native.mjs asks for.
 */
type WithoutRow = Exclude<OptionPath, OptionTable[SettingName]["path"] | "search" | "limits" | "quantize" | "now" | "cache" | "variant">;
/** Fails to compile where a field of an options type has no row. */
export const everyOptionHasARow: [WithoutRow] extends [never] ? true : WithoutRow = true;

/** All rows with the names of their settings. */
const entries = Object.entries(optionTable) as [SettingName, OptionRow | PartRow][];

/** Options of a command that exclude one another, by their flags. */
export const exclusiveFlags: Readonly<Partial<Record<OptionCommand, readonly (readonly string[])[]>>> = {
	prune: [
		["remove-blocks", "remove", "target-size", "target-speedup", "target-kv"],
		["remove-attention", "remove", "target-size", "target-speedup", "target-kv"],
		["strata", "strata-preset"],
	],
	rank: [["strata", "strata-preset"]],
	frontier: [["strata", "strata-preset"]],
	apply: [["plan", "remove"]],
	evaluate: [["text", "questions"]],
};

/** One option as a command shows it. */
export type CommandRow = OptionRow & { readonly name: SettingName };
/** One setting of a command, given by an option of its own or as part of one. */
export type TakenRow = CommandRow | (PartRow & { readonly name: SettingName });

const isOption = (row: TakenRow): row is CommandRow => !("partOf" in row);

/** Every row with what is otherwise in a command, in the order of the table. */
const rowsFor = (command: OptionCommand) =>
	entries.map(([name, row]): TakenRow => ({ ...row, ...("per" in row ? row.per?.[command] : {}), name }));

const groupOrder = Object.keys(optionGroups);

/** The options that a command takes, in the order of its help. */
export function rowsOf(command: OptionCommand): CommandRow[] {
	const rows = rowsFor(command)
		.filter(isOption)
		.filter(({ commands }) => commands.includes(command));
	const placed = placedAfter(rows, ({ after }) => after);
	return placed.sort((a, b) => groupOrder.indexOf(a.group) - groupOrder.indexOf(b.group));
}

/** The options that the printed command of a run names where they were given, in their order. */
export const printedRows = (command: OptionCommand): CommandRow[] =>
	placedAfter(rowsFor(command).filter(isOption), ({ printedAfter }) => printedAfter).filter(
		({ commands, printed }) => commands.includes(command) && printed !== false,
	);

/** The rows that a function takes, of its command or beside it. */
export const rowsTaken = (command: OptionCommand): TakenRow[] =>
	rowsFor(command).filter(({ commands, api }) => commands.includes(command) || api?.includes(command));

/** Rows in their order, but those that name another one right behind it. */
function placedAfter(rows: readonly CommandRow[], after: (row: CommandRow) => string | undefined): CommandRow[] {
	const names = new Set<string>(rows.map(({ name }) => name));
	const targetOf = (row: CommandRow) => (names.has(after(row) ?? "") ? after(row) : undefined);
	const withFollowers = (row: CommandRow): CommandRow[] => [
		row,
		...rows.filter((other) => targetOf(other) === row.name).flatMap(withFollowers),
	];
	return rows.filter((row) => targetOf(row) === undefined).flatMap(withFollowers);
}
