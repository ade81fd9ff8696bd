import type { Argv } from "yargs";
import { formatDuration } from "../../report/format.js";
import type { BuildResult } from "../api.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, optionsOf, withOptions } from "../options.js";

const builder = (cli: Argv<GlobalArguments>) => withOptions(cli, "build");

function buildText({ backend, seconds, addon, rpcServer }: BuildResult): string {
	const server = rpcServer === undefined ? "" : `RPC server, for a machine that others may use: ${rpcServer}\n`;
	return `Built for ${backend} in ${formatDuration(seconds)}: ${addon}\n${server}`;
}

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
				return outcome(result, buildText);
			}),
	});
}
