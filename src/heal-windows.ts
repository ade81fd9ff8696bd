// The text that matrices are fitted to: the model's own samples, kept for the next run.
import { readFile } from "node:fs/promises";
import type { JobOptions } from "./api.js";
import { ownSamples } from "./calibration/index.js";
import type { Model } from "./runtime/model.js";
import { llamaPin } from "./runtime/paths.js";
import { makeWindows, type TokenWindows } from "./runtime/windows.js";
import { hashOf } from "./storage/hash.js";
import { writeAtomically } from "./storage/atomic-file.js";
import { windowsPath } from "./storage/runs.js";

/** Tokens that matrices are fitted to where nothing else is said. */
export const defaultHealTokens = 25_600;
/** Tokens in a window of them. */
const usualLength = 128;
/** Streams of samples for healing begin here: no window is one of the calibration's. */
const firstSeed = 2 ** 31;
/** Bumped when windows are drawn differently. */
const version = 1;

/** Which windows: they are the same for the same model, build and request. */
export interface HealText {
	readonly seed: number;
	readonly count: number;
	readonly length: number;
}

/** @param tokens at least; whole windows are drawn */
export function healText(model: Model, tokens: number, seed: number): HealText {
	const length = Math.min(usualLength, model.facts.contextLength);
	return { seed: firstSeed + seed, count: Math.max(8, Math.ceil(tokens / length)), length };
}

/** Draws the windows, or reads those that an earlier run drew. @param folder of the model's runs */
export async function healWindows(
	model: Model,
	folder: string,
	{ seed, count, length }: HealText,
	options: JobOptions,
): Promise<TokenWindows> {
	const key = hashOf(["heal", version, llamaPin.commit, count, length, seed]);
	const file = windowsPath(folder, key);
	const kept = await readFile(file, "utf8").then(
		(text) => tokensOf(text, count * length),
		() => undefined, // not there, or torn by a crash: drawn again, the same for the same seed
	);
	if (kept) return makeWindows(kept, length);
	const onProgress = (done: number, total: number) =>
		options.onProgress?.({ phase: "sampling text to heal with", done, total, unit: "tokens" });
	const windows = await ownSamples(model, { count, length, seed, signal: options.signal, onProgress });
	await writeAtomically(file, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify({ heal: Array.from(windows.tokens) })));
	return windows;
}

function tokensOf(text: string, count: number): Int32Array | undefined {
	try {
		const { heal } = JSON.parse(text) as { heal: number[] };
		return heal.length === count ? Int32Array.from(heal) : undefined;
	} catch {
		return undefined;
	}
}
