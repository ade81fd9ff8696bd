import type { Argv } from "yargs";
import { formatDuration } from "../../report/format.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, optionsOf, withOptions } from "../options.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli, "build")
		.example("$0 build", "Compile for the CPU; with nothing changed it takes seconds")
		.example("$0 build --backend cuda", "Compile for NVIDIA GPUs");

/** Compiles the native part; other commands do it by themselves where it is missing. */
export function buildCommand(context: CliContext) {
	return defineCommand({
		command: "build",
		describe: "Compile the native part (done by itself on first use)",
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
