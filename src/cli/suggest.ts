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

/** The closest word, if there is one. */
export function closestOf(word: string, candidates: readonly string[]): string[] {
	const meant = closest(word, candidates);
	return meant === undefined ? [] : [meant];
}

/** What is put behind a name that is unknown; nothing where nothing like it is known. */
export function didYouMean(names: readonly string[]): string {
	if (names.length === 0) return "";
	const before = names.slice(0, -1).join(", ");
	return ` (did you mean ${before === "" ? "" : `${before} or `}${names.at(-1)}?)`;
}

/** The candidate that a misspelled word most likely means: at most a third of its letters (and at least one) are wrong. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
	const allowed = Math.max(1, Math.floor(word.length / 3));
	let best: string | undefined;
	let bestDistance = allowed + 1;
	for (const candidate of candidates) {
		const distance = editDistance(word, candidate);
		if (distance < bestDistance) {
			best = candidate;
			bestDistance = distance;
		}
	}
	return best;
}

/** Insertions, deletions, replacements and swaps of neighbors that turn one word into another. */
export function editDistance(a: string, b: string): number {
	let before: number[] = [];
	let above = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const same = a[i - 1] === b[j - 1];
			let cost = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
			if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
			row.push(cost);
		}
		before = above;
		above = row;
	}
	return above[b.length]!;
}
