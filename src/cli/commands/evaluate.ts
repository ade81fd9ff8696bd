import type { Argv } from "yargs";
import type { Settings } from "../api.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, settingsOf, withOptions } from "../options.js";
import { evaluateText, questionsText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) => withOptions(cli.positional("model", modelPositional), "evaluate");

/** Options of the one kind of measurement that the other does not read. */
function checkKind({ text, questions, preset, windowLength, maxQuestions }: Settings<"evaluate">): void {
	if (text === undefined && questions === undefined)
		throw new UsageError("--text is missing: give a text to score with --text FILE, or questions with --questions FILE.");
	const foreign = text === undefined ? { preset, "window-length": windowLength } : { "max-questions": maxQuestions };
	const name = Object.entries(foreign).find(([, value]) => value !== undefined)?.[0];
	if (name !== undefined) throw new UsageError(`--${name} belongs to --${text === undefined ? "text" : "questions"}: leave it out.`);
}

/** Perplexity or accuracy of a file, or of a file without some blocks. */
export function evaluateCommand(context: CliContext) {
	return defineCommand({
		command: "evaluate <model>",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const settings = settingsOf("evaluate", args);
					checkKind(settings);
					const { text, questions, preset, windowLength, maxQuestions, ...common } = settings;
					const watched = { ...common, signal, onProgress, onLog };
					if (questions !== undefined) {
						const result = await api.evaluateQuestions(args.model, { questions, maxQuestions, ...watched });
						return outcome(result, questionsText);
					}
					const result = await api.evaluateModel(args.model, { text: text ?? "", preset, windowLength, ...watched });
					return outcome(result, evaluateText);
				},
				{ resumable: true },
			),
	});
}
