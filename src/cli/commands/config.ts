import type { Argv } from "yargs";
import { nameOf } from "../command-facts.js";
import { textOption } from "../coerce.js";
import { readConfig } from "../config.js";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { defineCommand } from "../options.js";

const builder = (cli: Argv<GlobalArguments>) =>
	cli.option("check", { type: "string", requiresArg: true, demandOption: true, coerce: textOption("--check") });

/** Reads a config file as a command would. */
export function configCommand(context: CliContext) {
	return defineCommand({
		command: "config",
		builder,
		handler: (args) =>
			context.perform(args, async () => {
				const file = String(args.check);
				const { command, words } = await readConfig(file, "--check");
				return outcome({ file, command: nameOf(command), options: Object.fromEntries(words) }, configText);
			}),
	});
}

function configText({
	file,
	command,
	options,
}: {
	file: string;
	command: string;
	options: Readonly<Record<string, readonly string[]>>;
}): string {
	const words = Object.values(options).flat();
	const sets = words.length === 0 ? ["It sets nothing."] : ["It sets:", ...words.map((word) => `  ${word}`)];
	return `${[`${file} is right for the command ${command}.`, ...sets].join("\n")}\n`;
}
