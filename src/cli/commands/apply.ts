import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, outputPositional, withOptions } from "../options.js";
import { applyText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional).positional("output", { ...outputPositional, demandOption: true }), "apply").check(
		(args) => {
			// Nothing else of `apply` is measured on a text.
			const text = (["calibration", "windows", "window-length", "seed"] as const).find((name) => args[name] !== undefined);
			if (text !== undefined && args["max-ppl-ratio"] === undefined && args["max-kl"] === undefined && args["min-accuracy"] === undefined)
				throw new UsageError(`--${text} says what limits are measured on: give --max-ppl-ratio, --max-kl or --min-accuracy with it.`);
			if (args.plan !== undefined || args.remove !== undefined) return true;
			throw new UsageError("Say what to remove: --plan FILE or --remove LIST.");
		},
	);

/** Writes the model that a plan describes, and proves it. */
export function applyCommand(context: CliContext) {
	return defineCommand({
		command: "apply <model> <output>",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog }) => {
				const options = { ...optionsOf("apply", args), signal, onProgress, onLog };
				const result = await api.applyPlan(args.model, args.output, options);
				return outcome(result, applyText);
			}),
	});
}
