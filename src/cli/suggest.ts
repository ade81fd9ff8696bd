import { closestOf } from "./api.js";

/** Other words for options, some of them those of llama.cpp; the first that a command takes is meant. */
const synonyms = new Map<string, readonly string[]>([
	["blocks", ["remove-blocks", "max-blocks", "remove"]],
	["layers", ["remove-blocks", "max-blocks", "remove"]],
	["n-layers", ["remove-blocks"]],
	["num-layers", ["remove-blocks"]],
	["prune-layers", ["remove-blocks", "remove"]],
	["max-layers", ["max-blocks", "remove-blocks"]],
	["max-perplexity", ["max-ppl-ratio"]],
	["perplexity", ["max-ppl-ratio"]],
	["ppl", ["max-ppl-ratio"]],
	["kl", ["max-kl"]],
	["size", ["target-size"]],
	["max-size", ["target-size"]],
	["speedup", ["target-speedup"]],
	["gpu", ["gpu-layers"]],
	["devices", ["device"]],
	["sm", ["split-mode"]],
	["ngl", ["gpu-layers"]],
	["n-gpu-layers", ["gpu-layers"]],
	["force", ["overwrite"]],
	["text", ["calibration"]],
]);

/** Options that are named where several begin with what was typed. */
const mostMeant = 3;

/** Flags that an unknown one most likely means: by another word for it, as its beginning, or misspelled. */
export function meantOptions(word: string, flags: readonly string[]): string[] {
	const synonym = synonyms.get(word)?.find((flag) => flags.includes(flag));
	if (synonym !== undefined) return [synonym];
	const longer = word.length < 3 ? [] : flags.filter((flag) => flag.startsWith(word));
	if (longer.length > 0 && longer.length <= mostMeant) return longer;
	return closestOf(word, flags);
}

/** What is put behind a name that is unknown; nothing where nothing like it is known. */
export function didYouMean(names: readonly string[]): string {
	if (names.length === 0) return "";
	const before = names.slice(0, -1).join(", ");
	return ` (did you mean ${before === "" ? "" : `${before} or `}${names.at(-1)}?)`;
}
