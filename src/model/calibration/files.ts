import { basename } from "node:path";
import { InvalidOptionError } from "../../errors.js";
import { findEqualFiles } from "../../storage/equal-files.js";
import type { SplitName } from "../../storage/split-names.js";

// The files that calibration text comes from, and their weights.

/** Windows in each split. */
export type SplitCounts = Record<SplitName, number>;

/** A calibration file and its weight. */
export interface CalibrationFile {
	readonly path: string;
	/** Above 0; only the ratios count. @default 1 */
	readonly weight?: number | undefined;
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

/** The file's name, with its folders if another file has the same name. */
export function nameAmong(path: string, files: readonly { path: string }[]): string {
	return files.filter((file) => basename(file.path) === basename(path)).length > 1 ? path : basename(path);
}

/** Refuses the same text twice, since it would land in two splits. @throws InvalidOptionError that names both files */
export async function refuseRepeated(files: readonly string[], signal?: AbortSignal): Promise<void> {
	const equal = await findEqualFiles(files, signal);
	if (!equal) return;
	const [first, second] = equal.at.map((at) => files[at]!);
	throw new InvalidOptionError(
		equal.oneFile
			? `${first} and ${second} are the same calibration file: give it once`
			: `the calibration files ${first} and ${second} have the same content: give only one of them`,
	);
}

/** What file `i` of `n` gives to each split: equal shares, with the remainder from the first files. */
export function countsForFile(counts: SplitCounts, i: number, n: number): SplitCounts {
	const share = (count: number) => Math.floor(count / n) + (i < count % n ? 1 : 0);
	return { search: share(counts.search), validation: share(counts.validation), heldOut: share(counts.heldOut) };
}
