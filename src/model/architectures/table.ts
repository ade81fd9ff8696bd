import { CONSTRAINED } from "./table/constrained.js";
import { EXPERTS } from "./table/experts.js";
import { HYBRIDS } from "./table/hybrids.js";
import { PARTS } from "./table/parts.js";
import { PLAIN } from "./table/plain.js";
import { REFUSED } from "./table/refused.js";
import { WINDOWS } from "./table/windows.js";
import type { ArchitectureEntry } from "./types.js";

/** Every architecture of the pinned llama.cpp, by the name in `general.architecture`. */
export const ARCHITECTURES: ReadonlyMap<string, ArchitectureEntry> = new Map(
	[...PLAIN, ...WINDOWS, ...HYBRIDS, ...EXPERTS, ...CONSTRAINED, ...REFUSED].map((entry) => {
		const parts = PARTS.get(entry.name);
		return [entry.name, parts ? { ...entry, parts } : entry];
	}),
);

/** The pin of llama.cpp that the table was read from. */
export const TABLE_PIN = "v0.5.0 (de3ff81)";
