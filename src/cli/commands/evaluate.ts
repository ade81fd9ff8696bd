import type { ArgumentsCamelCase, Argv } from "yargs";
import { presets } from "../api.js";
import { choiceOption, integerOption } from "../coerce.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import {
	defineCommand,
	groups,
	machineOptions,
	modelPositional,
	questionOptions,
	removeOption,
	textValue,
	unknownOption,
	valueOption,
} from "../options.js";
import { evaluateText, questionsText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.options({
			text: textValue("text", "Text file to score", groups.text),
			preset: valueOption(
				`How the text is scored: ${presets.join(", ")} [default: llama-perplexity]`,
				groups.text,
				choiceOption("preset", presets),
			),
			context: valueOption("Tokens in a window of the text [default: 512]", groups.text, integerOption("context", { min: 4 })),
			...questionOptions,
			against: textValue(
				"against",
				"Another model to compare with: by KL divergence, top token and loss on a text, by answers on questions [default with --remove: the whole model]",
				groups.text,
			),
			remove: removeOption("Score it as if these blocks were removed, numbered from 0, such as 3,7-9"),
			...machineOptions,
			"allow-unknown-architecture": unknownOption,
		})
		.conflicts("text", "questions")
		.example("$0 evaluate model.gguf --text wiki.txt", "Perplexity as llama-perplexity computes it")
		.example("$0 evaluate model.gguf --text wiki.txt --remove 3,7,11", "The same without these blocks, beside the whole model")
		.example("$0 evaluate small.gguf --text wiki.txt --against model.gguf", "How far a model has gone from another")
		.example("$0 evaluate model.gguf --questions arc.jsonl --remove 3,7", "Accuracy without these blocks, beside the whole model");

type Arguments = ArgumentsCamelCase<ReturnType<typeof builder> extends Argv<infer T> ? T : never>;

/** Options of the one kind of measurement that the other does not read. */
function checkKind(args: Arguments): void {
	if (args.text === undefined && args.questions === undefined)
		throw new UsageError("--text is missing: give a text to score with --text FILE, or questions with --questions FILE.");
	const foreign = args.text === undefined ? { preset: args.preset, context: args.context } : { limit: args.limit };
	const name = Object.entries(foreign).find(([, value]) => value !== undefined)?.[0];
	if (name !== undefined) throw new UsageError(`--${name} belongs to --${args.text === undefined ? "text" : "questions"}: leave it out.`);
}

/** Perplexity or accuracy of a file, or of a file under a mask. */
export function evaluateCommand(context: CliContext) {
	return defineCommand({
		command: "evaluate <model>",
		describe: "Measure the perplexity or the accuracy of a model, whole or without some blocks",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					checkKind(args);
					const { text, questions, remove, against, threads, gpuLayers, allowUnknownArchitecture } = args;
					const common = { remove, against, threads, gpuLayers, allowUnknownArchitecture, signal, onProgress, onLog };
					if (questions !== undefined) {
						const result = await api.evaluateQuestions(args.model, { questions, limit: args.limit, ...common });
						return outcome(result, questionsText);
					}
					const result = await api.evaluateModel(args.model, { text: text ?? "", preset: args.preset, context: args.context, ...common });
					return outcome(result, evaluateText);
				},
				{ resumable: true },
			),
	});
}
