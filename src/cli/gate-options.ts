import { UsageError } from "./exit.js";
import { numberOption } from "./coerce.js";
import { groups, valueOption } from "./options.js";

// Options of the quality gate. Those with several values are given several times: a list would swallow the names of the files before it.

/** Reads `NAME=45%` or `NAME=0.45`, each name once. */
function accuraciesOption(name: string) {
	return (value: unknown): Record<string, number> | undefined => {
		if (value === undefined) return undefined;
		const all: Record<string, number> = {};
		for (const text of listed(name, value).flatMap((one) => one.split(","))) {
			const [, key = "", number, percent] = /^\s*(.+)=\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*$/.exec(text) ?? [];
			const share = Number(number) / (percent ? 100 : 1);
			if (!(share > 0 && share <= 1))
				throw new UsageError(
					`--${name}: expected NAME=VALUE with a share, such as arc_easy=45% or arc_easy=0.45, got ${JSON.stringify(text)}.`,
				);
			if (key in all) throw new UsageError(`--${name}: ${key} is named twice.`);
			all[key] = share;
		}
		return all;
	};
}

function filesGiven(name: string) {
	return (value: unknown): string[] | undefined => (value === undefined ? undefined : listed(name, value));
}

function listed(name: string, value: unknown): string[] {
	const texts = (Array.isArray(value) ? value : [value]).map((one) => String(one).trim());
	if (texts.includes("")) throw new UsageError(`--${name}: a value is missing.`);
	return texts;
}

/** Limits that a model must keep, of the commands that write one. */
export const gateOptions = {
	"max-ppl-ratio": valueOption(
		"Perplexity after over before at most, such as 1.2; not met: exit code 3, no model is written",
		groups.gate,
		numberOption("max-ppl-ratio", { min: 1 }),
	),
	"max-kl": valueOption(
		"KL divergence of the whole model from the pruned one at most, nats per token, such as 0.1",
		groups.gate,
		numberOption("max-kl", { min: 0 }),
	),
	"min-accuracy": valueOption(
		"NAME=VALUE: accuracy at least on the questions of that name, such as arc_easy=45% (may be given several times)",
		groups.gate,
		accuraciesOption("min-accuracy"),
	),
	"gate-questions": valueOption(
		"File of the questions that --min-accuracy names, beside --questions (may be given several times)",
		groups.gate,
		filesGiven("gate-questions"),
	),
	"ignore-gate": { describe: "Write a model that misses the limits all the same", type: "boolean", group: groups.danger },
} as const;

/** The limits of a command's arguments, as the functions take them. */
export function gateArguments(args: {
	readonly maxPplRatio?: number | undefined;
	readonly maxKl?: number | undefined;
	readonly minAccuracy?: Record<string, number> | undefined;
	readonly gateQuestions?: string[] | undefined;
	readonly ignoreGate?: boolean | undefined;
}) {
	const { maxPplRatio, maxKl, minAccuracy, gateQuestions, ignoreGate } = args;
	return { maxPplRatio, maxKl, minAccuracy, gateQuestions, ignoreGate };
}
