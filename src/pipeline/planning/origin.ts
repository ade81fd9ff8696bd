// How a run came about: for its plan and its report.
import { basename } from "node:path";
import type { CalibrationFile, GranularityUsed } from "../../api/index.js";
import { defaultMethod } from "../../api/methods.js";
import type { OptionRow, OptionValue } from "../../api/options/row.js";
import type { AskedSettings, Settings } from "../../api/options/settings.js";
import { optionsFrom } from "../../api/options/shape.js";
import { optionTable } from "../../api/options/table.js";
import { loadedBinary } from "../../model/runtime/load-addon.js";
import { devicesText } from "../../model/runtime/machine-text.js";
import { defaultMix } from "../../model/calibration/index.js";
import { offloaded, placementText } from "../../model/runtime/placement.js";
import { parityText } from "../session/parity.js";
import { llamaPin, packageVersion } from "../../model/runtime/paths.js";
import type { Plan } from "../../storage/plan.js";
import { commandLine } from "../preflight/command-line.js";
import { granularityOf } from "../preflight/method-options.js";
import { onSelfGenerated } from "../session/calibration-windows.js";
import type { Session } from "../session/session.js";
import type { SearchWeights } from "../session/working-weights.js";
import { splitFacts } from "./figures.js";

/** How a run came about: what it takes to do it again. */
export type PlanOrigin = Pick<Plan, "options" | "seed" | "calibration" | "versions" | "backend" | "machine" | "command"> & {
	/** Of the model. */
	readonly sha256: string;
	/** The command without the settings that the run chose for the machine. */
	readonly asked: string;
	/** What the search removes; missing where blocks were named. */
	readonly granularity?: GranularityUsed;
};

/**
 * The same for the plan and the report.
 * @param asked what was asked for, with what was found for it: tokens for a time, a number of blocks for a speed-up
 * @param ran what was removed, if that is not what was asked for
 */
export function planOrigin(
	session: Session,
	output: string | undefined,
	asked: AskedSettings["asked"],
	ran?: GranularityUsed | undefined,
): PlanOrigin {
	const { threads, ubatch, weights } = session.settings;
	const granularity = asked.remove
		? undefined
		: (ran ?? granularityOf({ ...asked, method: asked.method ?? defaultMethod }, session.model.blocks));
	// Settings chosen by measuring how fast this machine is: if they are named, the result is the same in another cache.
	const found: Settings<"prune"> = {
		threads: Number(threads),
		ubatch: Number(ubatch),
		workingWeights: weights as SearchWeights,
		...foundLayers(session),
	};
	const command = (chosen: Settings<"prune">) =>
		commandLine(basename(session.model.path), output === undefined ? undefined : basename(output), {
			...namesOnly(asked),
			...chosen,
			...foundAmount(asked),
			...measuredSpeed(output, asked),
		});
	return {
		sha256: session.sha256,
		// A plan says what was searched: another version may have another default.
		options: planOptions(granularity ? { ...asked, granularity: granularity.used } : asked),
		...(granularity ? { granularity } : {}),
		seed: session.seed,
		calibration: splitFacts(session),
		versions: { "prune-gguf": packageVersion, "llama.cpp": `${llamaPin.version} (${llamaPin.commit})` },
		backend: String(session.settings.backend),
		// Its hash, level and compiler are settings: bits depend on them, and not on its name.
		machine: { ...session.settings, binary: loadedBinary().name, ...onDevices(session) },
		command: command(found),
		asked: command({}),
	};
}

/** A number that was found stands for what asked for it. Sets that reach a target at a context may differ in number: the target stays. */
export function foundAmount({ removeBlocks, removeAttention }: AskedSettings["asked"]): Settings<"prune"> {
	return {
		...(removeBlocks === undefined ? {} : { targetSpeedup: undefined, speedupOf: undefined }),
		...(removeAttention === undefined ? {} : { targetKv: undefined }),
	};
}

/** As many layers as fit depends on what else uses the device. */
function foundLayers({ model: { placement } }: Session): Pick<Settings<"prune">, "gpuLayers"> {
	return placement.devices.length === 0 ? {} : { gpuLayers: offloaded(placement) + 1 };
}

/** What a plan and a report say of the devices: names, drivers, the blocks on each, and how far they are from the CPU. */
function onDevices({ model, parity }: Session): Record<string, string> {
	const devices = devicesText(model.backend, model.placement);
	if (devices === undefined) return {};
	return { devices, blocks: placementText(model.placement), ...(parity ? { parity: parityText(parity) } : {}) };
}

/** Files without their folders: the model card is for others, and the model and the output have none. */
function namesOnly(asked: AskedSettings["asked"]): AskedSettings["asked"] {
	const { calibration, questions, limitQuestions, quantizeFrom } = asked;
	const named = (file: string | CalibrationFile) => (typeof file === "string" ? basename(file) : { ...file, path: basename(file.path) });
	return {
		...asked,
		...(calibration && { calibration: calibration.map(named) }),
		...(questions === undefined ? {} : { questions: basename(questions) }),
		...(limitQuestions && { limitQuestions: limitQuestions.map((file) => basename(file)) }),
		...(quantizeFrom === undefined ? {} : { quantizeFrom: basename(quantizeFrom) }),
	};
}

/** A target speed-up is measured also where no model is written; the number of blocks that is printed for it asks for that by itself. */
export function measuredSpeed(
	output: string | undefined,
	{ targetSpeedup, speed }: Pick<AskedSettings["asked"], "targetSpeedup" | "speed">,
): Pick<AskedSettings["asked"], "speed"> {
	return output === undefined && targetSpeedup !== undefined && speed === undefined ? { speed: true } : {};
}

/** What a plan keeps of the options: those whose rows say so, in the shape that programs give them. */
export function planOptions(asked: AskedSettings["asked"]): Plan["options"] {
	const method = asked.remove ? undefined : (asked.method ?? defaultMethod);
	const selfText = onSelfGenerated(asked) ? (asked.selfText ?? defaultMix) : undefined;
	const given: Readonly<Record<string, unknown>> = { ...asked, method, selfText };
	const kept = Object.entries<Pick<OptionRow, "plan" | "value">>(optionTable).flatMap(([name, { plan, value }]) => {
		const setting = plan === undefined ? undefined : keptAs(value.kind, name, given[name]);
		return setting === undefined ? [] : [[name, setting] as const];
	});
	return optionsFrom("prune", Object.fromEntries(kept)) as Plan["options"];
}

function keptAs(kind: OptionValue["kind"], name: string, given: unknown): unknown {
	// Healing that was refused is another wish than none.
	if (kind === "switch" && given === false && name !== "heal") return undefined;
	return name === "quantizeFrom" && given !== undefined ? basename(given as string) : given;
}
