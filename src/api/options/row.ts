// What a row of the table of options says.
import type { ApplyOptions } from "../apply.js";
import type { BuildOptions } from "../build.js";
import type { CompareOptions } from "../compare.js";
import type { FrontierOptions } from "../frontier.js";
import type { JobOptions } from "../job.js";
import type { PruneOptions } from "../prune.js";
import type { QuestionsOptions } from "../questions.js";
import type { RankOptions } from "../rank.js";
import type { CleanOptions } from "../runs.js";
import type { SpeedOptions } from "../speed.js";
import type { EvaluateOptions } from "../text.js";

/** What each command's function takes, without what no command line gives. */
export interface CommandOptions {
	readonly prune: PruneOptions;
	readonly rank: RankOptions;
	readonly compare: CompareOptions;
	readonly frontier: FrontierOptions;
	readonly apply: ApplyOptions;
	/** Of a text; of questions below. */
	readonly evaluate: EvaluateOptions;
	readonly questions: QuestionsOptions;
	readonly speed: SpeedOptions;
	readonly build: BuildOptions;
	readonly clean: CleanOptions;
}

/** Commands by their keys; `questions` is the command `evaluate` with questions. */
export type OptionCommand = Exclude<keyof CommandOptions, "questions">;

/** Names by which the fields of an options type are reached: `windows`, `heal.tokens`. */
type PathsOf<T> = {
	[Key in keyof T & string]-?: Extract<T[Key], Plain> extends never ? Key : Key | `${Key}.${keyof Extract<T[Key], Plain> & string}`;
}[keyof T & string];

/** An object of options: what is no text, number, switch, list or date. */
type Plain = { readonly [key: string]: unknown } | NestedOptions;
type NestedOptions =
	| NonNullable<PruneOptions["search"]>
	| NonNullable<RankOptions["search"]>
	| NonNullable<CompareOptions["search"]>
	| NonNullable<ApplyOptions["search"]>
	| NonNullable<PruneOptions["limits"]>
	| Extract<PruneOptions["heal"], object>
	| Extract<PruneOptions["quantize"], object>
	| Extract<FrontierOptions["quantize"], object>;

/** Where an option is in the options of some function. */
export type OptionPath = {
	[Command in keyof CommandOptions]: Exclude<PathsOf<CommandOptions[Command]>, keyof JobOptions>;
}[keyof CommandOptions];

/** Range of a number. */
export interface NumberRange {
	readonly min?: number;
	readonly max?: number;
}

/** What a value is, and so how it is read from a command line and written to one. */
export type OptionValue =
	| { readonly kind: "switch" }
	/** Whole, from 0 where nothing else is said. */
	| ({ readonly kind: "integer" | "integers" | "number" } & NumberRange)
	/** A number of blocks or a share of them: `4`, `25%`; of `amounts` several. */
	| { readonly kind: "amount" | "amounts" }
	/** Between 0 and 1, both excluded: `25%`. */
	| { readonly kind: "share" }
	/** Seconds. */
	| { readonly kind: "duration" }
	/** Bytes, at least 1 where nothing else is said. */
	| ({ readonly kind: "size" } & Pick<NumberRange, "min">)
	/** `1.3`, or with what it is of: `prompt:1.3`. */
	| ({ readonly kind: "speedup" } & NumberRange)
	/** Nothing, a time or a number of tokens; the value only behind `=`. */
	| ({ readonly kind: "heal" } & NumberRange)
	/** Block numbers, `3,7-9`; of `counts` numbers of blocks. */
	| { readonly kind: "blocks" | "counts" }
	/** A number of blocks, `all` or `auto`. */
	| ({ readonly kind: "layers" } & Pick<NumberRange, "max">)
	/** Names with commas between. */
	| { readonly kind: "names" }
	| { readonly kind: "text" }
	| { readonly kind: "choice" | "choices"; readonly of: readonly string[] }
	/** Types that llama.cpp's quantizer knows. */
	| { readonly kind: "fileType" | "fileTypes" }
	/** Of `files` all names that follow, of `weightedFiles` with weights; `eachFile` is given once for each. */
	| { readonly kind: "files" | "weightedFiles" | "eachFile" }
	/** `NAME=45%`, given once for each. */
	| { readonly kind: "accuracies" };

/** Groups of the help, in their order. Research options come last, in a group of their own. */
export const optionGroups = {
	measure: "What to measure",
	clean: "What to delete",
	amount: "How much to remove",
	limits: "Quality limits",
	text: "Calibration text",
	search: "Search",
	heal: "Healing",
	output: "Output",
	machine: "Machine",
} as const;
export type OptionGroup = keyof typeof optionGroups;

/** Titles of groups that say more in some commands. */
const titlesIn: Readonly<Partial<Record<OptionCommand, Partial<Record<OptionGroup, string>>>>> = {
	prune: { limits: "Quality limits (without an amount they decide how much to remove)" },
};

/** The groups with their titles in the help of a command. */
export const groupTitles = (command: OptionCommand): [group: OptionGroup, title: string][] =>
	(Object.keys(optionGroups) as OptionGroup[]).map((group) => [group, titlesIn[command]?.[group] ?? optionGroups[group]]);

/** What the command line says of an option. */
interface OptionFace {
	/** As it is written behind `--`. */
	readonly flag: string;
	/** As it is written behind a single `-`. */
	readonly short?: string;
	/** For people, without its default. */
	readonly help: string;
	/** The default in words; left out where there is none to speak of. */
	readonly default?: string;
	/** What the help shows in place of a value. @default by the kind of value */
	readonly meta?: string;
	readonly value: OptionValue;
	readonly group: OptionGroup;
	/** Key of the option that the help shows it after. @default the one above it in the table */
	readonly after?: string;
}

/** What the table says of every setting. */
interface SettingRow {
	/** Where it is in the options of the function. */
	readonly path: OptionPath;
	/** Commands that take it. */
	readonly commands: readonly OptionCommand[];
	/** Functions that take it, though their commands do not. */
	readonly api?: readonly OptionCommand[];
	/** Key under which a plan records it. @default it is not recorded there, or elsewhere in the plan */
	readonly plan?: string;
}

/** One option. */
export interface OptionRow extends SettingRow, OptionFace {
	/** What `--no-FLAG` gives, of an option with a value. @default it cannot be switched off */
	readonly off?: false | 0;
	/** `basic`: on the first screen of the help; `research`: only under `--help-all`. @default with the other options of its command */
	readonly level?: "basic" | "research";
	/** Whether a printed command names it; `both`: also where it is switched off; `off`: only there. @default where it is given */
	readonly printed?: false | "both" | "off";
	/** Key of the option that it is printed after. @default the one above it in the table */
	readonly printedAfter?: string;
	/** What is otherwise in some commands. */
	readonly per?: Readonly<Partial<Record<OptionCommand, Partial<OptionFace>>>>;
}

/** A setting that people give as part of another option: its share, its time. */
export interface PartRow extends SettingRow {
	/** Key of that option. */
	readonly partOf: string;
	readonly value: OptionValue;
	readonly group: OptionGroup;
}

/** Some rows by the names of their settings. */
export type OptionRows = Readonly<Record<string, OptionRow | PartRow>>;
