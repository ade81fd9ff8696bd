import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, machineOptions, modelPositional, removeOption, unknownOption } from "../options.js";
import { speedMeasureOptions } from "../speed-options.js";
import { speedResultText } from "../speed-views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.positional("other", { describe: "Another model, which takes turns with it", type: "string" })
		.options({
			remove: removeOption("Measure it beside itself without these blocks, numbered from 0, such as 3,7-9; no model is written"),
			...speedMeasureOptions,
			...machineOptions,
			"allow-unknown-architecture": unknownOption,
		})
		.example("$0 speed model.gguf small.gguf", "Two files, in turns")
		.example("$0 speed model.gguf --remove 3,7,11", "What removing these blocks would bring");

/** Speed and memory of a model, alone, beside another one, or beside itself under a mask. */
export function speedCommand(context: CliContext) {
	return defineCommand({
		command: "speed <model> [other]",
		describe: "Measure how fast a model is and what memory it takes, beside another one or without some blocks",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog }) => {
				const { model, other, remove, promptTokens, generatedTokens, repetitions, context: tokens } = args;
				if (other !== undefined && remove !== undefined)
					throw new UsageError("Another model and --remove were given: the model is measured beside one of them.");
				const { threads, gpuLayers, allowUnknownArchitecture } = args;
				const what = { against: other, remove, promptTokens, generatedTokens, repetitions, context: tokens };
				const result = await api.measureSpeed(model, {
					...what,
					...{ threads, gpuLayers, allowUnknownArchitecture, signal, onProgress, onLog },
				});
				return outcome(result, speedResultText);
			}),
	});
}
