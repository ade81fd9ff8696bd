import { basename } from "node:path";
import { InvalidOptionError } from "../../errors.js";
import { type SplitName, splitNames, splitTitle } from "../../storage/split-names.js";
import type { TextModel } from "../runtime/text-model.js";
import { concatWindows, makeWindows, type TokenWindows } from "../runtime/windows.js";
import { type CalibrationDocument, readDocuments } from "./documents.js";
import { type SplitCounts, nameAmong, refuseRepeated, countsForFile, weightedFiles } from "./files.js";
import { selfGeneratedText } from "./self-generated.js";
import { windowsOfDocuments } from "./text-windows.js";
import type { Calibration, CalibrationOptions, CalibrationSource } from "./types.js";

/** Name of the source where no file is given: text that the model writes itself. */
export const selfGenerated = "self-generated text";

/**
 * Builds the splits. Windows of different splits never share a token position. Every split is spread over the full text of each file,
 * and over all kinds of self-generated text.
 * @throws CalibrationError, InvalidOptionError
 */
export async function calibrate(model: TextModel, options: CalibrationOptions): Promise<Calibration> {
	const { contextLength } = model.facts;
	if (options.length > contextLength) {
		throw new InvalidOptionError(
			`windows of ${options.length} tokens exceed the model's context of ${contextLength}: give --window-length ${contextLength} or less`,
		);
	}
	const files = weightedFiles(options.files ?? []);
	const total = splitNames.reduce((sum, name) => sum + options.counts[name], 0);
	if (files.length === 0) {
		const { windows, kinds } = await selfGeneratedText(model, { ...options, count: total });
		const taken = takenBySplits(windows.count, options.counts);
		const kindsOf = (name: SplitName) => taken[name].map((window) => kinds[window]!);
		return oneSource(selfGenerated, deal(windows, options.counts), inSplits(kindsOf));
	}
	await refuseRepeated(
		files.map(({ path }) => path),
		options.signal,
	);
	const short = splitNames.find((name) => options.counts[name] > 0 && options.counts[name] < files.length);
	if (short !== undefined) {
		throw new InvalidOptionError(
			`every split needs a window from each of the ${files.length} calibration files, and the ${splitTitle(short)} split has only ${options.counts[short]}: raise --windows or give fewer files`,
		);
	}
	const dealt: Record<SplitName, TokenWindows>[] = [];
	const sources: CalibrationSource[] = [];
	for (const [i, { path: file, weight }] of files.entries()) {
		const counts = countsForFile(options.counts, i, files.length);
		sources.push({ name: nameAmong(file, files), weight, counts });
		const documents: CalibrationDocument[] = await readDocuments(file);
		const count = splitNames.reduce((sum, name) => sum + counts[name], 0);
		if (count > 0) dealt.push(deal(windowsOfDocuments(model, documents, { count, length: options.length, name: file }), counts));
	}
	const splits = inSplits((name) => concatWindows(dealt.map((part) => part[name]).filter((part) => part.count > 0)));
	return { splits, source: files.map(({ path }) => basename(path)).join(", "), sources };
}

/** Something of each split. */
export function inSplits<T>(of: (name: SplitName) => T): Record<SplitName, T> {
	return { search: of("search"), validation: of("validation"), heldOut: of("heldOut") };
}

/** The splits of one source. */
export function oneSource(source: string, splits: Calibration["splits"], kinds?: Calibration["kinds"]): Calibration {
	const counts = inSplits((name) => splits[name].count);
	return { splits, source, sources: [{ name: source, weight: 1, counts }], kinds };
}

/** Deals windows to splits so that each split takes its windows evenly from first to last. */
export function deal(windows: TokenWindows, counts: SplitCounts): Record<SplitName, TokenWindows> {
	const taken = takenBySplits(windows.count, counts);
	return inSplits((name) => {
		const indices = taken[name];
		const tokens = new Int32Array(indices.length * windows.length);
		indices.forEach((index, row) => {
			tokens.set(windows.tokens.subarray(index * windows.length, (index + 1) * windows.length), row * windows.length);
		});
		return indices.length === 0 ? { tokens, count: 0, length: windows.length } : makeWindows(tokens, windows.length);
	});
}

/** Which of so many windows each split takes. */
function takenBySplits(windows: number, counts: SplitCounts): Record<SplitName, number[]> {
	const taken: Record<SplitName, number[]> = { search: [], validation: [], heldOut: [] };
	for (let i = 0; i < windows; i++) {
		// The split that is furthest behind its share.
		const name = splitNames.reduce((best, split) => (lag(split) > lag(best) ? split : best));
		taken[name].push(i);
		function lag(split: SplitName): number {
			return taken[split].length >= counts[split] ? Number.NEGATIVE_INFINITY : ((i + 1) * counts[split]) / windows - taken[split].length;
		}
	}
	return taken;
}
