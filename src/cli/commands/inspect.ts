import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, modelPositional } from "../options.js";
import { inspectText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli.positional("model", modelPositional).example("$0 inspect model.gguf", "Show what the file is, and which blocks could go");

/** Reads the file's header only. */
export function inspectCommand(context: CliContext) {
	return defineCommand({
		command: "inspect <model>",
		describe: "Show what a model is and what can be removed from it",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api }) => {
				const result = await api.inspectModel(args.model);
				return outcome(result, inspectText);
			}),
	});
}
