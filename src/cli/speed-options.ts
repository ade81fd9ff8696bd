import { speedups } from "./api.js";
import { choiceOption, integerOption, numberOption } from "./coerce.js";
import { groups, valueOption } from "./options.js";

// Options about speed, and about what is measured of both models at the end.

const targetSpeedup = (describe: string) => valueOption(describe, groups.amount, numberOption("target-speedup", { min: 1, max: 1000 }));

export const targetSpeedupOptions = {
	"target-speedup": targetSpeedup(
		"How many times as fast it shall be, such as 1.3; as few blocks go as reach that, measured on this machine",
	),
	"speedup-of": valueOption(
		`What --target-speedup is taken of: ${speedups.join(", ")} [default: generation]`,
		groups.amount,
		choiceOption("speedup-of", speedups),
	),
} as const;

/** The same of a frontier, which compares what there is. */
export const frontierSpeedupOptions = {
	...targetSpeedupOptions,
	"target-speedup": targetSpeedup(
		"How many times as fast as the model as it is at least, such as 1.3; every combination is measured on this machine",
	),
} as const;

/** `--no-samples` arrives as `false`. */
const samplesOption = (value: unknown): number | undefined => (value === false ? 0 : integerOption("samples", { max: 64 })(value));

export const pairOptions = {
	speed: {
		describe: "Measure speed and memory before and after; --no-speed for not [default: where a model is written]",
		type: "boolean",
		group: groups.output,
	},
	samples: valueOption(
		"Prompts that both models write on, to find loops and the like; --no-samples for none [default: 4 where a model is written]",
		groups.output,
		samplesOption,
	),
} as const;

export const speedMeasureOptions = {
	"prompt-tokens": valueOption(
		"Tokens of the prompt [default: 512, or what fits the context]",
		groups.text,
		integerOption("prompt-tokens", { min: 1 }),
	),
	"generated-tokens": valueOption(
		"Tokens generated after it, one by one [default: 64]",
		groups.text,
		integerOption("generated-tokens", { min: 1 }),
	),
	repetitions: valueOption(
		"Repetitions that count; fewer than six give no interval [default: 6]",
		groups.text,
		integerOption("repetitions", { min: 1, max: 1000 }),
	),
	context: valueOption(
		"Tokens of context that memory is counted for [default: 4096, or the model's own where that is smaller]",
		groups.text,
		integerOption("context", { min: 1, max: 2 ** 30 }),
	),
} as const;
