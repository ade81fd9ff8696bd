import type { ArgumentsCamelCase, Argv, CommandModule, Options } from "yargs";
import {
	defaultMethod,
	efforts,
	factsOf,
	isEstimator,
	type MeasureOptions,
	type MethodOption,
	methods,
	type RankMethod,
	objectives,
	rankMethods,
	STRATA_PRESETS,
	type StrataPresetName,
	stateTypes,
	workingWeights,
} from "./api.js";
import { blocksOption, choiceOption, durationOption, fractionOption, integerOption, textOption, weightedFilesOption } from "./coerce.js";
import type { GlobalArguments } from "./context.js";

/** Groups of the help. */
export const groups = {
	amount: "How much to remove:",
	gate: "Quality gate, which also says how much to remove where nothing else does:",
	method: "How to choose:",
	text: "Text to measure on:",
	machine: "Machine:",
	output: "Output:",
	danger: "Dangerous options:",
} as const;

/** An option with a value: read as text, so that yargs turns nothing into NaN or a list without a word. */
export function valueOption<T>(describe: string, group: string, coerce: (value: unknown) => T) {
	return { describe, group, coerce, type: "string", requiresArg: true } as const;
}

/** An option whose value is any text, a file name for example. */
export const textValue = (name: string, describe: string, group: string) => valueOption(describe, group, textOption(name));

/** A command whose handler takes what its builder declares. */
export function defineCommand<T>(command: {
	readonly command: string | string[];
	readonly describe: string;
	readonly builder: (cli: Argv<GlobalArguments>) => Argv<T>;
	readonly handler: (args: ArgumentsCamelCase<T>) => void | Promise<void>;
}): CommandModule<GlobalArguments, T> {
	return command;
}

/** Options that every command has. */
export const globalOptions = {
	json: { describe: "Print one JSON document on standard output", type: "boolean", group: groups.output },
	quiet: { alias: "q", describe: "No progress and no notes", type: "boolean", group: groups.output },
	verbose: { describe: "Also print details, and llama.cpp's own lines where it fails", type: "boolean", group: groups.output },
} as const satisfies Record<string, Options>;

/** Where and how fast the model runs. */
export const machineOptions = {
	threads: valueOption("Threads that compute [default: physical cores]", groups.machine, integerOption("threads", { min: 1, max: 512 })),
	"gpu-layers": valueOption(
		"Blocks put on the GPU, where a GPU back end was built; -1 for all [default: -1]",
		groups.machine,
		integerOption("gpu-layers", { min: -1, max: 9999 }),
	),
};

/** For architectures that the table lacks. */
export const unknownOption = {
	describe: "Try an architecture that prune-gguf does not know; a file is kept only if it is proven on this model",
	type: "boolean",
	group: groups.danger,
} as const satisfies Options;

/** Multiple-choice questions. */
export const questionOptions = {
	questions: textValue("questions", "Multiple-choice questions: JSON Lines with query, choices, gold, or HellaSwag's text", groups.text),
	limit: valueOption("Questions to take from the beginning of the file [default: all]", groups.text, integerOption("limit", { min: 1 })),
};

/** What a search may spend; the help names those of a command's methods that read it, and no others. */
export function budgetOptions(taken: readonly RankMethod[]) {
	const readers = (option: MethodOption) =>
		taken.filter((method) => !isEstimator(method) && factsOf(method).reads?.includes(option)).join(", ");
	const estimators = taken.some(isEstimator) ? ", the estimators [26 a block, 300 to 800]" : "";
	return {
		effort: valueOption(
			`How many masks are spent: ${efforts.join(", ")}; for ${readers("effort")} [default: standard]`,
			groups.method,
			choiceOption("effort", efforts),
		),
		"max-time": valueOption(
			`Time that the search takes, such as 20m; it ends with the best so far; for ${readers("maxTime")}`,
			groups.method,
			durationOption("max-time"),
		),
		"max-tokens": valueOption(
			`Tokens that the search measures at most; for ${readers("maxTokens")}`,
			groups.method,
			integerOption("max-tokens", { min: 1 }),
		),
		masks: valueOption(
			`Masks that are measured at most: ${readers("effort")} [default: by effort], paper [8000], paper-repaired [1000]${estimators}`,
			groups.method,
			integerOption("masks", { min: 1 }),
		),
	};
}

/** How blocks are measured. */
export const measureOptions = {
	method: valueOption(
		`How blocks are chosen: ${methods.join(", ")} (compare --help says what they do) [default: ${defaultMethod}]`,
		groups.method,
		choiceOption("method", methods),
	),
	...budgetOptions(methods),
	strata: valueOption("The paper's numbers of kept blocks, such as 28,25,22", groups.method, blocksOption("strata")),
	"strata-preset": valueOption(
		`The strata of one of the paper's runs, scaled to the model: ${Object.keys(STRATA_PRESETS).join(", ")} [default: by the model's kind]`,
		groups.method,
		choiceOption("strata-preset", Object.keys(STRATA_PRESETS) as StrataPresetName[]),
	),
	"attribution-masks": valueOption(
		"The paper's masks for the contributions [default: 80000]",
		groups.method,
		integerOption("attribution-masks", { min: 1 }),
	),
	epochs: valueOption(
		"The network's passes over the masks, for the paper's methods [default: 300]",
		groups.method,
		integerOption("epochs", { min: 1 }),
	),
	seed: valueOption("Seed of everything drawn at random [default: 0]", groups.method, integerOption("seed", { max: 2 ** 32 - 1 })),
	calibration: {
		describe:
			"Text files (plain, or JSON Lines with text or messages), of several each with its weight: a.txt=2 b.jsonl=1 [default: the model's own samples]",
		group: groups.text,
		type: "array",
		string: true,
		requiresArg: true,
		coerce: weightedFilesOption("calibration"),
	},
	objective: valueOption(
		"What is kept small: nll (the text's negative log-likelihood), kl (divergence from the full model), accuracy (loss of the right choices of --questions) [default: nll]",
		groups.text,
		choiceOption("objective", objectives),
	),
	...questionOptions,
	windows: valueOption("Windows to search on [default: 10]", groups.text, integerOption("windows", { min: 2 })),
	"window-length": valueOption("Tokens in a window [default: 128]", groups.text, integerOption("window-length", { min: 8 })),
	...machineOptions,
	"working-weights": valueOption(
		"Weights that a search runs on: own, a type such as Q8_0 for a copy in memory, or auto: a copy where it pays [default: auto; rank: own]",
		groups.machine,
		choiceOption("working-weights", workingWeights),
	),
	ubatch: valueOption(
		"Tokens that run through a block at once in the search; changes bits [default: as the search was begun; of a long new one what is fastest]",
		groups.machine,
		integerOption("ubatch", { min: 1, max: 65536 }),
	),
	"score-share": valueOption(
		"Share of the search text's positions that are scored, such as 25%: quicker, less exact; finalists and figures take all [default: all]",
		groups.machine,
		fractionOption("score-share"),
	),
	"state-bytes": valueOption(
		"Memory for hidden states kept between masks, bytes; beyond it they are computed again [default: 1073741824]",
		groups.machine,
		integerOption("state-bytes"),
	),
	"reference-bytes": valueOption(
		"Memory for the full model's distributions on one fold, bytes; a KL divergence that needs more is refused, or left out of figures [default: 1073741824]",
		groups.machine,
		integerOption("reference-bytes"),
	),
	"state-type": valueOption(
		"Type of hidden states kept between masks: F32, or F16 for half the memory and other bits [default: F32]",
		groups.machine,
		choiceOption("state-type", stateTypes),
	),
	"allow-unknown-architecture": unknownOption,
} as const;

/** Of the command that writes a model, beside those of all that measure. */
export const roundsOption = valueOption(
	"Rank, cut an equal share, play again: so often, for leave-one-out and paper-repaired [default: 1]",
	groups.method,
	integerOption("rounds", { min: 1 }),
);

/** How `rank` judges blocks: methods that choose sets only give no contributions. */
export const rankMethod = valueOption(
	`How blocks are judged: ${rankMethods.join(", ")} [default: leave-one-out]`,
	groups.method,
	choiceOption("method", rankMethods),
);

export const removeOption = (describe: string) => valueOption(describe, groups.amount, blocksOption("remove"));

/** `--no-report` arrives as `false`. */
export const reportOption = valueOption(
	"Where to write the report, an HTML page with its JSON beside it; --no-report for none [default: OUTPUT.report.html]",
	groups.output,
	(value: unknown) => (value === false ? false : textOption("report")(value)),
);

export const overwriteOption = {
	describe: "Replace the output if it exists (the input never)",
	type: "boolean",
	group: groups.danger,
} as const satisfies Options;

/** Positional argument: a model file. */
export const modelPositional = { describe: "GGUF file; of a split model the first part", type: "string", demandOption: true } as const;
export const outputPositional = { describe: "File to write", type: "string" } as const;

type MachineArguments = Pick<
	MeasureOptions,
	| "threads"
	| "gpuLayers"
	| "workingWeights"
	| "ubatch"
	| "scoreShare"
	| "stateType"
	| "stateBytes"
	| "referenceBytes"
	| "allowUnknownArchitecture"
>;

/** Of parsed arguments those that say how a search is measured. */
export function machineArguments(args: MachineArguments): MachineArguments {
	const { threads, gpuLayers, workingWeights, ubatch, scoreShare, stateType, stateBytes, referenceBytes, allowUnknownArchitecture } = args;
	return { threads, gpuLayers, workingWeights, ubatch, scoreShare, stateType, stateBytes, referenceBytes, allowUnknownArchitecture };
}
