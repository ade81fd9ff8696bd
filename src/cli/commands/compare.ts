import type { Argv } from "yargs";
import { comparedMethods, methodFacts, methods } from "../api.js";
import { choicesOption, filesOption, fractionsOption, integerOption, integersOption } from "../coerce.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import {
	defineCommand,
	groups,
	machineArguments,
	machineOptions,
	measureOptions,
	modelPositional,
	overwriteOption,
	textValue,
	valueOption,
} from "../options.js";
import { compareText } from "../views.js";

const { seed, calibration, windows, objective, questions, limit } = measureOptions;

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.positional("model", modelPositional)
		.options({
			"remove-blocks": valueOption(
				"Numbers of blocks to remove, such as 3,6,10 [default: about 10, 20 and 33 % of the blocks]",
				groups.amount,
				integersOption("remove-blocks", { min: 1 }),
			),
			"remove-fraction": valueOption("Shares of the blocks to remove, such as 10%,25%", groups.amount, fractionsOption("remove-fraction")),
			methods: valueOption(
				`Methods to compare, such as auto,greedy [default: ${comparedMethods.join(",")}]`,
				groups.method,
				choicesOption("methods", methods),
			),
			masks: valueOption(
				"Masks that each method may ask for [default: 26 a block, 300 to 800]",
				groups.method,
				integerOption("masks", { min: 1 }),
			),
			"max-tokens": valueOption("The same in tokens; the smaller one holds", groups.method, integerOption("max-tokens", { min: 1 })),
			seed,
			calibration,
			objective,
			questions,
			limit,
			windows,
			"window-length": measureOptions["window-length"],
			eval: {
				describe: "Texts to score the sets on, which no method sees [default: the report fold]",
				group: groups.text,
				type: "array",
				string: true,
				requiresArg: true,
				coerce: filesOption("eval"),
			},
			"eval-windows": valueOption("Windows of each of these texts [default: 24]", groups.text, integerOption("eval-windows", { min: 2 })),
			"eval-window-length": valueOption(
				"Tokens in such a window [default: 256, at most the model's context]",
				groups.text,
				integerOption("eval-window-length", { min: 8 }),
			),
			"eval-questions": {
				describe: "Multiple-choice questions to score the sets on too, which no method sees; of --questions the report fold is scored",
				group: groups.text,
				type: "array",
				string: true,
				requiresArg: true,
				coerce: filesOption("eval-questions"),
			},
			...machineOptions,
			"working-weights": measureOptions["working-weights"],
			ubatch: measureOptions.ubatch,
			"score-share": measureOptions["score-share"],
			"state-bytes": measureOptions["state-bytes"],
			"reference-bytes": measureOptions["reference-bytes"],
			"state-type": measureOptions["state-type"],
			"allow-unknown-architecture": measureOptions["allow-unknown-architecture"],
			output: textValue("output", "File to write the result to, as JSON", groups.output),
			overwrite: overwriteOption,
		})
		.conflicts("remove-blocks", "remove-fraction")
		.example("$0 compare model.gguf", "The usual methods at three sizes, scored on text that none has seen")
		.example("$0 compare model.gguf --methods auto,greedy,random --remove-blocks 3,6", "Three methods, two sizes")
		.example("$0 compare model.gguf --eval a.txt b.txt --masks 300 --output compare.json", "Scored on your own texts")
		.example("$0 compare model.gguf --eval-questions arc.jsonl piqa.jsonl", "Scored on questions too")
		.epilogue(methodsText());

/** Methods side by side; no model is written. */
export function compareCommand(context: CliContext) {
	return defineCommand({
		command: "compare <model>",
		describe: "Compare methods that choose blocks, at equal budgets and on unseen text",
		builder,
		handler: (args) =>
			context.perform(
				args,
				async ({ api, signal, onProgress, onLog }) => {
					const { removeBlocks, removeFraction, masks, maxTokens, calibration, windows, windowLength, evalWindows, evalWindowLength } =
						args;
					const { output, overwrite } = args;
					const what = { methods: args.methods, removeBlocks, removeFraction, masks, maxTokens, seed: args.seed };
					const { objective, questions, limit, evalQuestions } = args;
					const by = { objective, questions, limit, evalQuestions };
					const text = { calibration, windows, windowLength, eval: args.eval, evalWindows, evalWindowLength, ...by };
					const result = await api.compareMethods(args.model, {
						...what,
						...text,
						...machineArguments(args),
						output,
						overwrite,
						signal,
						onProgress,
						onLog,
					});
					return outcome(result, compareText);
				},
				{ resumable: true },
			),
	});
}

/** Every method with its line. */
function methodsText(): string {
	const width = Math.max(...methods.map((method) => method.length));
	return `Methods:\n${methods.map((method) => `  ${method.padEnd(width)}  ${methodFacts[method].does}`).join("\n")}`;
}
