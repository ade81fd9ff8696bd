import type { Argv } from "yargs";
import type { CliContext, GlobalArguments } from "../context.js";
import { UsageError } from "../exit.js";
import {
	defineCommand,
	groups,
	machineOptions,
	modelPositional,
	outputPositional,
	overwriteOption,
	removeOption,
	textValue,
	unknownOption,
} from "../options.js";
import { healOptions } from "../heal-options.js";
import { quantizeOptions } from "../quantize-options.js";
import { applyText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.positional("output", { ...outputPositional, demandOption: true })
		.options({
			plan: textValue("plan", "Plan to carry out", groups.amount),
			remove: removeOption("Blocks to remove, numbered from 0 as in the tensor names, such as 3,7-9"),
			...healOptions,
			...quantizeOptions,
			...machineOptions,
			overwrite: overwriteOption,
			"allow-unknown-architecture": unknownOption,
		})
		.conflicts("plan", "remove")
		.check((args) => {
			if (args.plan !== undefined || args.remove !== undefined) return true;
			throw new UsageError("Say what to remove: --plan FILE or --remove LIST.");
		})
		.example("$0 apply model.gguf small.gguf --plan small.gguf.plan.json", "Carry out a plan")
		.example("$0 apply model.gguf small.gguf --remove 3,7,11", "Remove these blocks")
		.example("$0 apply model-f16.gguf small.gguf --remove 3,7,11 --quantize Q4_K_M", "Remove them and quantise the rest");

/** Writes the model that a plan describes, and proves it. */
export function applyCommand(context: CliContext) {
	return defineCommand({
		command: "apply <model> <output>",
		describe: "Carry out a plan, or remove given blocks",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog, style }) => {
				const { plan, remove, quantize, quantizeFrom, threads, gpuLayers, overwrite, allowUnknownArchitecture } = args;
				const options = {
					plan,
					remove,
					heal: args.heal,
					healTokens: args.healTokens,
					healType: args.healType,
					quantize,
					quantizeFrom,
					threads,
					gpuLayers,
					overwrite,
					allowUnknownArchitecture,
					signal,
					onProgress,
					onLog,
				};
				const result = await api.applyPlan(args.model, args.output, options);
				return { json: result, text: applyText(result, style) };
			}),
	});
}
