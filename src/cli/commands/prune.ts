import { existsSync } from "node:fs";
import type { Argv } from "yargs";
import { closest } from "../api.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, outputPositional, withOptions } from "../options.js";
import { pruneText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional).positional("output", outputPositional), "prune");

/** The main job: measure, choose, write, prove. */
export function pruneCommand(context: CliContext, commands: readonly string[]) {
	return defineCommand({
		command: ["prune <model> [output]", "$0"],
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					checkNotACommand(args.model, commands);
					const options = { ...optionsOf("prune", args), signal, onProgress, onLog };
					const result = await api.pruneGguf(args.model, args.output, options);
					return outcome(result, pruneText);
				},
				{ resumable: true },
			),
	});
}

/** `prune-gguf rnak model.gguf` would otherwise look for a model named "rnak". */
function checkNotACommand(model: string, commands: readonly string[]): void {
	if (existsSync(model) || !/^[a-z-]+$/i.test(model)) return;
	const meant = closest(model.toLowerCase(), commands);
	if (meant) throw new UsageError(`There is no file and no command ${JSON.stringify(model)}. Did you mean ${meant}?`);
}
