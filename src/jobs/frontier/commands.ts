// The commands that write the best choice of a frontier.
import { deviceChoice } from "../../model/runtime/devices.js";
import type { FrontierCell } from "../../api/index.js";
import { commandLine, outputWithout } from "../../pipeline/preflight/command-line.js";
import { asksToHeal, saysHow } from "../../pipeline/preflight/heal-options.js";
import { shellWord } from "../../report/commands.js";
import { sensibleLoss } from "../../report/trade.js";
import type { FrontierJob } from "../../pipeline/preflight/job.js";
import type { HealSettings } from "../../api/options/settings.js";
import type { Goal } from "./choice.js";

/** What of the job the commands repeat. */
type CommandSettings = Pick<FrontierJob, "asked" | "quantizeFrom"> & HealSettings;

/** What commands are made from, beside the choice. */
export interface CommandParts {
	readonly model: string;
	readonly threads: number;
	readonly goal: Goal;
	/** Whether the weights were quantized already. */
	readonly sourceQuantized: boolean;
	readonly options: CommandSettings;
}

/**
 * How the best choice is written. What only quantizes is llama.cpp's own program's to do. If it loses more than a small change, a second
 * command heals it: that was not measured.
 */
export function frontierCommands(best: FrontierCell, parts: CommandParts): string[] {
	const { model, options, sourceQuantized } = parts;
	const { type, removed } = best;
	const name = outputWithout(model, removed, type === "own" ? undefined : type);
	if (removed.length > 0) {
		const written = pruneCommand(best, name, parts);
		return mayHeal(best, parts) ? [written, pruneCommand({ ...best, healed: true }, name, parts)] : [written];
	}
	const again = sourceQuantized ? "--allow-requantize " : "";
	return type === "own" ? [] : [`llama-quantize ${again}${shellWord(options.quantizeFrom ?? model)} ${shellWord(name)} ${type}`];
}

/** Whether healing was not tried and may help: it cannot be combined with the weights of another file. */
function mayHeal({ added, heldOut }: FrontierCell, { options }: CommandParts): boolean {
	const isOpen = options.heal === undefined && !saysHow(options) && options.quantizeFrom === undefined;
	return isOpen && ((heldOut?.added ?? added).mean ?? 0) > sensibleLoss;
}

function pruneCommand({ type, removed, healed }: FrontierCell, name: string, { model, threads, goal, options }: CommandParts): string {
	const { quantizeFrom, healTokens, healKind, healType, healHeads } = options;
	// What its figures are of, and its fit to the same text.
	const { calibration, windows, windowLength, context, seed, referenceBytes, allowUnknownArchitecture } = options.asked;
	const machine = deviceChoice(options.asked);
	const text = { calibration, windows, windowLength, context, seed, threads, ...machine, referenceBytes, allowUnknownArchitecture };
	const quantize = type === "own" ? {} : { quantize: type, ...(quantizeFrom === undefined ? {} : { quantizeFrom }) };
	// Matrices of the file's own type leave its size as it is. What is quantized gets the types of the matrices in their place anyway.
	const sized = !asksToHeal(options) && type === "own" && goal.targetSize !== undefined;
	const heal = healed ? { heal: true, healTokens, healKind, healType: sized ? ("same" as const) : healType, healHeads } : {};
	return commandLine(model, name, { remove: [...removed], ...text, ...heal, ...quantize });
}
