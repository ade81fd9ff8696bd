import type { Argv } from "yargs";
import { integerOption, numberOption } from "../coerce.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import {
	defineCommand,
	groups,
	machineArguments,
	measureOptions,
	modelPositional,
	overwriteOption,
	textValue,
	valueOption,
} from "../options.js";
import { healOptions } from "../heal-options.js";
import { quantizeFromOption, targetSizeOption, typesOption } from "../quantize-options.js";
import { frontierText } from "../quantized-views.js";
import { frontierSpeedupOptions } from "../speed-options.js";

const { objective: _objective, questions: _questions, limit: _limit, ...searchOptions } = measureOptions;

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.options({
			"target-size": targetSizeOption,
			"target-compute": valueOption(
				"How many times fewer blocks to run at least, such as 1.3 (blocks are counted; --target-speedup measures)",
				groups.amount,
				numberOption("target-compute", { min: 1 }),
			),
			...frontierSpeedupOptions,
			"max-blocks": valueOption(
				"Blocks to remove at most [default: a third, or what a target may need]",
				groups.amount,
				integerOption("max-blocks", { min: 1 }),
			),
			types: typesOption,
			"quantize-from": quantizeFromOption,
			...searchOptions,
			...healOptions,
			output: textValue("output", "File to write the result to, as JSON", groups.output),
			overwrite: overwriteOption,
		})
		.check((args) => {
			const times = args["target-compute"];
			if (times !== undefined && !(times > 1)) throw new UsageError("--target-compute: expected a number above 1, such as 1.3.");
			return true;
		})
		.example("$0 frontier model-f16.gguf", "Every number of blocks in every usual type, and the smallest file that loses little")
		.example("$0 frontier model-f16.gguf --target-size 3.5GB", "The best way to a file of that size")
		.example("$0 frontier model.gguf --quantize-from model-f16.gguf --target-compute 1.3 --types Q8_0,Q4_K_M", "Fewer blocks to run");

/** Block count x quantisation; no model is written. */
export function frontierCommand(context: CliContext) {
	return defineCommand({
		command: "frontier <model>",
		describe: "Search block count x quantisation, and draw what is best at which size",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const { targetSize, targetCompute, targetSpeedup, speedupOf, types, maxBlocks, quantizeFrom, output, overwrite } = args;
					const goal = { targetSize, targetCompute, targetSpeedup, speedupOf, types, maxBlocks, quantizeFrom };
					const { method, masks, effort, maxTime, maxTokens, strata, strataPreset, attributionMasks, epochs, seed } = args;
					const search = { method, masks, effort, maxTime, maxTokens, strata, strataPreset, attributionMasks, epochs, seed };
					const { calibration, windows, windowLength } = args;
					const text = { calibration, windows, windowLength };
					const { heal, healTokens, healTime, healKind, healType, healHeads } = args;
					const options = {
						...goal,
						...search,
						...text,
						...machineArguments(args),
						heal,
						healTokens,
						healTime,
						healKind,
						healType,
						healHeads,
						output,
						overwrite,
					};
					const result = await api.findFrontier(args.model, { ...options, signal, onProgress, onLog });
					return outcome(result, frontierText);
				},
				{ resumable: true },
			),
	});
}
