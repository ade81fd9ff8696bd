import type { Argv } from "yargs";
import { estimatorFacts, methodFacts, rankingMethods } from "../api.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, modelPositional, optionsOf, withOptions } from "../options.js";
import { rankText } from "../rank-views.js";

const builder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli.positional("model", modelPositional), "rank")
		.conflicts("strata", "strata-preset")
		.example("$0 rank model.gguf", "Show what each block contributes")
		.example("$0 rank model.gguf --method paper --masks 500", "By the surrogate of arXiv 2602.07804")
		.example("$0 rank model.gguf --method auto --remove-blocks 6", "By the automatic method's surrogate, with pairs of blocks")
		.example("$0 rank model.gguf --method common-sets --masks 500", "By an estimator without a model of the game")
		.epilogue(methodsText());

/** Contributions of all blocks; no model is written. */
export function rankCommand(context: CliContext) {
	return defineCommand({
		command: "rank <model>",
		describe: "Show what each block contributes",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const options = { ...optionsOf("rank", args), signal, onProgress, onLog };
					const result = await api.rankBlocks(args.model, options);
					return outcome(result, rankText);
				},
				{ resumable: true },
			),
	});
}

/** Every method and estimator with its line. */
function methodsText(): string {
	const lines = [...rankingMethods.map((method) => [method, methodFacts[method].does] as const), ...Object.entries(estimatorFacts)];
	const width = Math.max(...lines.map(([name]) => name.length));
	return `Methods, and estimators whose contributions choose nothing:\n${lines.map(([name, does]) => `  ${name.padEnd(width)}  ${does}`).join("\n")}`;
}
