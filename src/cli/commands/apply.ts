import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import {
	defineCommand,
	groups,
	machineOptions,
	measureOptions,
	modelPositional,
	outputPositional,
	overwriteOption,
	removeOption,
	textValue,
	unknownOption,
} from "../options.js";
import { gateArguments, gateOptions } from "../gate-options.js";
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
			...gateOptions,
			calibration: measureOptions.calibration,
			windows: measureOptions.windows,
			"window-length": measureOptions["window-length"],
			seed: measureOptions.seed,
			...machineOptions,
			"reference-bytes": measureOptions["reference-bytes"],
			overwrite: overwriteOption,
			"allow-unknown-architecture": unknownOption,
		})
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
		.example("$0 apply model-f16.gguf small.gguf --remove 3,7,11 --quantize Q4_K_M", "Remove them and quantise the rest");

/** Writes the model that a plan describes, and proves it. */
export function applyCommand(context: CliContext) {
	return defineCommand({
		command: "apply <model> <output>",
		describe: "Carry out a plan, or remove given blocks",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog }) => {
				const { plan, remove, quantize, quantizeFrom, threads, gpuLayers, overwrite, allowUnknownArchitecture } = args;
				const options = {
					plan,
					remove,
					heal: args.heal,
					healTokens: args.healTokens,
					healTime: args.healTime,
					healKind: args.healKind,
					healType: args.healType,
					healHeads: args.healHeads,
					quantize,
					quantizeFrom,
					threads,
					gpuLayers,
					overwrite,
					allowUnknownArchitecture,
					...gateArguments(args),
					calibration: args.calibration,
					windows: args.windows,
					windowLength: args.windowLength,
					seed: args.seed,
					referenceBytes: args.referenceBytes,
					signal,
					onProgress,
					onLog,
				};
				const result = await api.applyPlan(args.model, args.output, options);
				return outcome(result, applyText);
			}),
	});
}
