// Before a search on a device: whether it computes what the CPU computes.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { Coalition } from "../../game/coalition.js";
import { average, finite } from "../../game/statistics.js";
import { DeviceError, NotEnoughMemoryError } from "../../errors.js";
import { formatBlocks } from "../../notation.js";
import { computingIdentity } from "../../model/evaluation/kept.js";
import type { Evaluation } from "../../model/runtime/evaluator.js";
import { devicesText } from "../../model/runtime/machine-text.js";
import { Model } from "../../model/runtime/model.js";
import { firstWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { parsedAs } from "../../storage/plan-values.js";
import { parityPath } from "../../storage/runs.js";
import { logger } from "../../api/logger.js";
import type { LoadSettings } from "../../api/options/settings.js";

/**
 * How far a device may be from the CPU: nats per token of the mean loss, and of the mean KL divergence. Both are guesses: no device has been
 * measured yet. Kernels round differently, by far less than this; a wrong kernel or driver is off by far more.
 */
export const parityTolerance = { loss: 0.02, divergence: 0.01 } as const;

/** Windows of the search split that are compared. */
const windowsCompared = 2;

/** One candidate on both. */
export interface Parity {
	/** Removed blocks; none for the original model. */
	readonly removed: readonly number[];
	/** Mean losses, nats per token; null if not finite. */
	readonly device: number | null;
	readonly cpu: number | null;
	/** Mean of KL(CPU || device), nats per token; null if not finite. */
	readonly divergence: number | null;
}

const parities = v.array(
	v.strictObject({
		removed: v.array(v.number()),
		...{ device: v.nullable(v.number()), cpu: v.nullable(v.number()), divergence: v.nullable(v.number()) },
	}),
);

/** A model on a device, and the text of its search. */
export interface ParityJob {
	readonly model: Model;
	readonly windows: TokenWindows;
	/** Folder of the model's runs. */
	readonly folder: string;
}

/**
 * Compares a model on devices with the CPU: the original and two candidates, on two windows. What was compared once on a machine is kept.
 * @returns what was found; undefined for a model on the CPU, or if memory is too short for it beside the device
 * @throws DeviceError beyond the tolerance
 */
export async function checkParity(job: ParityJob, options: LoadSettings): Promise<readonly Parity[] | undefined> {
	const { model, folder } = job;
	const devices = devicesText(model.backend, model.placement);
	if (devices === undefined) return undefined;
	const windows = firstWindows(job.windows, windowsCompared);
	const asked = [devices, computingIdentity(model, options), hashOf([...windows.tokens]), model.file.size];
	const path = parityPath(folder, hashOf(["parity", 1, asked]));
	const kept = await readFile(path, "utf8").then(
		(text) => parsedAs(parities, text),
		() => undefined,
	);
	const found = kept ?? (await compare(model, windows, options));
	if (!found) return undefined;
	const worst = worstOf(found);
	if (!isWithin(worst)) throw new DeviceError(refusal(devices, worst));
	if (!kept) await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(found)));
	logger(options)("debug", `${devices} agrees with the CPU: ${parityText(found)}`);
	return found;
}

/** `at most 1.2e-4 nats in loss and 3.4e-6 in KL divergence from the CPU` */
export function parityText(found: readonly Parity[]): string {
	const losses = Math.max(...found.map((one) => lossDifference(one)));
	const divergences = Math.max(...found.map(({ divergence }) => divergence ?? 0));
	return `at most ${losses.toExponential(1)} nats in loss and ${Math.max(0, divergences).toExponential(1)} in KL divergence from the CPU`;
}

async function compare(model: Model, windows: TokenWindows, options: LoadSettings): Promise<Parity[] | undefined> {
	const { signal } = options;
	const sets = candidatesOf(model);
	const phase = "comparing the device with the CPU";
	options.progress?.work({ phase, done: 0, total: sets.length, unit: "candidates" });
	const onCpu = await loadOnCpu(model, options);
	if (!onCpu) return undefined;
	try {
		const found: Parity[] = [];
		const [device, cpu] = [model.createEvaluator(), onCpu.createEvaluator()];
		for (const removed of sets) {
			const mask = Coalition.ofRemoved(model.facts.blocks, removed);
			let right: Evaluation | undefined;
			const onCandidate = (_: number, evaluation: Evaluation) => {
				right = evaluation;
			};
			const reference = await cpu.createReference(mask, windows, { signal, onCandidate, maxBytes: Number.POSITIVE_INFINITY });
			const [seen] = await device.evaluate([mask], windows, { signal, reference });
			found.push({ removed, device: meanOf(seen!.losses), cpu: meanOf(right!.losses), divergence: meanOf(seen!.divergences!) });
			options.progress?.work({ phase, done: found.length, total: sets.length, unit: "candidates" });
		}
		return found;
	} finally {
		await onCpu.dispose();
	}
}

async function loadOnCpu(model: Model, options: LoadSettings): Promise<Model | undefined> {
	try {
		const { allowUnknownArchitecture, signal } = options;
		return await Model.load(model.path, {
			threads: model.threads,
			gpuLayers: 0,
			beside: model,
			file: model.file,
			allowUnknownArchitecture,
			signal,
		});
	} catch (error) {
		if (!(error instanceof NotEnoughMemoryError)) throw error;
		logger(options)("warning", `the device is not compared with the CPU, since memory does not hold the model: ${error.message}`);
		return undefined;
	}
}

/** The original, a block in the middle, and a quarter of the blocks: as far as the architecture can lose them. */
function candidatesOf({ blocks: plan, facts: { blocks } }: Model): number[][] {
	const removable = [...Array(blocks).keys()].filter((block) => !plan.frozen.has(block));
	const middle = removable[Math.floor(removable.length / 2)];
	const quarter = removable.filter((_, i) => i % 4 === 2);
	const wanted = [middle === undefined ? [] : [middle], quarter];
	return [[], ...wanted.filter((removed) => removed.length > 0 && removed.length < blocks && plan.check(removed) === undefined)];
}

const meanOf = (values: Float64Array): number | null => finite(average(values));

/** Nats per token; infinite if only one of them is finite, 0 if none is. */
function lossDifference({ device, cpu }: Parity): number {
	if (device === null || cpu === null) return device === cpu ? 0 : Number.POSITIVE_INFINITY;
	return Math.abs(device - cpu);
}

function excess(one: Parity): number {
	const divergence = one.device === null && one.cpu === null ? 0 : (one.divergence ?? Number.POSITIVE_INFINITY);
	return Math.max(lossDifference(one) / parityTolerance.loss, divergence / parityTolerance.divergence);
}

const isWithin = (one: Parity): boolean => excess(one) <= 1;

const worstOf = (found: readonly Parity[]): Parity => found.reduce((worst, one) => (excess(one) > excess(worst) ? one : worst));

function refusal(devices: string, { removed, device, cpu, divergence }: Parity): string {
	const what = removed.length === 0 ? "the original model" : `the model without blocks ${formatBlocks(removed)}`;
	const shown = (value: number | null) => (value === null ? "not finite" : value.toPrecision(4));
	return (
		`${devices} does not compute what the CPU computes, so nothing is measured on it. For ${what} the mean loss is ${shown(device)} on the device and ` +
		`${shown(cpu)} on the CPU (${parityTolerance.loss} nats apart are allowed). The mean KL divergence is ${shown(divergence)} ` +
		`(${parityTolerance.divergence} is allowed). Install another version of the driver, try another backend (prune-gguf build --backend vulkan), ` +
		"or give --gpu-layers 0 for the CPU."
	);
}
