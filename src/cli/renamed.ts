// Old spellings: each gets an error that names the new one.
import { optionName, splitAtEnd, valueAt, optionValue } from "./arguments.js";
import { type CommandFacts, nameOf } from "./command-facts.js";
import { UsageError } from "./exit.js";

interface Renamed {
	readonly was: string;
	/** Commands that had it. */
	readonly commands: readonly string[];
	/** What to write instead of it with a value, and with what other options have. */
	readonly now: (value: string, other: OtherValue) => string;
	/** Shown where no value was given. */
	readonly example: string;
}

/** Value of an option by its flag. */
type OtherValue = (flag: string) => string | undefined;

const named = (was: string, now: string, example: string, commands: readonly string[]): Renamed => ({
	...{ was, commands, example },
	now: (value) => `--${now} ${value}`,
});

const searching = ["prune", "rank", "compare", "frontier"];
const healing = ["prune", "frontier", "apply"];
const measuring = ["prune", "rank", "compare"];

const renamedOptions: readonly Renamed[] = [
	{
		was: "remove-fraction",
		commands: ["prune"],
		now: (value) => `--remove-blocks ${percents(value)}`,
		example: "25%",
	},
	{
		was: "remove-fraction",
		commands: ["compare"],
		now: (value, other) => `--remove-blocks ${[other("remove-blocks") ?? [], percents(value)].flat().join(",")}`,
		example: "25%",
	},
	{ was: "heal-tokens", commands: healing, now: (value) => `--heal=${value}`, example: "25600" },
	{ was: "heal-time", commands: healing, now: (value) => `--heal=${value}${isPlain(value) ? "s" : ""}`, example: "10m" },
	named("masks", "max-evaluations", "N", searching),
	named("attribution-masks", "attribution-samples", "N", ["prune", "rank", "frontier"]),
	named("limit", "max-questions", "N", [...measuring, "evaluate"]),
	named("objective", "metric", "loss", measuring),
	named("gate-questions", "limit-questions", "FILE", ["prune", "apply"]),
	named("output", "save-result", "FILE", ["compare", "frontier"]),
	named("context", "window-length", "N", ["evaluate"]),
	named("back-end", "backend", "cuda", ["build"]),
	{ was: "ignore-gate", commands: ["prune", "apply"], now: () => "--ignore-limits", example: "" },
];

const isPlain = (value: string) => /^(\d+\.?\d*|\.\d+)$/.test(value);

/** Shares as they are written now: `0.25` is `25%`. */
function percents(shares: string): string {
	const parts = shares.split(",").map((part) => {
		if (!isPlain(part)) return part;
		return `${Number(part) < 1 ? Number((Number(part) * 100).toPrecision(12)) : part}%`;
	});
	return parts.join(",");
}

/** @throws UsageError for an option or a value that has another name now */
export function checkRenamed(command: CommandFacts, words: readonly string[]): void {
	const name = nameOf(command);
	const [options] = splitAtEnd(words);
	for (const [i, word] of options.entries()) {
		const option = optionName(word)?.replace(/^no-/, "");
		if (option === undefined || !word.startsWith("--")) continue;
		const value = valueAt(options, i);
		const hint = hintFor(name, option, value, (flag) => optionValue(options, flag));
		if (hint !== undefined) throw new UsageError(`--${option} is not an option any more: use ${hint}`);
		const renamed = renamedValue(name, option, value);
		if (renamed !== undefined) throw new UsageError(`--${option} ${value} has another name now: use --${option} ${renamed}`);
	}
}

/** The name that a value of an option has now; undefined where it has no other. */
export function renamedValue(command: string, option: string, value: unknown): string | undefined {
	return option === "metric" && value === "nll" && measuring.includes(command) ? "loss" : undefined;
}

/** The same of a key of a config file, by its flag; undefined where it has no other name. @param content of the file */
export function renamedTo(command: string, flag: string, content: Readonly<Record<string, unknown>>): string | undefined {
	const text = (key: string) => (content[key] === undefined ? undefined : String(content[key]));
	return hintFor(command, flag, text(flag), text);
}

function hintFor(command: string, option: string, value: string | undefined, other: OtherValue): string | undefined {
	if (option === "speedup-of" && ["prune", "frontier"].includes(command))
		return `--target-speedup ${value === "generation" ? "" : "prompt:"}${other("target-speedup") ?? "1.3"}`;
	const renamed = renamedOptions.find(({ was, commands }) => was === option && commands.includes(command));
	if (option === "objective" && value === "nll") return renamed?.now("loss", other);
	return renamed?.now(value ?? renamed.example, other);
}
