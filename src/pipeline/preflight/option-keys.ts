// Names of options that a function does not read are a mistake, not a wish: types tell who writes TypeScript, this tells the others.
import type { OptionCommand } from "../../api/options/row.js";
import { isPlain } from "../../api/options/shape.js";
import { optionTable, rowsTaken, type SettingName } from "../../api/options/table.js";
import { InvalidOptionError } from "../../errors.js";

/** Options of every function. */
const ofEvery = ["signal", "onProgress", "onLog"];

const functions: Readonly<Record<OptionCommand, string>> = {
	prune: "pruneGguf",
	rank: "rankBlocks",
	compare: "compareMethods",
	frontier: "findFrontier",
	apply: "applyPlan",
	evaluate: "evaluateModel",
	speed: "measureSpeed",
	build: "buildAddon",
	clean: "cleanRuns",
};

/** What took over from options that have no name of their own any more. */
const renamed: Readonly<Record<string, string>> = { removeFraction: 'removeBlocks: "25%"', speedupOf: "targetSpeedup: { prompt: 1.3 }" };

/**
 * @param name of the function, where it is not that of the command
 * @throws InvalidOptionError for a name that the function does not read, with the one that took its place. What another function reads may
 * be switched off
 */
export function checkKeys(command: OptionCommand, options: object, name: string = functions[command]): void {
	const paths = new Set<string>(rowsTaken(command).map(({ path }) => path));
	for (const [key, value] of Object.entries(options)) {
		if (value === undefined || ofEvery.includes(key) || isSwitchedOff(key, value)) continue;
		const fields = [...paths].filter((path) => path.startsWith(`${key}.`));
		if (!paths.has(key) && fields.length === 0) throw unknown(name, key, paths);
		if (fields.length > 0 && isPlain(value)) checkFields(name, key, value, paths);
		else if (!paths.has(key) && !paths.has(`${key}.type`))
			throw new InvalidOptionError(`${name}: ${key} is an object with ${fields.map((path) => path.slice(key.length + 1)).join(", ")}`);
	}
}

/** Options that several functions are given may switch off what only some of them do: `report: false`. */
const isSwitchedOff = (key: string, value: unknown) =>
	(value === false || value === 0) && Object.hasOwn(optionTable, key) && optionTable[key as SettingName].path === key;

function checkFields(name: string, group: string, value: object, paths: ReadonlySet<string>): void {
	for (const [field, given] of Object.entries(value))
		if (given !== undefined && !paths.has(`${group}.${field}`)) throw unknown(name, `${group}.${field}`, paths);
}

/** The names that options had before they were nested are those of their rows. */
function unknown(name: string, key: string, paths: ReadonlySet<string>): InvalidOptionError {
	const last = key.split(".").at(-1)!;
	const path = Object.hasOwn(optionTable, last) ? optionTable[last as SettingName].path : undefined;
	const like = path !== undefined && paths.has(path) ? path : [...paths].find((one) => one.split(".").at(-1) === last);
	if (like === undefined) return new InvalidOptionError(`${name} does not read ${key}: leave it out`);
	return new InvalidOptionError(`${name} does not read ${key}: it is now ${renamed[last] ?? like}`);
}
