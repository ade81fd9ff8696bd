import type { Argv } from "yargs";
import { methodFacts, methods } from "../api.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { compareText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional), "compare")
		.conflicts("remove-blocks", "remove-fraction")
		.example("$0 compare model.gguf", "The usual methods at three sizes, scored on text that none has seen")
		.example("$0 compare model.gguf --methods auto,greedy,random --remove-blocks 3,6", "Three methods, two sizes")
		.example("$0 compare model.gguf --eval a.txt b.txt --masks 300 --output compare.json", "Scored on your own texts")
		.example("$0 compare model.gguf --eval-questions arc.jsonl piqa.jsonl", "Scored on questions too")
		.epilogue(methodsText());

/** Methods side by side; no model is written. */
export function compareCommand(context: CliContext) {
	return defineCommand({
		command: "compare <model>",
		describe: "Compare methods that choose blocks, at equal budgets and on unseen text",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const options = { ...optionsOf("compare", args), signal, onProgress, onLog };
					const result = await api.compareMethods(args.model, options);
					return outcome(result, compareText);
				},
				{ resumable: true },
			),
	});
}

/** Every method with its line. */
function methodsText(): string {
	const width = Math.max(...methods.map((method) => method.length));
	return `Methods:\n${methods.map((method) => `  ${method.padEnd(width)}  ${methodFacts[method].does}`).join("\n")}`;
}
