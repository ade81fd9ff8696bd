// Old spellings: each gets an error that names the new one.
import { optionName, splitAtEnd } from "./arguments.js";
import { type CommandFacts, nameOf } from "./command-facts.js";
import { UsageError } from "./exit.js";

interface Renamed {
	readonly was: string;
	/** Commands that had it. */
	readonly commands: readonly string[];
	/** What to write instead of it with a value. */
	readonly now: (value: string) => string;
	/** Shown where no value was given. */
	readonly example: string;
}

const named = (was: string, now: string, example: string, commands: readonly string[]): Renamed => ({
	...{ was, commands, example },
	now: (value) => `--${now} ${value}`,
});

const searching = ["prune", "rank", "compare", "frontier"];
const healing = ["prune", "frontier", "apply"];
const measuring = ["prune", "rank", "compare"];

const renamedOptions: readonly Renamed[] = [
	named("remove-fraction", "remove-blocks", "25%", ["prune", "compare"]),
	{ was: "heal-tokens", commands: healing, now: (value) => `--heal=${value}`, example: "25600" },
	{ was: "heal-time", commands: healing, now: (value) => `--heal=${value}`, example: "10m" },
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

/** @throws UsageError for an option or a value that has another name now */
export function checkRenamed(command: CommandFacts, words: readonly string[]): void {
	const name = nameOf(command);
	const [options] = splitAtEnd(words);
	for (const [i, word] of options.entries()) {
		const option = optionName(word)?.replace(/^no-/, "");
		if (option === undefined || !word.startsWith("--")) continue;
		const value = valueAt(options, i);
		const hint = hintFor(name, option, value, options);
		if (hint !== undefined) throw new UsageError(`--${option} is not an option any more: use ${hint}`);
		if (option === "metric" && value === "nll" && measuring.includes(name))
			throw new UsageError("--metric nll has another name now: use --metric loss");
	}
}

/** The same of a key of a config file, by its flag; undefined where it has no other name. */
export function renamedTo(command: string, flag: string, value: string | undefined): string | undefined {
	return hintFor(command, flag, value, []);
}

function hintFor(command: string, option: string, value: string | undefined, options: readonly string[]): string | undefined {
	if (option === "speedup-of" && ["prune", "frontier"].includes(command)) {
		const at = options.findIndex((word) => optionName(word) === "target-speedup");
		const times = (at < 0 ? undefined : valueAt(options, at)) ?? "1.3";
		return `--target-speedup ${value === "generation" ? "" : "prompt:"}${times}`;
	}
	const renamed = renamedOptions.find(({ was, commands }) => was === option && commands.includes(command));
	if (option === "objective" && value === "nll") return renamed?.now("loss");
	return renamed?.now(value ?? renamed.example);
}

function valueAt(options: readonly string[], index: number): string | undefined {
	const [, behind] = /=(.*)$/s.exec(options[index]!) ?? [];
	if (behind !== undefined) return behind;
	const next = options[index + 1];
	return next === undefined || next.startsWith("-") ? undefined : next;
}
