import type { Argv } from "yargs";
import type { Settings } from "../api.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, settingsOf, withOptions } from "../options.js";
import { evaluateText, questionsText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional), "evaluate")
		.conflicts("text", "questions")
		.example("$0 evaluate model.gguf --text wiki.txt", "Perplexity as llama-perplexity computes it")
		.example("$0 evaluate model.gguf --text wiki.txt --remove 3,7,11", "The same without these blocks, beside the original model")
		.example("$0 evaluate small.gguf --text wiki.txt --against model.gguf", "How far a model has gone from another")
		.example("$0 evaluate model.gguf --questions arc.jsonl --remove 3,7", "Accuracy without these blocks, beside the original model");

/** Options of the one kind of measurement that the other does not read. */
function checkKind({ text, questions, preset, context, limit }: Settings<"evaluate">): void {
	if (text === undefined && questions === undefined)
		throw new UsageError("--text is missing: give a text to score with --text FILE, or questions with --questions FILE.");
	const foreign = text === undefined ? { preset, context } : { limit };
	const name = Object.entries(foreign).find(([, value]) => value !== undefined)?.[0];
	if (name !== undefined) throw new UsageError(`--${name} belongs to --${text === undefined ? "text" : "questions"}: leave it out.`);
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
					const settings = settingsOf("evaluate", args);
					checkKind(settings);
					const { text, questions, preset, context: length, limit: maxQuestions, ...common } = settings;
					const watched = { ...common, signal, onProgress, onLog };
					if (questions !== undefined) {
						const result = await api.evaluateQuestions(args.model, { questions, maxQuestions, ...watched });
						return outcome(result, questionsText);
					}
					const result = await api.evaluateModel(args.model, { text: text ?? "", preset, context: length, ...watched });
					return outcome(result, evaluateText);
				},
				{ resumable: true },
			),
	});
}
