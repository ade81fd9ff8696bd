// Before a search on a device: whether it computes what the CPU computes.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { DeviceError } from "../../errors.js";
import { formatBlocks } from "../../notation.js";
import { computingIdentity } from "../../model/evaluation/kept.js";
import type { ModelFacts } from "../../model/runtime/addon.js";
import { devicesText } from "../../model/runtime/machine-text.js";
import { makeWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { parsedAs } from "../../storage/plan-values.js";
import { parityPath } from "../../storage/runs.js";
import { logger } from "../../api/logger.js";
import type { LoadSettings } from "../../api/options/settings.js";
import { comparePart, compareWhole, type Parity, type ParityJob } from "./parity-pairs.js";

/**
 * How far a device may be from the CPU: nats per token of the mean loss, and of the mean KL divergence. Both are guesses: no device has been
 * measured yet. Kernels round differently, by far less than this; a wrong kernel or driver is off by far more.
 */
export const parityTolerance = { loss: 0.02, divergence: 0.01 } as const;

/** What is compared: this many windows of so many tokens, or of the model's context. */
const compared = { windows: 2, length: 128 } as const;

/** Bumped when something else is compared. */
const version = 3;

const parities = v.array(
	v.strictObject({
		removed: v.array(v.number()),
		...{ device: v.nullable(v.number()), cpu: v.nullable(v.number()), divergence: v.nullable(v.number()) },
	}),
);

/**
 * Compares a model on devices with the CPU: the original and two candidates, on fixed tokens, so before any text is drawn there; some
 * blocks of each device if memory does not hold the model beside the device. What was compared once with a device and its driver is kept.
 * @returns what was found, nothing if not even that can be compared; undefined for a model on the CPU
 * @throws DeviceError beyond the tolerance
 */
export async function checkParity(job: Omit<ParityJob, "windows">, options: LoadSettings): Promise<readonly Parity[] | undefined> {
	const { model, folder } = job;
	const devices = devicesText(model.backend, model.placement);
	if (devices === undefined) return undefined;
	const windows = fixedWindows(model.facts, compared.windows, Math.min(compared.length, model.facts.contextLength));
	const asked = [devices, computingIdentity(model, options), model.file.size];
	// What a part said must not count once memory holds the original model.
	const once = async (what: "whole" | "part", measure: () => Promise<Parity[] | undefined>) => {
		const path = parityPath(folder, hashOf(["parity", version, asked, what]));
		const kept = await keptParities(path);
		const found = kept ?? (await measure());
		if (found === undefined) return undefined;
		const worst = worstOf(found);
		if (!isWithin(worst)) throw new DeviceError(refusal(devices, worst));
		if (!kept) await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(found)));
		logger(options)("debug", `${devices} agrees with the CPU: ${parityText(found)}`);
		return found;
	};
	const whole = await once("whole", () => compareWhole({ ...job, windows }, options));
	return whole ?? (await once("part", () => toldPart({ ...job, windows }, options))) ?? [];
}

const keptParities = (path: string) =>
	readFile(path, "utf8").then(
		(text) => parsedAs(parities, text),
		() => undefined,
	);

/**
 * Windows of tokens that no device has drawn: text that a wrong device draws would be kept, and later be measured on as good text.
 * @internal
 */
export function fixedWindows({ vocabulary }: Pick<ModelFacts, "vocabulary">, count: number, length: number): TokenWindows {
	const tokens = Int32Array.from({ length: count * length }, (_, i) => (i * i + 7 * i) % Math.min(vocabulary, 1000));
	return makeWindows(tokens, length);
}

/** `at most 1.2e-4 nats in loss and 3.4e-6 in KL divergence from the CPU` */
export function parityText(found: readonly Parity[]): string {
	if (found.length === 0) return "not compared with the CPU, since memory does not hold the model";
	const losses = Math.max(...found.map((one) => lossDifference(one)));
	const divergences = Math.max(...found.map(({ divergence }) => divergence ?? 0));
	const of = found.some(({ removed }) => removed.length === 0)
		? ""
		: `, without blocks ${formatBlocks(found[0]!.removed)}: memory does not hold all`;
	return `at most ${losses.toExponential(1)} nats in loss and ${Math.max(0, divergences).toExponential(1)} in KL divergence from the CPU${of}`;
}

async function toldPart(job: ParityJob, options: LoadSettings): Promise<Parity[] | undefined> {
	const part = await comparePart(job, options);
	logger(options)(
		"warning",
		part
			? `memory does not hold the model beside the device: the device is compared with the CPU without blocks ${formatBlocks(part[0]!.removed)}`
			: "the device is not compared with the CPU: memory does not hold even a part of the model beside it. Close other programs and run again to compare",
	);
	return part;
}

/** Nats per token; infinite if only one of them is finite, 0 if none is. */
function lossDifference({ device, cpu }: Parity): number {
	if (device === null || cpu === null) return device === cpu ? 0 : Number.POSITIVE_INFINITY;
	return Math.abs(device - cpu);
}

/** How far it is, as a share of the tolerance: 1 is just allowed. @internal */
export function excess(one: Parity): number {
	const divergence = one.device === null && one.cpu === null ? 0 : (one.divergence ?? Number.POSITIVE_INFINITY);
	const found = Math.max(lossDifference(one) / parityTolerance.loss, divergence / parityTolerance.divergence);
	return Number.isNaN(found) ? Number.POSITIVE_INFINITY : found;
}

/** @internal */
export const isWithin = (one: Parity): boolean => excess(one) <= 1;

/** @internal */
export const worstOf = (found: readonly Parity[]): Parity => found.reduce((worst, one) => (excess(one) > excess(worst) ? one : worst));

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
