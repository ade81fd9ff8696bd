import type { Argv } from "yargs";
import { formatDuration } from "../../report/format.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, optionsOf, withOptions } from "../options.js";

const builder = (cli: Argv<GlobalArguments>) => withOptions(cli, "build");

/** Compiles the native part; other commands do it by themselves where it is missing. */
export function buildCommand(context: CliContext) {
	return defineCommand({
		command: "build",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress }) => {
				const result = await api.buildAddon({
					...optionsOf("build", args),
					signal,
					onProgress,
				});
				return outcome(result, ({ backend, seconds, addon }) => `Built for ${backend} in ${formatDuration(seconds)}: ${addon}\n`);
			}),
	});
}
