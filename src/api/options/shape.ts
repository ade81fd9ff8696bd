// From the nested options of a function to the flat settings of the table, and back: the same options for programs, jobs and command lines.
import { InvalidOptionError } from "../../errors.js";
import { readBlocks } from "../../notation.js";
import type { JobOptions } from "../job.js";
import type { CommandOptions, OptionCommand } from "./row.js";
import type { Settings } from "./settings.js";
import { rowsTaken } from "./table.js";

type Values = Readonly<Record<string, unknown>>;
type Fields = Record<string, unknown>;

/** Where several options stand at one path, or one has two forms. */
const split = ["removeBlocks", "removeFraction", "targetSpeedup", "speedupOf", "heal", "quantize"];

/** Every option that was given, by the name of its row; without those of {@link JobOptions}. @throws InvalidOptionError */
export function settingsFrom<Command extends OptionCommand>(command: Command, options: CommandOptions[Command]): Settings<Command> {
	const given = options as Values;
	const settings: Fields = {};
	for (const { name, path } of rowsTaken(command)) if (!split.includes(name)) settings[name] = at(given, path);
	const { removeBlocks, targetSpeedup, heal, quantize, remove } = given;
	Object.assign(settings, amountSettings(command, removeBlocks));
	Object.assign(settings, speedupSettings(targetSpeedup));
	// What says how asks for it too.
	settings.heal = isPlain(heal) ? true : heal;
	settings.quantize = isPlain(quantize) ? quantize.type : quantize;
	settings.remove = removeSetting(remove);
	return defined(settings) as Settings<Command>;
}

/** The options of a function that say what settings say. @throws InvalidOptionError for settings that no options say: they contradict one another */
export function optionsFrom<Command extends OptionCommand>(command: Command, given: Settings<Command>): CommandOptions[Command] {
	const settings = given as Values;
	const options: Fields = {};
	for (const { name, path } of rowsTaken(command)) {
		const [group, field] = path.split(".") as [string, string | undefined];
		if (split.includes(name) || settings[name] === undefined) continue;
		if (field === undefined) options[group] = settings[name];
		else options[group] = { ...(options[group] as Fields | undefined), [field]: settings[name] };
	}
	const shaped = {
		removeBlocks: amountOption(settings),
		targetSpeedup: speedupOption(settings),
		heal: healOption(settings, options.heal as Fields | undefined),
		quantize: quantizeOption(settings, options.quantize as Fields | undefined),
	};
	return defined({ ...options, ...shaped }) as unknown as CommandOptions[Command];
}

/** Ascending positions. @throws InvalidOptionError for what is no set of blocks */
function removeSetting(remove: unknown): readonly number[] | undefined {
	if (remove === undefined || remove === null) return undefined;
	const read = readBlocks(remove);
	if ("positions" in read) return read.positions;
	throw new InvalidOptionError(`remove: ${read.problem}`);
}

function at(options: Values, path: string): unknown {
	const [group, field] = path.split(".") as [string, string | undefined];
	const value = options[group];
	if (field === undefined) return value;
	return isPlain(value) ? value[field] : undefined;
}

/** Numbers and shares, which one option holds. */
function amountSettings(command: OptionCommand, removeBlocks: unknown): Fields {
	if (removeBlocks === undefined || removeBlocks === null) return {};
	if (command === "compare") return amountsSettings(removeBlocks);
	if (command === "rank") return { removeBlocks: numbersOf(removeBlocks) };
	if (typeof removeBlocks === "number") return { removeBlocks };
	if (command === "prune" && typeof removeBlocks === "string") return { removeFraction: shareOf(removeBlocks) };
	throw new InvalidOptionError(
		`removeBlocks must be a number of blocks${command === "prune" ? ' or a share of them such as "25%"' : ""}, got ${JSON.stringify(removeBlocks)}`,
	);
}

function numbersOf(removeBlocks: unknown): number[] {
	const numbers = Array.isArray(removeBlocks) ? removeBlocks : [removeBlocks];
	if (numbers.length > 0 && numbers.every((count) => typeof count === "number")) return numbers;
	throw new InvalidOptionError(`removeBlocks must be a number of blocks or a list of such numbers, got ${JSON.stringify(removeBlocks)}`);
}

function amountsSettings(removeBlocks: unknown): Fields {
	if (!Array.isArray(removeBlocks))
		throw new InvalidOptionError(
			`removeBlocks must be a list of numbers of blocks and of shares of them such as [3, "25%"], got ${JSON.stringify(removeBlocks)}`,
		);
	const shares = removeBlocks.filter((amount) => typeof amount === "string").map(shareOf);
	const counts = removeBlocks.filter((amount) => typeof amount !== "string");
	return {
		removeBlocks: counts.length > 0 || shares.length === 0 ? counts : undefined,
		removeFraction: shares.length > 0 ? shares : undefined,
	};
}

/** A share as people write it: `25%`. @throws InvalidOptionError */
export function shareOf(text: string): number {
	const [, number, exponent = "0"] = /^\s*(\d+\.?\d*|\.\d+)(?:e([+-]?\d+))?\s*%\s*$/i.exec(text) ?? [];
	// The point moves in the text: a division would round a second time.
	if (number !== undefined) return Number(`${number}e${Number(exponent) - 2}`);
	throw new InvalidOptionError(`removeBlocks must be a number of blocks or a share of them such as "25%", got ${JSON.stringify(text)}`);
}

/** A share as people write it, with as few digits as read back exactly. */
export function percentOf(share: number): `${number}%` {
	const written = [15, 16, 17].map((digits) => `${Number((100 * share).toPrecision(digits))}%` as const);
	const [number, exponent = "0"] = String(share).split("e");
	return written.find((text) => shareOf(text) === share) ?? (`${number}e${Number(exponent) + 2}%` as `${number}%`);
}

function amountOption({ removeBlocks, removeFraction }: Values): unknown {
	if (removeFraction === undefined) return removeBlocks;
	if (Array.isArray(removeFraction)) return [...((removeBlocks as number[] | undefined) ?? []), ...removeFraction.map(percentOf)];
	return percentOf(removeFraction as number);
}

function speedupSettings(target: unknown): Fields {
	if (!isPlain(target)) return { targetSpeedup: target };
	const [kind, ...more] = Object.keys(defined(target));
	if (kind !== undefined && more.length === 0) return { targetSpeedup: target[kind], speedupOf: kind };
	throw new InvalidOptionError("targetSpeedup is a number, { prompt: number } or { generation: number }");
}

function speedupOption({ targetSpeedup, speedupOf }: Values): unknown {
	if (speedupOf === undefined) return targetSpeedup;
	if (targetSpeedup !== undefined) return { [speedupOf as string]: targetSpeedup };
	throw new InvalidOptionError("a kind of speed-up without a number: give both, as in prompt:1.3");
}

/** An object says how to heal, and so to heal. `heads: false` alone says neither. */
function healOption({ heal }: Values, how: Fields = {}): unknown {
	const says = saysHow(how);
	if (heal === false && says)
		throw new InvalidOptionError("--heal-kind, --heal-type and --heal-heads say how to heal: leave them out with --no-heal");
	return says ? how : heal;
}

/** Whether fields of `heal` say anything of how to heal. */
function saysHow(how: Values): boolean {
	return Object.entries(defined(how)).some(([name, value]) => name !== "heads" || value === true);
}

function quantizeOption({ quantize }: Values, rest: Fields | undefined): unknown {
	return rest === undefined || quantize === undefined ? (rest ?? quantize) : { type: quantize, ...rest };
}

/** Whether a value is an object of options. */
export function isPlain(value: unknown): value is Values {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What of the options is said to the caller, and by them. */
export function callbacksOf({ signal, onProgress, onLog }: JobOptions): JobOptions {
	return { signal, onProgress, onLog };
}

/** What was given. null is nothing, as undefined: JSON knows no other. */
export function defined(values: Values): Fields {
	return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== null));
}
