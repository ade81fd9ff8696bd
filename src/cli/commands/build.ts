import type { Argv } from "yargs";
import { formatDuration } from "../../report/format.js";
import { backEnds } from "../api.js";
import { choiceOption, integerOption } from "../coerce.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, groups, valueOption } from "../options.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli
		.options({
			"back-end": valueOption(
				`Back end beside the CPU: ${backEnds.join(", ")} [default: cpu; metal on Apple silicon]`,
				groups.machine,
				choiceOption("back-end", backEnds),
			),
			jobs: valueOption("Compilers at once [default: number of cores]", groups.machine, integerOption("jobs", { min: 1, max: 1024 })),
			"reference-tools": {
				describe: "Also build llama.cpp's own tools, for comparisons",
				type: "boolean",
				group: groups.machine,
			},
		})
		.example("$0 build", "Compile for the CPU; with nothing changed it takes seconds")
		.example("$0 build --back-end cuda", "Compile for NVIDIA GPUs");

/** Compiles the native part; other commands do it by themselves where it is missing. */
export function buildCommand(context: CliContext) {
	return defineCommand({
		command: "build",
		describe: "Compile the native part (done by itself on first use)",
		builder,
		handler: (args) =>
			context.perform(args, async ({ api, signal, onProgress }) => {
				const result = await api.buildAddon({
					backEnd: args.backEnd,
					jobs: args.jobs,
					referenceTools: args.referenceTools,
					signal,
					onProgress: ({ step, fraction }) => onProgress({ phase: step, done: Math.round(1000 * fraction), total: 1000, unit: "percent" }),
				});
				return outcome(result, ({ backEnd, seconds, addon }) => `Built for ${backEnd} in ${formatDuration(seconds)}: ${addon}\n`);
			}),
	});
}
