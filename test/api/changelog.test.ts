import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { optionTable } from "../../src/api/options/table.js";
import type { OptionRow, PartRow } from "../../src/api/options/row.js";

const changelog = readFileSync(new URL("../../CHANGELOG.md", import.meta.url), "utf8");

/** The map of options: which commands take the option of a row, under which flags, and where it is in the Node API. */
const map = changelog
	.slice(changelog.indexOf("#### Options"), changelog.indexOf("#### Keys"))
	.split("\n")
	.filter((line) => /^\| [a-z]/.test(line) && !line.startsWith("| commands"))
	.map((line) => {
		const [commands, was, is, api] = line.slice(2, -2).split(" | ");
		return { commands: commands!.split(", "), flags: is === "the same" ? was! : is!, api: api! };
	});

const rows = Object.entries(optionTable as Record<string, OptionRow | PartRow>).flatMap(([name, row]) =>
	"flag" in row ? [[name, row]] : [],
);

describe("the map of options in the changelog", () => {
	it.each(rows as [string, OptionRow][])("has %s for every command that takes it", (_, { flag, commands }) => {
		const its = map.filter(({ flags }) => new RegExp(`--${flag}(?![\\w-])`).test(flags)).flatMap((one) => one.commands);
		expect(its).toEqual(expect.arrayContaining(commands.map((command) => (command === "clean" ? "runs clean" : command))));
	});
});
