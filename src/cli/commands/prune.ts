import { existsSync } from "node:fs";
import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { UsageError } from "../exit.js";
import { defineCommand, modelPositional, optionsOf, outputPositional, withOptions } from "../options.js";
import { closest } from "../suggest.js";
import { pruneText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional).positional("output", outputPositional), "prune")
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
		.example("$0 model-f16.gguf small.gguf --remove-blocks 4 --quantize Q4_K_M", "Prune, quantize, and measure what was written");

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
					const options = { ...optionsOf("prune", args), signal, onProgress, onLog };
					const result = await api.pruneGguf(args.model, args.output, options);
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
