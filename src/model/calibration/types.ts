import type { SplitName } from "../../storage/split-names.js";
import type { TokenWindows } from "../runtime/windows.js";
import type { CalibrationFile, SplitCounts } from "./files.js";

/** One source of windows. Its windows lie one after another in each split, in the order of the sources. */
export interface CalibrationSource {
	readonly name: string;
	readonly weight: number;
	readonly counts: SplitCounts;
}

/** Calibration windows in splits, and where they come from. */
export interface Calibration {
	splits: Record<SplitName, TokenWindows>;
	/** For people: "self-generated text", or the names of the files. */
	source: string;
	/** One, or one a file. */
	sources: readonly CalibrationSource[];
}

/** Where the windows come from and how many there are. */
export interface CalibrationOptions {
	/** Text files; without any, the model's own samples. Each gives as many windows as the next, whatever its weight. */
	files?: readonly (string | CalibrationFile)[] | undefined;
	counts: SplitCounts;
	/** Tokens in a window. */
	length: number;
	seed: number;
	signal?: AbortSignal | undefined;
	onProgress?: ((done: number, total: number) => void) | undefined;
}
