// Exchanges of pairs of parts in sets with half-block cuts, on a cheap loss over parts. A set is one byte per part, 1 removed.
import { Coalition } from "../coalition.js";
import type { AdjacentPair } from "../pairs.js";
import { removedFlags, removedPositions } from "../parts.js";
import type { LossFunction } from "../predictor.js";

/** What may be exchanged. @internal */
export interface PartSpace {
	readonly players: number;
	/** One byte per part, 1 if it stays whatever happens. */
	readonly fixed: Uint8Array;
	/** Whether the set can be run, and leaves what is critical. */
	allows(removed: Uint8Array): boolean;
}

/** @internal */
export function partFlagsOf(coalition: Coalition): Uint8Array {
	return removedFlags(coalition.players, coalition.removed());
}

/** Inverse of {@link partFlagsOf}. @throws RangeError if the kept parts do not alternate @internal */
export function coalitionOfParts(removed: Uint8Array): Coalition {
	return Coalition.ofRemoved(removed.length / 2, removedPositions(Array.from(removed, (gone) => gone === 0)));
}

/** Every pair of neighbors in what is left, as far as both may go. @internal */
export function pairsLeft(removed: Uint8Array, { fixed }: PartSpace): AdjacentPair[] {
	const pairs: AdjacentPair[] = [];
	let first = -1;
	for (let second = 0; second < removed.length; second++) {
		if (removed[second] === 1) continue;
		if (first >= 0 && fixed[first] === 0 && fixed[second] === 0) pairs.push({ first, second });
		first = second;
	}
	return pairs;
}

/** Every pair of removed parts that may have gone last: put back, the two are neighbors in what is left. @internal */
export function pairsGone(removed: Uint8Array): AdjacentPair[] {
	const pairs: AdjacentPair[] = [];
	for (let start = 0; start < removed.length; start++) {
		if (removed[start] === 0) continue;
		let end = start;
		while (end < removed.length && removed[end] === 1) end++;
		// An even number of parts before them, between them and after them goes in pairs again.
		for (let first = start; first < end; first += 2) for (let second = first + 1; second < end; second += 2) pairs.push({ first, second });
		start = end;
	}
	return pairs;
}

/** @internal */
export function setPair(removed: Uint8Array, { first, second }: AdjacentPair, state: 0 | 1): void {
	removed[first] = state;
	removed[second] = state;
}

/** All sets one exchange away: a pair is put back, another one of what is left then goes. @internal */
export function partNeighbors(removed: Uint8Array, space: PartSpace): Uint8Array[] {
	const found = new Map<string, Uint8Array>();
	for (const back of pairsGone(removed)) {
		const without = removed.slice();
		setPair(without, back, 0);
		for (const out of pairsLeft(without, space)) {
			const next = without.slice();
			setPair(next, out, 1);
			found.set(next.join(""), next);
		}
	}
	found.delete(removed.join(""));
	return [...found.values()].filter((next) => space.allows(next));
}

/**
 * Exchanges one pair for another, the best exchange first, until none lowers the loss. Each step puts back each of the `width` pairs whose
 * return saves the most. After each it removes the best of the `width` pairs that are cheapest by the changes of their two parts.
 * @param removed changed in place
 * @returns loss at the end
 */
export function partDescent(loss: LossFunction, removed: Uint8Array, space: PartSpace, width = 8): number {
	let here = loss.of(removed);
	// Each exchange lowers the loss, so no set occurs twice; the bound only guards against rounding.
	for (let step = 0; step < 4 * removed.length; step++) {
		const best = bestExchange(loss, removed, space, width);
		if (!best || best.loss > here - 1e-9) break;
		setPair(removed, best.back, 0);
		setPair(removed, best.out, 1);
		here = best.loss;
	}
	return here;
}

interface Exchange {
	readonly back: AdjacentPair;
	readonly out: AdjacentPair;
	readonly loss: number;
}

function bestExchange(loss: LossFunction, removed: Uint8Array, space: PartSpace, width: number): Exchange | undefined {
	let best: Exchange | undefined;
	const backs = pairsGone(removed).map((pair) => ({ pair, loss: withPair(removed, pair, 0, () => loss.of(removed)) }));
	for (const { pair: back } of backs.sort((a, b) => a.loss - b.loss).slice(0, width)) {
		withPair(removed, back, 0, () => {
			for (const { pair: out, loss: there } of cheapestPairs(loss, removed, space, width)) {
				if (best && there >= best.loss) continue;
				if (withPair(removed, out, 1, () => space.allows(removed))) best = { back, out, loss: there };
			}
		});
	}
	return best;
}

/** The cheapest pairs of what is left, with the loss without each, the cheapest first. @internal */
export function cheapestPairs(
	loss: LossFunction,
	removed: Uint8Array,
	space: PartSpace,
	width: number,
): { readonly pair: AdjacentPair; readonly loss: number }[] {
	const changes = pairsLeft(removed, space).map((pair) => ({
		pair,
		change: loss.flip(removed, pair.first) + loss.flip(removed, pair.second),
	}));
	const cheapest = changes.sort((a, b) => a.change - b.change).slice(0, width);
	return cheapest.map(({ pair }) => ({ pair, loss: withPair(removed, pair, 1, () => loss.of(removed)) })).sort((a, b) => a.loss - b.loss);
}

/** What `read` gives while the pair is in the other state. */
function withPair<T>(removed: Uint8Array, pair: AdjacentPair, state: 0 | 1, read: () => T): T {
	setPair(removed, pair, state);
	const value = read();
	setPair(removed, pair, state === 1 ? 0 : 1);
	return value;
}
