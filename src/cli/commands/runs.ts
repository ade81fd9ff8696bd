import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, optionsOf, withOptions } from "../options.js";
import { cleanText, runsText } from "../views.js";

/** Commands under `runs`. */
export const runsCommandNames = ["list", "clean"] as const;

const cleanBuilder = (cli: Argv<GlobalArguments>) =>
	withOptions(cli, "clean")
		.example("$0 runs clean --older-than 30", "Delete what was not used for 30 days")
		.example("$0 runs clean --partials .", "Delete what killed runs left unfinished in this folder");

function listCommand(context: CliContext) {
	return defineCommand({
		command: ["list", "$0"],
		describe: "List them (the default)",
		builder: (cli: Argv<GlobalArguments>) => cli,
		handler: (args) =>
			context.perform(args, async ({ api }) => {
				const folders = await api.listRuns();
				return outcome(folders, (shown, style) => runsText(shown, new Date(), style));
			}),
	});
}

function cleanCommand(context: CliContext) {
	return defineCommand({
		command: "clean",
		describe: "Delete some, or all",
		builder: cleanBuilder,
		handler: (args) =>
			context.perform(args, async ({ api }) => {
				const result = await api.cleanRuns(optionsOf("clean", args));
				return outcome(result, cleanText);
			}),
	});
}

/** Ledgers and plans that are kept. */
export function runsCommand(context: CliContext) {
	return defineCommand({
		command: "runs",
		describe: "List or delete the measurements and plans that are kept",
		builder: (cli: Argv<GlobalArguments>) =>
			cli.command(listCommand(context)).command(cleanCommand(context)).example("$0 runs", "Show what is kept, where, and how large it is"),
		handler: () => {},
	});
}
