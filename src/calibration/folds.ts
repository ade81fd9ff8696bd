import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import { InvalidOptionError } from "../errors.js";
import type { Model } from "../runtime/model.js";
import { concatWindows, makeWindows, type TokenWindows } from "../runtime/windows.js";
import { type CalibrationDocument, readDocuments } from "./documents.js";
import { ownSamples } from "./own-samples.js";
import { windowsOfDocuments } from "./text-windows.js";

/** The three disjoint folds: for searching, for choosing among the found sets, and for the final figures only. */
export const foldNames = ["search", "validation", "report"] as const;
export type FoldName = (typeof foldNames)[number];

/** Windows in each fold. */
export type FoldCounts = Record<FoldName, number>;

/** Calibration windows in folds, and where they come from. */
export interface Calibration {
	folds: Record<FoldName, TokenWindows>;
	/** For people: "the model's own samples", or the names of the files. */
	source: string;
}

/** Where the windows come from and how many there are. */
export interface CalibrationOptions {
	/** Text files; without any, the model's own samples. */
	files?: readonly string[] | undefined;
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
	const files = options.files ?? [];
	const total = foldNames.reduce((sum, name) => sum + options.counts[name], 0);
	if (files.length === 0) {
		const windows = await ownSamples(model, { ...options, count: total });
		return { folds: deal(windows, options.counts), source: "the model's own samples" };
	}
	await refuseRepeated(files);
	const dealt: Record<FoldName, TokenWindows>[] = [];
	for (const [i, file] of files.entries()) {
		const counts = shareOf(options.counts, i, files.length);
		const documents: CalibrationDocument[] = await readDocuments(file);
		const count = foldNames.reduce((sum, name) => sum + counts[name], 0);
		if (count > 0) dealt.push(deal(windowsOfDocuments(model, documents, count, options.length, file), counts));
	}
	const folds = Object.fromEntries(
		foldNames.map((name) => [name, concatWindows(dealt.map((part) => part[name]).filter((part) => part.count > 0))]),
	) as Record<FoldName, TokenWindows>;
	return { folds, source: files.map((file) => basename(file)).join(", ") };
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
function shareOf(counts: FoldCounts, i: number, n: number): FoldCounts {
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
