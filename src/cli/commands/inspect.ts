import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, modelPositional } from "../options.js";
import { inspectText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) => cli.positional("model", modelPositional);

/** Reads the file's header only. */
export function inspectCommand(context: CliContext) {
	return defineCommand({
		command: "inspect <model>",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api }) => {
				const result = await api.inspectModel(args.model);
				return outcome(result, inspectText);
			}),
	});
}
