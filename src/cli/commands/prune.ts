import { existsSync } from "node:fs";
import type { Argv } from "yargs";
import { fractionOption, integerOption } from "../coerce.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import {
	defineCommand,
	groups,
	machineArguments,
	measureOptions,
	modelPositional,
	outputPositional,
	overwriteOption,
	removeOption,
	reportOption,
	roundsOption,
	textValue,
	valueOption,
} from "../options.js";
import { gateArguments, gateOptions } from "../gate-options.js";
import { healOptions } from "../heal-options.js";
import { quantizeOptions, targetSizeOption } from "../quantize-options.js";
import { pairOptions, targetSpeedupOptions } from "../speed-options.js";
import { closest } from "../suggest.js";
import { pruneText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.positional("output", outputPositional)
		.options({
			"remove-blocks": valueOption(
				"Number of blocks to remove; which ones is found out",
				groups.amount,
				integerOption("remove-blocks", { min: 1 }),
			),
			"remove-fraction": valueOption("Share of the blocks to remove, such as 25%", groups.amount, fractionOption("remove-fraction")),
			remove: removeOption("Blocks to remove, numbered from 0 as in the tensor names, such as 3,7-9"),
			"target-size": targetSizeOption,
			...gateOptions,
			...targetSpeedupOptions,
			...measureOptions,
			rounds: roundsOption,
			...healOptions,
			...quantizeOptions,
			"quantized-alternatives": {
				describe:
					"Also quantise the whole model to about the pruned one's size, measure that, and say which is better (takes two quantisations)",
				type: "boolean",
				group: groups.output,
			},
			"save-plan": textValue("save-plan", "Where to write the plan [default: OUTPUT.plan.json, or among the kept runs]", groups.output),
			report: reportOption,
			"model-card": textValue("model-card", "Where to write a short model card in Markdown [default: none]", groups.output),
			...pairOptions,
			"dry-run": {
				describe:
					"Say what would be measured and how long it would take; write no model, plan or report (self-generated text goes to the cache)",
				type: "boolean",
				group: groups.output,
			},
			overwrite: overwriteOption,
		})
		.conflicts("strata", "strata-preset")
		.conflicts("remove-blocks", ["remove-fraction", "remove", "target-size"])
		.conflicts("remove-fraction", ["remove", "target-size"])
		.conflicts("remove", "target-size")
		.conflicts("target-speedup", ["remove-blocks", "remove-fraction", "remove", "target-size"])
		.example("$0 model.gguf", "Measure, show the loss against the blocks removed, write no model")
		.example("$0 model.gguf small.gguf --remove-blocks 6", "Remove the six blocks that are missed least")
		.example("$0 model.gguf small.gguf --remove-fraction 25% --calibration notes.txt", "A quarter of the blocks, judged on your own text")
		.example(
			"$0 model.gguf small.gguf --remove-blocks 4 --calibration chat.jsonl=2 code.txt",
			"Two kinds of work, the first counting twice",
		)
		.example("$0 model.gguf small.gguf --target-speedup 1.3", "As many as make generation 1.3 times as fast on this machine")
		.example("$0 model.gguf small.gguf --remove 3,7,11", "Remove these blocks, and measure what it costs")
		.example("$0 model.gguf small.gguf --max-ppl-ratio 1.2", "As many blocks as raise perplexity by no more than a fifth")
		.example(
			"$0 model.gguf small.gguf --target-size 3.5GB --max-kl 0.3",
			"As few as make the file that small; nothing if that costs too much",
		)
		.example("$0 model-f16.gguf small.gguf --remove-blocks 4 --quantize Q4_K_M", "Prune, quantise, and measure what was written");

/** The main job: measure, choose, write, prove. */
export function pruneCommand(context: CliContext, commands: readonly string[]) {
	return defineCommand({
		command: ["$0 <model> [output]"],
		describe: "Remove blocks from a model: measured, written and proven",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					checkNotACommand(args.model, commands);
					const result = await api.pruneGguf(args.model, args.output, {
						removeBlocks: args.removeBlocks,
						removeFraction: args.removeFraction,
						remove: args.remove,
						targetSpeedup: args.targetSpeedup,
						speedupOf: args.speedupOf,
						method: args.method,
						masks: args.masks,
						effort: args.effort,
						maxTime: args.maxTime,
						maxTokens: args.maxTokens,
						strata: args.strata,
						strataPreset: args.strataPreset,
						attributionMasks: args.attributionMasks,
						epochs: args.epochs,
						rounds: args.rounds,
						...machineArguments(args),
						calibration: args.calibration,
						objective: args.objective,
						questions: args.questions,
						limit: args.limit,
						windows: args.windows,
						windowLength: args.windowLength,
						seed: args.seed,
						targetSize: args.targetSize,
						...gateArguments(args),
						heal: args.heal,
						healTokens: args.healTokens,
						healTime: args.healTime,
						healKind: args.healKind,
						healType: args.healType,
						healHeads: args.healHeads,
						quantize: args.quantize,
						quantizeFrom: args.quantizeFrom,
						quantizedAlternatives: args.quantizedAlternatives,
						plan: args.savePlan,
						report: args.report,
						modelCard: args.modelCard,
						speed: args.speed,
						samples: args.samples,
						dryRun: args.dryRun,
						overwrite: args.overwrite,
						signal,
						onProgress,
						onLog,
					});
					return outcome(result, pruneText);
				},
				{ resumable: true },
			),
	});
}

/** `prune-gguf rnak model.gguf` would otherwise look for a model named "rnak". */
function checkNotACommand(model: string, commands: readonly string[]): void {
	if (existsSync(model) || !/^[a-z-]+$/i.test(model)) return;
	const meant = closest(model.toLowerCase(), commands);
	if (meant) throw new UsageError(`There is no file and no command ${JSON.stringify(model)}. Did you mean ${meant}?`);
}
