import { disjointMovesOf } from "../moves.js";
import type { LossFunction, Predictor } from "../predictor.js";
import type { Random } from "../random.js";
import { binomial, subsets } from "../strata.js";

/** @throws RangeError for a surrogate over parts of blocks, of which none goes alone @internal */
export function checkOverBlocks({ granularity = "block" }: Pick<Predictor, "granularity">): void {
	if (granularity !== "block") throw new RangeError("contributions are of whole blocks: fit the surrogate with granularity block");
}

/** The players: single blocks, and units of blocks that are removed together. @internal */
export interface MoveSpace {
	readonly players: number;
	/** Blocks of each move, ascending; frozen ones are in none. */
	readonly moves: readonly (readonly number[])[];
	/** Moves that a background may remove: those without a block that is always kept. */
	readonly movable: readonly number[];
}

/**
 * The moves of a game, and a check of `kmax` against those that may be removed. @internal
 * @throws RangeError for kmax out of range, or units that share a block
 */
export function moveSpace(
	players: number,
	options: {
		/** Most moves that will be removed. */
		readonly kmax: number;
		readonly keep?: Iterable<number> | undefined;
		readonly frozen?: Iterable<number> | undefined;
		readonly units?: readonly (readonly number[])[] | undefined;
	},
): MoveSpace {
	const { kmax, units } = options;
	const frozen = new Map([...(options.frozen ?? [])].map((block) => [block, "frozen"]));
	const kept = new Set(options.keep);
	const moves = disjointMovesOf({ players, frozen }, units);
	const movable = [...moves.keys()].filter((move) => !(moves[move] as readonly number[]).some((block) => kept.has(block)));
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > movable.length)
		throw new RangeError(`kmax must be an integer in 1..${movable.length}, got ${kmax}`);
	return { players, moves, movable };
}

/** Change of the loss if a move is flipped; the set is left as it was. @internal */
export function changeOf(loss: LossFunction, removed: Uint8Array, move: readonly number[]): number {
	if (move.length === 1) return loss.flip(removed, move[0] as number);
	let change = 0;
	for (const block of move) {
		change += loss.flip(removed, block);
		removed[block] = 1 - (removed[block] as number);
	}
	for (const block of move) removed[block] = 1 - (removed[block] as number);
	return change;
}

/** Sets of removed blocks of one size, and whether these are all that exist. @internal */
export interface Backgrounds {
	readonly size: number;
	readonly sets: readonly (readonly number[])[];
	readonly listed: boolean;
}

/**
 * Backgrounds of a window: for each of 0 to `kmax` - 1 removed blocks an equal share of `count` random sets. If all sets of a size are at
 * most twice the share, all are taken. @internal
 */
export function drawBackgrounds(movable: readonly number[], kmax: number, count: number, random: Random): Backgrounds[] {
	const share = Math.max(1, Math.ceil(count / kmax));
	return Array.from({ length: kmax }, (_, size) => {
		const listed = binomial(movable.length, size) <= 2 * share;
		const sets = listed ? subsets(movable, size) : Array.from({ length: share }, () => random.sample(movable, size));
		return { size, sets, listed };
	});
}

/** Blocks that are not kept, and a check of `kmax` against them. @internal @throws RangeError */
export function movableBlocks(players: number, keep: Iterable<number>, kmax: number): number[] {
	const kept = new Set(keep);
	const movable = Array.from({ length: players }, (_, i) => i).filter((block) => !kept.has(block));
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > movable.length)
		throw new RangeError(`kmax must be an integer in 1..${movable.length}, got ${kmax}`);
	return movable;
}
