// The batches of masks that the methods measure, with fixed seeds.
import { Coalition } from "../dist/index.js";
import { Random } from "../dist/game/random.js";
import { drawStrata, strataSizes } from "../dist/game/strata.js";

const all = (n) => Array.from({ length: n }, (_, i) => i);

/** Every single removal, and the original model: the first step of a greedy search. */
export const greedyStep = (n) => [Coalition.full(n), ...all(n).map((block) => Coalition.ofRemoved(n, [block]))];

/** Every exchange of one of `k` removed blocks in the middle with a kept one. */
export function swaps(n, k) {
	const removed = all(k).map((i) => Math.floor((n - k) / 2) + i);
	const kept = all(n).filter((block) => !removed.includes(block));
	return removed.flatMap((out) => kept.map((into) => Coalition.ofRemoved(n, [...removed.filter((block) => block !== out), into])));
}

/** Every flip of one block of a random mask that keeps three quarters. */
export function flips(n) {
	const removed = new Random(7).sample(all(n), Math.round(n / 4));
	return all(n).map((block) =>
		Coalition.ofRemoved(n, removed.includes(block) ? removed.filter((other) => other !== block) : [...removed, block]),
	);
}

/** Masks from the paper's strata. */
export function paper(n, count) {
	const game = { players: n, frozen: new Map(), allows: () => true };
	return drawStrata(game, { sizes: strataSizes(n), count, random: new Random(1), distinct: true });
}

/** All coalitions, including the empty one. */
export function everything(n) {
	return Array.from({ length: 2 ** n }, (_, bits) =>
		Coalition.ofRemoved(
			n,
			all(n).filter((block) => !((bits >> block) & 1)),
		),
	);
}

/** A fixed sample of a batch, in its order. */
export function sampleOf(masks, count) {
	const chosen = new Set(new Random(3).sample(all(masks.length), Math.min(count, masks.length)));
	return masks.filter((_, i) => chosen.has(i));
}
