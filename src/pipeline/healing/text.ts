// The text that matrices are fitted to: self-generated, kept for the next run.
import type { JobOptions } from "../../api/index.js";
import { hasSamples, keptSamples, type SampleRequest } from "../session/cached-samples.js";
import type { Model } from "../../model/runtime/model.js";
import type { TokenWindows } from "../../model/runtime/windows.js";

/** Tokens that matrices are fitted to where nothing else is said. */
export const defaultHealTokens = 25_600;
/** The first of them, which sets are compared with. */
export const raceTokens = 6400;
/** Tokens in a window of them. */
const usualLength = 128;
/** Streams of samples for healing begin here: no window is one of the calibration's. */
const firstSeed = 2 ** 31;
/** Bumped when windows are drawn differently. */
const version = 1;
/** Plans hold what was fitted to this text: applied again, it must be the same. */
const purpose = { name: "heal", version, phase: "generating text for healing", mix: "chats", asDrawn: true } as const;

/** Which windows. */
export type HealText = SampleRequest;

/** @param tokens at least; whole windows are drawn */
export function healTextOf(model: Model, tokens: number, seed: number): HealText {
	const length = Math.min(usualLength, model.facts.contextLength);
	return { seed: firstSeed + seed, count: Math.max(8, Math.ceil(tokens / length)), length };
}

/** Draws the windows, or reads those that an earlier run drew. @param folder of the model's runs */
export function healWindows(model: Model, folder: string, text: HealText, options: JobOptions): Promise<TokenWindows> {
	return keptSamples({ model, folder }, text, purpose, options);
}

/** Whether an earlier run drew them. */
export function hasHealWindows(folder: string, text: HealText): Promise<boolean> {
	return hasSamples(folder, text, purpose);
}
