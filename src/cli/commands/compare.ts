import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { compareText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) => withOptions(cli.positional("model", modelPositional), "compare");

/** Methods side by side; no model is written. */
export function compareCommand(context: CliContext) {
	return defineCommand({
		command: "compare <model>",
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
