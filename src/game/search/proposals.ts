import { Coalition } from "../coalition.js";
import type { LossFunction } from "../predictor.js";
import type { Search } from "./search.js";

/** A set of removed moves of one total size that swaps on a cheap loss change. @internal */
export interface SwapSpace {
	readonly players: number;
	/** Moves that may be removed (not frozen, not critical). */
	readonly moves: readonly (readonly number[])[];
	/** Whether the set can be run. */
	allows(removed: Uint8Array): boolean;
}

/**
 * Swaps a removed move for a kept one of the same number of blocks, the best swap first, until none lowers the loss.
 * @param removed one byte per block, 1 removed; changed in place
 * @returns loss at the end
 */
export function swapDescent(loss: LossFunction, removed: Uint8Array, space: SwapSpace): number {
	let here = loss.of(removed);
	// Each swap lowers the loss, so no set occurs twice; the bound only guards against rounding.
	for (let step = 0; step < 10 * space.players; step++) {
		const best = bestSwap(loss, removed, space);
		if (!best || best.change > -1e-9) break;
		setMove(removed, best.back, 0);
		setMove(removed, best.out, 1);
		here += best.change;
	}
	return here;
}

/**
 * Like {@link swapDescent}, for large games: each step tries only exchanges that restore one of the `width` costliest removed moves, or
 * remove one of the `width` cheapest kept ones.
 */
export function quickDescent(loss: LossFunction, removed: Uint8Array, space: SwapSpace, width = 6): number {
	const gone = space.moves.filter((move) => isRemoved(removed, move)).length;
	if (gone <= 2 * width) return swapDescent(loss, removed, space);
	let here = loss.of(removed);
	for (let step = 0; step < 4 * space.players; step++) {
		const ordered = space.moves
			.filter((move) => isRemoved(removed, move) || isKept(removed, move))
			.map((move) => ({ move, gone: isRemoved(removed, move), change: changeOf(loss, removed, move) }))
			.sort((a, b) => a.change - b.change);
		const backs = ordered.filter((entry) => entry.gone).slice(0, width);
		const outs = ordered.filter((entry) => !entry.gone).slice(0, width);
		const best = leastSwap([
			bestSwap(loss, removed, space, new Set(backs.map(({ move }) => move))),
			bestPartner(loss, removed, space, outs),
		]);
		if (!best || best.change > -1e-9) break;
		setMove(removed, best.back, 0);
		setMove(removed, best.out, 1);
		here += best.change;
	}
	return here;
}

/** For each of the moves to remove, the best move to restore after it. */
function bestPartner(
	loss: LossFunction,
	removed: Uint8Array,
	space: SwapSpace,
	outs: readonly { move: readonly number[]; change: number }[],
): Swap | undefined {
	let best: Swap | undefined;
	for (const { move: out, change: cost } of outs) {
		setMove(removed, out, 1);
		for (const back of space.moves) {
			if (back === out || back.length !== out.length || !isRemoved(removed, back) || back.some((block) => out.includes(block))) continue;
			const change = cost + changeOf(loss, removed, back);
			if (best && change >= best.change) continue;
			setMove(removed, back, 0);
			if (space.allows(removed)) best = { back, out, change };
			setMove(removed, back, 1);
		}
		setMove(removed, out, 0);
	}
	return best;
}

interface Swap {
	readonly back: readonly number[];
	readonly out: readonly number[];
	readonly change: number;
}

function leastSwap(swaps: readonly (Swap | undefined)[]): Swap | undefined {
	return swaps.reduce((a, b) => (!a || (b && b.change < a.change) ? b : a), undefined);
}

/** Change of the loss if the move is flipped; the set is left as it was. */
function changeOf(loss: LossFunction, removed: Uint8Array, move: readonly number[]): number {
	if (move.length === 1) return loss.flip(removed, move[0] as number);
	const change = flipMove(loss, removed, move);
	for (const block of move) removed[block] = 1 - (removed[block] as number);
	return change;
}

/** @param backs moves that may be restored. @default all */
function bestSwap(loss: LossFunction, removed: Uint8Array, space: SwapSpace, backs?: ReadonlySet<readonly number[]>): Swap | undefined {
	let best: Swap | undefined;
	for (const back of space.moves) {
		if (!isRemoved(removed, back) || (backs && !backs.has(back))) continue;
		const restored = flipMove(loss, removed, back);
		for (const out of space.moves) {
			if (out.length !== back.length || !isKept(removed, out)) continue;
			const change = restored + changeOf(loss, removed, out);
			if (best && change >= best.change) continue;
			setMove(removed, out, 1);
			if (space.allows(removed)) best = { back, out, change };
			setMove(removed, out, 0);
		}
		setMove(removed, back, 1);
	}
	return best;
}

/** Flips every block of the move and returns the change of the loss. */
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
export function swapNeighbors(removed: Uint8Array, space: SwapSpace): Uint8Array[] {
	const neighbors: Uint8Array[] = [];
	for (const back of space.moves) {
		if (!isRemoved(removed, back)) continue;
		for (const out of space.moves) {
			if (out.length !== back.length || !isKept(removed, out)) continue;
			const next = removed.slice();
			setMove(next, back, 0);
			setMove(next, out, 1);
			if (space.allows(next)) neighbors.push(next);
		}
	}
	return neighbors;
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
