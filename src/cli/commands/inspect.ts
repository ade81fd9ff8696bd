import type { Argv, CommandModule } from "yargs";
import type { CliContext, GlobalArguments } from "../context.js";
import { modelPositional } from "../options.js";
import { inspectText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli.positional("model", modelPositional).example("$0 inspect model.gguf", "Show what the file is, and which blocks could go");

/** Reads the file's header only. */
export function inspectCommand(context: CliContext) {
	return {
		command: "inspect <model>",
		describe: "Show what a model is and what can be removed from it",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, style }) => {
				const result = await api.inspectModel(args.model);
				return { json: result, text: inspectText(result, style) };
			}),
	} satisfies CommandModule<GlobalArguments, Awaited<ReturnType<typeof builder>["argv"]>>;
}
