import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, outputPositional, withOptions } from "../options.js";
import { applyText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional).positional("output", { ...outputPositional, demandOption: true }), "apply")
		.conflicts("plan", "remove")
		.check((args) => {
			// Nothing else of `apply` is measured on a text.
			const text = (["calibration", "windows", "window-length", "seed"] as const).find((name) => args[name] !== undefined);
			if (text !== undefined && args["max-ppl-ratio"] === undefined && args["max-kl"] === undefined && args["min-accuracy"] === undefined)
				throw new UsageError(`--${text} says what limits are measured on: give --max-ppl-ratio, --max-kl or --min-accuracy with it.`);
			if (args.plan !== undefined || args.remove !== undefined) return true;
			throw new UsageError("Say what to remove: --plan FILE or --remove LIST.");
		})
		.example("$0 apply model.gguf small.gguf --plan small.gguf.plan.json", "Carry out a plan")
		.example("$0 apply model.gguf small.gguf --remove 3,7,11", "Remove these blocks")
		.example("$0 apply model.gguf small.gguf --plan small.gguf.plan.json --max-ppl-ratio 1.2", "The same, unless it costs too much")
		.example("$0 apply model-f16.gguf small.gguf --remove 3,7,11 --quantize Q4_K_M", "Remove them and quantize the rest");

/** Writes the model that a plan describes, and proves it. */
export function applyCommand(context: CliContext) {
	return defineCommand({
		command: "apply <model> <output>",
		describe: "Carry out a plan, or remove given blocks",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog }) => {
				const options = { ...optionsOf("apply", args), signal, onProgress, onLog };
				const result = await api.applyPlan(args.model, args.output, options);
				return outcome(result, applyText);
			}),
	});
}
