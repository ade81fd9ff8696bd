import { Coalition } from "../game/coalition.js";
import type { LossFunction } from "../game/predictor.js";
import type { Search } from "./search.js";

/** A set of removed moves of one total size, walked by swaps on a cheap loss. @internal */
export interface SwapSpace {
	readonly players: number;
	/** Moves that may be removed (not frozen, not critical). */
	readonly moves: readonly (readonly number[])[];
	/** Whether the set can be run. */
	allows(removed: Uint8Array): boolean;
}

/**
 * Swaps one removed move for a kept one of the same number of blocks, the best swap first, until none lowers the loss.
 * @param removed one byte a block, 1 removed; changed in place
 * @returns loss at the end
 */
export function swapDescent(loss: LossFunction, removed: Uint8Array, space: SwapSpace): number {
	let here = loss.of(removed);
	// Each swap lowers the loss, so no set comes twice; the bound only guards against rounding.
	for (let step = 0; step < 10 * space.players; step++) {
		const best = bestSwap(loss, removed, space);
		if (!best || best.change > -1e-9) break;
		setMove(removed, best.back, 0);
		setMove(removed, best.out, 1);
		here += best.change;
	}
	return here;
}

function bestSwap(loss: LossFunction, removed: Uint8Array, space: SwapSpace) {
	let best: { back: readonly number[]; out: readonly number[]; change: number } | undefined;
	for (const back of space.moves) {
		if (!isRemoved(removed, back)) continue;
		const restored = flipMove(loss, removed, back);
		for (const out of space.moves) {
			if (out.length !== back.length || !isKept(removed, out)) continue;
			const change = restored + flipMove(loss, removed, out);
			if (!best || change < best.change) {
				setMove(removed, out, 1);
				if (space.allows(removed)) best = { back, out, change };
				setMove(removed, out, 0);
			} else setMove(removed, out, 0);
		}
		setMove(removed, back, 1);
	}
	return best;
}

/** Flips every block of the move and returns the change of the loss; a move of `out` is taken back by the caller. */
function flipMove(loss: LossFunction, removed: Uint8Array, move: readonly number[]): number {
	let change = 0;
	for (const block of move) {
		change += loss.flip(removed, block);
		removed[block] = 1 - (removed[block] as number);
	}
	return change;
}

function setMove(removed: Uint8Array, move: readonly number[], state: 0 | 1): void {
	for (const block of move) removed[block] = state;
}

function isRemoved(removed: Uint8Array, move: readonly number[]): boolean {
	return move.every((block) => removed[block] === 1);
}

function isKept(removed: Uint8Array, move: readonly number[]): boolean {
	return move.every((block) => removed[block] === 0);
}

/** All sets one swap away. @internal */
export function swapNeighbours(removed: Uint8Array, space: SwapSpace): Uint8Array[] {
	const neighbours: Uint8Array[] = [];
	for (const back of space.moves) {
		if (!isRemoved(removed, back)) continue;
		for (const out of space.moves) {
			if (out.length !== back.length || !isKept(removed, out)) continue;
			const next = removed.slice();
			setMove(next, back, 0);
			setMove(next, out, 1);
			if (space.allows(next)) neighbours.push(next);
		}
	}
	return neighbours;
}

/** @internal */
export function flagsOf(coalition: Coalition): Uint8Array {
	return coalition.toBytes().map((kept) => 1 - kept);
}

/** Inverse of {@link flagsOf}. @internal */
export function coalitionOfFlags(removed: Uint8Array): Coalition {
	return Coalition.ofRemoved(
		removed.length,
		[...removed.keys()].filter((block) => removed[block] === 1),
	);
}

/** The moves that a search may still exchange: neither frozen nor critical. @internal */
export function swapSpaceOf(search: Search): SwapSpace {
	const { game } = search;
	return {
		players: game.players,
		moves: search.moves.filter((_, move) => !search.isFrozen(move)),
		allows: (removed) => game.allows(coalitionOfFlags(removed)),
	};
}
