// Names of options that a function does not read are a mistake, not a wish: types tell who writes TypeScript, this tells the others.
import type { CommandOptions } from "../../api/options/row.js";
import { closest } from "../../api/options/closest.js";
import { isPlain } from "../../api/options/shape.js";
import { type CommandRow, optionTable, rowsTaken, type SettingName, type TakenRow } from "../../api/options/table.js";
import { InvalidOptionError } from "../../errors.js";

/** Options of every function. */
const ofEvery = ["signal", "onProgress", "onLog"];

/** What takes options: a command's function, or that of its questions. */
export type Taker = keyof CommandOptions;

/** A function, and how what it takes differs from the rows of its command. */
interface Reader {
	readonly name: string;
	/** Paths of the command that its other function reads. */
	readonly without?: readonly string[];
	/** Options that have no row. */
	readonly beside?: readonly string[];
}

const functions: Readonly<Record<Taker, Reader>> = {
	prune: { name: "pruneGguf" },
	rank: { name: "rankBlocks" },
	compare: { name: "compareMethods" },
	frontier: { name: "findFrontier" },
	apply: { name: "applyPlan" },
	evaluate: { name: "evaluateModel", without: ["questions", "maxQuestions"] },
	questions: { name: "evaluateQuestions", without: ["text", "preset", "windowLength"] },
	speed: { name: "measureSpeed" },
	build: { name: "buildAddon", beside: ["variant"] },
	clean: { name: "cleanRuns", beside: ["now", "cache"] },
};

/** A function as programs call it. */
export const functionName = (taker: Taker): string => functions[taker].name;

/** What took over from options that have no name of their own any more. */
const replaced: Readonly<Record<string, string>> = { removeFraction: 'removeBlocks: "25%"', speedupOf: "targetSpeedup: { prompt: 1.3 }" };

/** Earlier names, and where the options are now. */
const earlierNames: Readonly<Record<string, string>> = {
	objective: "metric",
	limit: "maxQuestions",
	masks: "search.maxEvaluations",
	attributionMasks: "search.attributionSamples",
	gateQuestions: "limits.questions",
	ignoreGate: "limits.ignore",
	backEnd: "backend",
};

/** Earlier names that still mean something to other functions. */
const earlierNamesOf: Readonly<Partial<Record<Taker, Readonly<Record<string, string>>>>> = {
	compare: { output: "saveResult" },
	frontier: { output: "saveResult" },
	evaluate: { context: "windowLength" },
};

/** What a function reads. */
interface Known {
	readonly taker: Taker;
	readonly rows: readonly TakenRow[];
	readonly paths: ReadonlySet<string>;
}

function knownOf(taker: Taker): Known {
	const { without = [], beside = [] } = functions[taker];
	const rows = rowsTaken(taker === "questions" ? "evaluate" : taker).filter(({ path }) => !without.includes(path));
	return { taker, rows, paths: new Set([...rows.map(({ path }) => path), ...ofEvery, ...beside]) };
}

/**
 * @throws InvalidOptionError for a name that the function does not read, with the one that took its place. What another function reads may
 * be switched off
 */
export function checkKeys(taker: Taker, options: object): void {
	const known = knownOf(taker);
	const { paths } = known;
	for (const [key, value] of Object.entries(options)) {
		if (value === undefined || value === null || isSwitchedOff(key, value)) continue;
		const fields = [...paths].filter((path) => path.startsWith(`${key}.`));
		if (!paths.has(key) && fields.length === 0) throw unknown(known, key);
		if (fields.length > 0 && isPlain(value)) checkFields(known, key, value);
		else if (!paths.has(key) && !paths.has(`${key}.type`)) {
			const names = fields.map((path) => path.slice(key.length + 1));
			throw new InvalidOptionError(`${functions[taker].name}: ${key} is an object with ${names.join(", ")}`);
		}
	}
}

/** Options that several functions are given may switch off what only some of them do: `report: false`. */
function isSwitchedOff(key: string, value: unknown): boolean {
	if (!Object.hasOwn(optionTable, key)) return false;
	const row: Pick<CommandRow, "path" | "value" | "off"> = optionTable[key as SettingName];
	if (row.path !== key) return false;
	return (row.off !== undefined && value === row.off) || ((row.value.kind === "switch" || row.value.kind === "heal") && value === false);
}

function checkFields(known: Known, group: string, value: object): void {
	for (const [field, given] of Object.entries(value))
		if (given !== undefined && given !== null && !known.paths.has(`${group}.${field}`)) throw unknown(known, `${group}.${field}`);
}

function unknown(known: Known, key: string): InvalidOptionError {
	const { name } = functions[known.taker];
	const now = hintFor(known, key);
	const meant = now === undefined ? meantBy(known, key) : undefined;
	const hint = now !== undefined ? `it is now ${now}` : meant !== undefined ? `did you mean ${meant}?` : "leave it out";
	return new InvalidOptionError(`${name} does not read ${key}: ${hint}`);
}

/** What a misspelled name most likely means. A name that another function reads is none. */
function meantBy({ paths }: Known, key: string): string | undefined {
	if (allPaths.has(key)) return undefined;
	const [group, field] = key.split(".") as [string, string | undefined];
	const named = (path: string) => (field === undefined ? [path.split(".")[0]!, path.split(".").at(-1)!] : [path.split(".")[1] ?? ""]);
	const candidates = [...paths].filter((path) => field === undefined || path.startsWith(`${group}.`));
	const meant = closest(field ?? group, candidates.flatMap(named));
	const path = candidates.find((one) => named(one).includes(meant ?? ""));
	return path !== undefined && meant === path.split(".")[0] ? meant : path;
}

/** Names of options of all functions, and of their groups. */
const allPaths: ReadonlySet<string> = new Set(Object.values(optionTable).flatMap(({ path }) => [path, path.split(".")[0]!]));

/**
 * The names that options had before they were nested are those of their rows; on the command line they may have others. A name within a
 * group means something of that group.
 */
function hintFor({ taker, rows, paths }: Known, key: string): string | undefined {
	const [group, field] = key.split(".") as [string, string | undefined];
	const wrong = field ?? group;
	const now = earlierNamesOf[taker]?.[wrong] ?? earlierNames[wrong];
	if (now !== undefined && paths.has(now)) return field === undefined || now.startsWith(`${group}.`) ? now : undefined;
	const row = rows.find(({ name }) => name === wrong) ?? rows.find((one) => "flag" in one && camelCase(one.flag) === wrong);
	if (field !== undefined) return row?.path.startsWith(`${group}.`) ? row.path : undefined;
	if (row?.name === "removeFraction" && taker === "compare") return 'removeBlocks: ["25%"]';
	if (row !== undefined) return replaced[row.name] ?? row.path;
	const alike = [...paths].filter((path) => path.endsWith(`.${wrong}`));
	return alike.length === 1 ? alike[0] : undefined;
}

const camelCase = (flag: string) => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
