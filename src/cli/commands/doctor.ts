import type { Argv } from "yargs";
import { type CliContext, type GlobalArguments, outcome } from "../context.js";
import { doctorText } from "../doctor-view.js";
import { exitCodes } from "../exit.js";
import { defineCommand } from "../options.js";

/** Says what was found, what is used, and what is missing. */
export function doctorCommand(context: CliContext) {
	return defineCommand({
		command: "doctor",
		builder: (cli: Argv<GlobalArguments>) => cli,
		handler: (args) =>
			context.perform(args, async ({ api, signal }) => {
				const result = await api.doctor({ signal });
				return { ...outcome(result, doctorText), exitCode: result.usable ? exitCodes.done : exitCodes.failed };
			}),
	});
}
