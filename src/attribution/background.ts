import type { Random } from "../game/random.js";
import { binomial, subsets } from "../game/strata.js";

/** Sets of removed blocks of one size, and whether they are all that there are. @internal */
export interface Backgrounds {
	readonly size: number;
	readonly sets: readonly (readonly number[])[];
	readonly listed: boolean;
}

/**
 * Backgrounds of a window: for 0 to `kmax` - 1 removed blocks an equal share of `count` random sets, or all sets where these are at most
 * twice the share. @internal
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
