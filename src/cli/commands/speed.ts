import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { speedResultText } from "../speed-views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional).positional("other", { type: "string" }), "speed");

/** Speed and memory of a model, alone, beside another one, or beside itself without some blocks. */
export function speedCommand(context: CliContext) {
	return defineCommand({
		command: "speed <model> [other]",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog }) => {
				const { model, other } = args;
				const options = { ...optionsOf("speed", args), against: other, signal, onProgress, onLog };
				if (other !== undefined && options.remove !== undefined)
					throw new UsageError("Another model and --remove were given: the model is measured beside one of them.");
				const result = await api.measureSpeed(model, options);
				return outcome(result, speedResultText);
			}),
	});
}
