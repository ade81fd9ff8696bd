// More text of the same kind than the folds hold: for a race that these cannot decide.
import type { Model } from "../runtime/model.js";
import { concatWindows, type TokenWindows } from "../runtime/windows.js";
import { readDocuments } from "./documents.js";
import { type CalibrationOptions, foldNames, shareOf, weightedFiles } from "./folds.js";
import { ownSamples } from "./own-samples.js";
import { type Layout, layOut, windowsBetween } from "./text-windows.js";

/** Streams of further own samples begin here: no window is one of the folds', nor of those that matrices are fitted to. */
const firstSeed = 3 * 2 ** 30;
/** Seeds that the samples of one part take. */
const seedsOfPart = 4;
/** Parts that there are at most. */
const mostParts = 16;

/**
 * A part (0..15) of the further windows: as many as the validation fold has, of each source as many as that has there, in the same order;
 * disjoint from the folds and from the other parts. Undefined where a source's text does not hold so many.
 */
export type FurtherText = (part: number) => Promise<TokenWindows | undefined>;

/** @param options of the folds */
export function furtherText(model: Model, options: CalibrationOptions): FurtherText {
	const { counts, length, seed } = options;
	const files = weightedFiles(options.files ?? []);
	const seedOf = (part: number) => firstSeed + (((seed * mostParts + part) * seedsOfPart) % 2 ** 29);
	if (files.length === 0)
		return async (part) => (part < mostParts ? ownSamples(model, { ...options, count: counts.validation, seed: seedOf(part) }) : undefined);
	const shares = files.map((_, i) => shareOf(counts, i, files.length));
	let layouts: Layout[] | undefined;
	const read = async () => {
		const all: Layout[] = [];
		for (const [i, { path }] of files.entries()) {
			const count = foldNames.reduce((sum, name) => sum + shares[i]![name], 0);
			all.push(layOut(model, await readDocuments(path), count, length, path));
		}
		return all;
	};
	return async (part) => {
		layouts ??= await read();
		const taken = layouts.map((layout, i) => windowsBetween(layout, part * shares[i]!.validation, shares[i]!.validation));
		const held = taken.filter((windows) => windows !== undefined);
		return held.length === taken.length ? concatWindows(held) : undefined;
	};
}
