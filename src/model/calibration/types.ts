import type { SplitName } from "../../storage/split-names.js";
import type { TokenWindows } from "../runtime/windows.js";
import type { TextKind } from "./text-kinds.js";
import type { TextMix } from "./text-mix.js";
import type { CalibrationFile, SplitCounts } from "./files.js";

/** One source of windows. Its windows are consecutive in each split, in the order of the sources. */
export interface CalibrationSource {
	readonly name: string;
	readonly weight: number;
	readonly counts: SplitCounts;
}

/** Calibration windows in splits, and their sources. */
export interface Calibration {
	splits: Record<SplitName, TokenWindows>;
	/** For people: "self-generated text", or the names of the files. */
	source: string;
	/** One source, or one per file. */
	sources: readonly CalibrationSource[];
	/** The kind of each window of self-generated text. Missing if an earlier version drew it. */
	kinds?: Readonly<Record<SplitName, readonly TextKind[]>> | undefined;
}

/** Sources and numbers of windows. */
export interface CalibrationOptions {
	/** Text files; without any, self-generated text. Each gives the same number of windows, whatever its weight. */
	files?: readonly (string | CalibrationFile)[] | undefined;
	counts: SplitCounts;
	/** Tokens in a window. */
	length: number;
	seed: number;
	/** What self-generated text begins with. @default "documents" */
	mix?: TextMix | undefined;
	signal?: AbortSignal | undefined;
	onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How to sample self-generated text. */
export interface SelfGeneratedOptions {
	/** Number of windows. */
	count: number;
	/** Tokens in each window. */
	length: number;
	seed: number;
	/**
	 * What the text begins with. `chats`: every second window is a chat, if the file has a chat template that llama.cpp knows. `wide`: every second
	 * window goes on with an opening: encyclopedia, code, story, another language and others. @default "documents"
	 */
	mix?: TextMix | undefined;
	signal?: AbortSignal | undefined;
	/** Called with tokens done and in total. */
	onProgress?: ((done: number, total: number) => void) | undefined;
}
