import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { rankText } from "../rank-views.js";

const builder = (cli: Argv<GlobalArguments>) => withOptions(cli.positional("model", modelPositional), "rank");

/** Contributions of all blocks; no model is written. */
export function rankCommand(context: CliContext) {
	return defineCommand({
		command: "rank <model>",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const options = { ...optionsOf("rank", args), signal, onProgress, onLog };
					const result = await api.rankBlocks(args.model, options);
					return outcome(result, rankText);
				},
				{ resumable: true },
			),
	});
}
