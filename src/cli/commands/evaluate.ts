import type { Argv } from "yargs";
import { presets } from "../api.js";
import { choiceOption, integerOption } from "../coerce.js";
import type { CliContext, GlobalArguments } from "../context.js";
import { defineCommand, groups, machineOptions, modelPositional, removeOption, textValue, unknownOption, valueOption } from "../options.js";
import { evaluateText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.options({
			text: { ...textValue("text", "Text file to score", groups.text), demandOption: true },
			preset: valueOption(
				`How it is scored: ${presets.join(", ")} [default: llama-perplexity]`,
				groups.text,
				choiceOption("preset", presets),
			),
			context: valueOption("Tokens in a window [default: 512]", groups.text, integerOption("context", { min: 4 })),
			remove: removeOption("Score it as if these blocks were removed, numbered from 0, such as 3,7-9"),
			...machineOptions,
			"allow-unknown-architecture": unknownOption,
		})
		.example("$0 evaluate model.gguf --text wiki.txt", "Perplexity as llama-perplexity computes it")
		.example("$0 evaluate model.gguf --text wiki.txt --remove 3,7,11", "The same without these blocks; nothing is written");

/** Perplexity of a file, or of a file under a mask. */
export function evaluateCommand(context: CliContext) {
	return defineCommand({
		command: "evaluate <model>",
		describe: "Measure the perplexity of a model, whole or without some blocks",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress, onLog, style }) => {
				const { text, preset, context: length, remove, threads, gpuLayers, allowUnknownArchitecture } = args;
				const options = { text: text ?? "", preset, context: length, remove, threads, gpuLayers, allowUnknownArchitecture };
				const result = await api.evaluateModel(args.model, { ...options, signal, onProgress, onLog });
				return { json: result, text: evaluateText(result, style) };
			}),
	});
}
