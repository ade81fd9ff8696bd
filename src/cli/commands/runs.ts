import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand, optionsOf, withOptions } from "../options.js";
import { cleanText, runsText } from "../views.js";

/** Commands under `runs`. */
export const runsCommandNames = ["list", "clean"] as const;

const cleanBuilder = (cli: Argv<GlobalArguments>) => withOptions(cli, "clean");

function listCommand(context: CliContext) {
	return defineCommand({
		command: ["list", "$0"],
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
		builder: (cli: Argv<GlobalArguments>) => cli.command(listCommand(context)).command(cleanCommand(context)),
		handler: () => {},
	});
}
