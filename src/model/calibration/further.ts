// More text of the same kind than the splits hold, for a race that these cannot decide.
import { CalibrationError } from "../../errors.js";
import { splitNames } from "../../storage/split-names.js";
import type { TextModel } from "../runtime/text-model.js";
import { concatWindows, makeWindows, type TokenWindows } from "../runtime/windows.js";
import { readDocuments } from "./documents.js";
import { type CalibrationFile, countsForFile, weightedFiles } from "./files.js";
import { selfGeneratedWindows } from "./self-generated.js";
import { windowsBetween } from "./text-windows.js";
import type { CalibrationOptions } from "./types.js";

/** First seed of further self-generated text, beyond all seeds of the splits and of the text for healing. */
const firstSeed = 2 ** 40;
/** Seeds that one draw of self-generated text takes. */
const seedsOfDraw = 4;
/** Draws: the first is one part, each later one twice as many parts as the one before, since many at once are drawn faster. */
const draws = 3;
/** Most parts there can be. */
export const furtherParts = 2 ** draws - 1;

/**
 * One part (0..6) of the further windows: as many as the validation split has, and of each source as many as there, in the same order. It is
 * disjoint from the splits and from the other parts. Undefined if a source's text does not hold so many.
 */
export type FurtherText = (part: number) => Promise<TokenWindows | undefined>;

export interface FurtherOptions {
	/** Counts and options of the splits. */
	readonly calibration: CalibrationOptions;
	readonly splits: readonly TokenWindows[];
	/** Draws self-generated text. @default selfGeneratedWindows */
	readonly draw?: (count: number, seed: number) => Promise<TokenWindows>;
	/** Called once if files give no further text: one was changed, or can no longer be read. */
	readonly onProblem?: (message: string) => void;
}

export function furtherText(model: TextModel, options: FurtherOptions): FurtherText {
	const { calibration, splits, onProblem } = options;
	if ((calibration.files ?? []).length === 0) return ownText(model, options);
	let parts: Promise<TokenWindows[]> | undefined;
	return async (part) => {
		parts ??= partsOfFiles(model, calibration, splits).catch((error: unknown) => {
			onProblem?.((error as Error).message);
			return [];
		});
		return (await parts)[part];
	};
}

/** The draws of further self-generated text, in their order. */
export function furtherDraws({ counts, seed }: Pick<CalibrationOptions, "counts" | "seed">): { count: number; seed: number }[] {
	return Array.from({ length: draws }, (_, index) => ({
		count: 2 ** index * counts.validation,
		seed: firstSeed + (seed * draws + index) * seedsOfDraw,
	}));
}

function ownText(model: TextModel, { calibration, draw }: FurtherOptions): FurtherText {
	const { counts } = calibration;
	const asked = furtherDraws(calibration);
	const sample = draw ?? ((count, own) => selfGeneratedWindows(model, { ...calibration, count, seed: own }));
	const drawn = new Map<number, TokenWindows>();
	return async (part) => {
		if (part >= furtherParts) return undefined;
		const index = Math.floor(Math.log2(part + 1));
		const first = 2 ** index - 1;
		const { count, seed } = asked[index]!;
		const windows = drawn.get(index) ?? (await sample(count, seed));
		drawn.set(index, windows);
		return sliceOf(windows, (part - first) * counts.validation, counts.validation);
	};
}

function sliceOf({ tokens, length }: TokenWindows, first: number, count: number): TokenWindows {
	return makeWindows(tokens.slice(first * length, (first + count) * length), length);
}

/** All parts that the files hold, read at once so that only the windows stay in memory. */
async function partsOfFiles(model: TextModel, options: CalibrationOptions, splits: readonly TokenWindows[]): Promise<TokenWindows[]> {
	const files = weightedFiles(options.files ?? []);
	const known = new Set(splits.flatMap(rowsOf));
	let parts: TokenWindows[][] = Array.from({ length: furtherParts }, () => []);
	for (const [i, file] of files.entries()) {
		const held = await partsOfFile(model, file, { counts: countsForFile(options.counts, i, files.length), length: options.length }, known);
		parts = parts.slice(0, held.length).map((part, index) => [...part, held[index]!]);
	}
	return parts.map(concatWindows);
}

/** @throws CalibrationError if the file has changed since the splits were cut from it, or cannot be read */
async function partsOfFile(
	model: TextModel,
	{ path }: CalibrationFile,
	{ counts, length }: Pick<CalibrationOptions, "counts" | "length">,
	known: ReadonlySet<string>,
): Promise<TokenWindows[]> {
	const count = splitNames.reduce((sum, name) => sum + counts[name], 0);
	const { dealt, further } = windowsBetween(
		model,
		await readDocuments(path),
		{ count, length, name: path },
		{ size: counts.validation, most: furtherParts },
	);
	if (!rowsOf(dealt).every((row) => known.has(row)))
		throw new CalibrationError(
			`the calibration file ${path} changed while this run was going on; run again with a file that stays the same`,
		);
	return further;
}

function rowsOf({ tokens, count, length }: TokenWindows): string[] {
	return Array.from({ length: count }, (_, i) => tokens.subarray(i * length, (i + 1) * length).join());
}
