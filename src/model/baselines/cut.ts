import { Coalition } from "../../game/coalition.js";
import type { Game } from "../../game/game.js";
import { movesOf } from "../../game/moves.js";

export interface CutOptions {
	/** Most blocks to remove, at least 1. */
	readonly kmax: number;
	/** Blocks that a rule ties together; a unit counts with the mean of its blocks. @default none */
	readonly units?: readonly (readonly number[])[];
}

/**
 * Removes blocks in increasing order of a score, one ranking for every size; equal ones in the order of their numbers. A block that the
 * game does not allow next is skipped, and tried again after the next one.
 * @param scores one number per block, higher is more important
 * @returns a set of each size that is reached, ascending; no set has frozen blocks
 * @throws RangeError unless there is one score per block, or if one is NaN
 */
export function cutLowest(game: Pick<Game, "players" | "frozen" | "allows">, scores: ArrayLike<number>, options: CutOptions): Coalition[] {
	const { kmax, units } = options;
	if (scores.length !== game.players) throw new RangeError(`expected one score per block (${game.players}), got ${scores.length}`);
	const block = Array.from(scores).findIndex((score) => Number.isNaN(score));
	if (block >= 0) throw new RangeError(`block ${block} has no score`);
	const moves = movesOf(game as Game, units).map((blocks) => ({
		blocks,
		score: blocks.reduce((sum, i) => sum + scores[i]!, 0) / blocks.length,
	}));
	moves.sort((a, b) => a.score - b.score || a.blocks[0]! - b.blocks[0]!);
	const sets: Coalition[] = [];
	let removed: number[] = [];
	for (;;) {
		const next = moves.find(({ blocks }) => {
			if (removed.length + blocks.length > kmax || blocks.some((i) => removed.includes(i))) return false;
			return game.allows(Coalition.ofRemoved(game.players, [...removed, ...blocks]));
		});
		if (!next) return sets;
		removed = [...removed, ...next.blocks];
		sets.push(Coalition.ofRemoved(game.players, removed));
	}
}
