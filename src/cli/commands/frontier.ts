import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { frontierText } from "../quantized-views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional), "frontier")
		.check((args) => {
			const times = (args as { readonly "target-compute"?: number })["target-compute"];
			if (times !== undefined && !(times > 1)) throw new UsageError("--target-compute: expected a number above 1, such as 1.3.");
			return true;
		})
		.example("$0 frontier model-f16.gguf", "Every number of blocks in every usual type, and the smallest file that loses little")
		.example("$0 frontier model-f16.gguf --target-size 3.5GB", "The best way to a file of that size")
		.example("$0 frontier model.gguf --quantize-from model-f16.gguf --target-compute 1.3 --types Q8_0,Q4_K_M", "Fewer blocks to run");

/** Block count x quantization; no model is written. */
export function frontierCommand(context: CliContext) {
	return defineCommand({
		command: "frontier <model>",
		describe: "Search block count x quantization, and draw what is best at which size",
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
