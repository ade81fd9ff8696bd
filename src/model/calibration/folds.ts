import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import { InvalidOptionError } from "../../errors.js";
import { type FoldName, foldNames } from "../../storage/fold-names.js";
import type { Model } from "../runtime/model.js";
import { concatWindows, makeWindows, type TokenWindows } from "../runtime/windows.js";
import { type CalibrationDocument, readDocuments } from "./documents.js";
import { ownSamples } from "./own-samples.js";
import { windowsOfDocuments } from "./text-windows.js";

/** Windows in each fold. */
export type FoldCounts = Record<FoldName, number>;

/** A calibration file and how much it counts. */
export interface CalibrationFile {
	readonly path: string;
	/** Above 0; only the ratios matter. @default 1 */
	readonly weight?: number | undefined;
}

/** One source of windows. Its windows lie one after another in each fold, in the order of the sources. */
export interface CalibrationSource {
	readonly name: string;
	readonly weight: number;
	readonly counts: FoldCounts;
}

/** Calibration windows in folds, and where they come from. */
export interface Calibration {
	folds: Record<FoldName, TokenWindows>;
	/** For people: "the model's own samples", or the names of the files. */
	source: string;
	/** One, or one a file. */
	sources: readonly CalibrationSource[];
}

/** Where the windows come from and how many there are. */
export interface CalibrationOptions {
	/** Text files; without any, the model's own samples. Each gives as many windows as the next, whatever its weight. */
	files?: readonly (string | CalibrationFile)[] | undefined;
	counts: FoldCounts;
	/** Tokens in a window. */
	length: number;
	seed: number;
	signal?: AbortSignal | undefined;
	onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Builds the folds. Windows of different folds never share a token position, and every fold is spread over all of the text
 * of each file, and over both kinds of own samples.
 * @throws CalibrationError, InvalidOptionError
 */
export async function calibrate(model: Model, options: CalibrationOptions): Promise<Calibration> {
	if (options.length > model.facts.contextLength) {
		throw new InvalidOptionError(`windows of ${options.length} tokens exceed the model's context of ${model.facts.contextLength}`);
	}
	const files = weightedFiles(options.files ?? []);
	const total = foldNames.reduce((sum, name) => sum + options.counts[name], 0);
	if (files.length === 0) {
		const windows = await ownSamples(model, { ...options, count: total });
		return oneSource("the model's own samples", deal(windows, options.counts));
	}
	await refuseRepeated(files.map(({ path }) => path));
	const short = foldNames.find((name) => options.counts[name] > 0 && options.counts[name] < files.length);
	if (short !== undefined) {
		throw new InvalidOptionError(
			`${files.length} calibration files need a window each in every fold, and the ${short} fold has ${options.counts[short]}: give more windows or fewer files`,
		);
	}
	const dealt: Record<FoldName, TokenWindows>[] = [];
	const sources: CalibrationSource[] = [];
	for (const [i, { path: file, weight }] of files.entries()) {
		const counts = shareOf(options.counts, i, files.length);
		sources.push({ name: nameAmong(file, files), weight, counts });
		const documents: CalibrationDocument[] = await readDocuments(file);
		const count = foldNames.reduce((sum, name) => sum + counts[name], 0);
		if (count > 0) dealt.push(deal(windowsOfDocuments(model, documents, { count, length: options.length, name: file }), counts));
	}
	const folds = Object.fromEntries(
		foldNames.map((name) => [name, concatWindows(dealt.map((part) => part[name]).filter((part) => part.count > 0))]),
	) as Record<FoldName, TokenWindows>;
	return { folds, source: files.map(({ path }) => basename(path)).join(", "), sources };
}

/** Folds of one source. */
export function oneSource(source: string, folds: Calibration["folds"]): Calibration {
	const counts = { search: folds.search.count, validation: folds.validation.count, report: folds.report.count };
	return { folds, source, sources: [{ name: source, weight: 1, counts }] };
}

/** Files with their weights. @throws InvalidOptionError for a weight that is not above 0 */
export function weightedFiles(files: readonly (string | CalibrationFile)[]): { path: string; weight: number }[] {
	return files.map((file) => {
		const { path, weight = 1 } = typeof file === "string" ? { path: file } : file;
		if (!(weight > 0 && Number.isFinite(weight)))
			throw new InvalidOptionError(`the weight of ${path} must be a number above 0, got ${weight}`);
		return { path, weight };
	});
}

/** The file's name, with its folders where another has the same one. */
export function nameAmong(path: string, files: readonly { path: string }[]): string {
	return files.filter((file) => basename(file.path) === basename(path)).length > 1 ? path : basename(path);
}

/** The same text twice would land in two folds. */
async function refuseRepeated(files: readonly string[]): Promise<void> {
	const seen = new Map<string, string>();
	for (const file of files) {
		const real = await realpath(file).catch(() => file);
		const other = seen.get(real);
		if (other !== undefined) throw new InvalidOptionError(`${other} and ${file} are the same calibration file: give it once`);
		seen.set(real, file);
	}
}

/** What file `i` of `n` gives to each fold: equal shares, the remainder to the first files. */
export function shareOf(counts: FoldCounts, i: number, n: number): FoldCounts {
	const share = (count: number) => Math.floor(count / n) + (i < count % n ? 1 : 0);
	return { search: share(counts.search), validation: share(counts.validation), report: share(counts.report) };
}

/** Deals windows to folds so that each fold takes its windows evenly from first to last. */
export function deal(windows: TokenWindows, counts: FoldCounts): Record<FoldName, TokenWindows> {
	const taken: Record<FoldName, number[]> = { search: [], validation: [], report: [] };
	for (let i = 0; i < windows.count; i++) {
		// The fold that is furthest behind its share.
		const name = foldNames.reduce((best, fold) => (lag(fold) > lag(best) ? fold : best));
		taken[name].push(i);
		function lag(fold: FoldName): number {
			return taken[fold].length >= counts[fold] ? Number.NEGATIVE_INFINITY : ((i + 1) * counts[fold]) / windows.count - taken[fold].length;
		}
	}
	const pick = (indices: number[]): TokenWindows => {
		const tokens = new Int32Array(indices.length * windows.length);
		indices.forEach((index, row) => {
			tokens.set(windows.tokens.subarray(index * windows.length, (index + 1) * windows.length), row * windows.length);
		});
		return indices.length === 0 ? { tokens, count: 0, length: windows.length } : makeWindows(tokens, windows.length);
	};
	return { search: pick(taken.search), validation: pick(taken.validation), report: pick(taken.report) };
}
