import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { frontierText } from "../quantized-views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional), "frontier").check((args) => {
		const times = (args as { readonly "target-compute"?: number })["target-compute"];
		if (times !== undefined && !(times > 1)) throw new UsageError("--target-compute: expected a number above 1, such as 1.3.");
		return true;
	});

/** Block count x quantization; no model is written. */
export function frontierCommand(context: CliContext) {
	return defineCommand({
		command: "frontier <model>",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const options = { ...optionsOf("frontier", args), signal, onProgress, onLog };
					const result = await api.findFrontier(args.model, options);
					return outcome(result, frontierText);
				},
				{ resumable: true },
			),
	});
}
