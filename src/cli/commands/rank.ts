import type { Argv } from "yargs";
import type { CliContext, GlobalArguments } from "../context.js";
import { defineCommand, machineArguments, measureOptions, modelPositional, rankMethod } from "../options.js";
import { rankText } from "../views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.options({ ...measureOptions, method: rankMethod })
		.example("$0 rank model.gguf", "Show what each block contributes")
		.example("$0 rank model.gguf --method paper --masks 500", "By the surrogate of arXiv 2602.07804");

/** Contributions of all blocks; nothing is written. */
export function rankCommand(context: CliContext) {
	return defineCommand({
		command: "rank <model>",
		describe: "Show what each block contributes",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog, style }) => {
					const { method, masks, effort, maxTime, maxTokens, strata, attributionMasks, epochs, calibration, windows, windowLength, seed } =
						args;
					const spend = { masks, effort, maxTime, maxTokens, strata, attributionMasks, epochs };
					const { objective, questions, limit } = args;
					const measure = { method, ...spend, calibration, objective, questions, limit, windows, windowLength, seed };
					const result = await api.rankBlocks(args.model, { ...measure, ...machineArguments(args), signal, onProgress, onLog });
					return { json: result, text: rankText(result, style) };
				},
				{ resumable: true },
			),
	});
}
