// What a misspelled word most likely means: on command lines, in config files and in programs.

/** The closest word, if there is one. */
export function closestOf(word: string, candidates: readonly string[]): string[] {
	const meant = closest(word, candidates);
	return meant === undefined ? [] : [meant];
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
