import type { Game } from "./game.js";

type Board = Pick<Game, "players" | "frozen">;

/**
 * The smallest removals that a search can make: single blocks, or blocks that a rule of the model ties together.
 * Blocks in no unit move alone; a unit that holds a frozen block is no move.
 * @param units sets of blocks that are removed together; in a search they may overlap
 * @throws RangeError for an empty unit or a block that the game lacks
 */
export function movesOf(game: Board, units: readonly (readonly number[])[] = []): number[][] {
	const tied = new Set<number>();
	const moves: number[][] = [];
	for (const unit of units) {
		const blocks = [...new Set(unit)].sort((a, b) => a - b);
		if (blocks.length === 0) throw new RangeError("a unit must hold at least one block");
		for (const block of blocks) {
			if (!Number.isInteger(block) || block < 0 || block >= game.players) {
				throw new RangeError(`unit [${unit.join(", ")}] names block ${block}, which is not one of 0..${game.players - 1}`);
			}
			tied.add(block);
		}
		if (!blocks.some((block) => game.frozen.has(block))) moves.push(blocks);
	}
	for (let block = 0; block < game.players; block++) if (!tied.has(block) && !game.frozen.has(block)) moves.push([block]);
	return moves.sort((a, b) => a[0]! - b[0]! || a.length - b.length);
}

/** As {@link movesOf}, for estimators, whose players must not overlap. @throws RangeError if two units share a block */
export function disjointMovesOf(game: Board, units?: readonly (readonly number[])[]): number[][] {
	const moves = movesOf(game, units);
	const owner = new Map<number, number[]>();
	for (const move of moves) {
		for (const block of move) {
			if (owner.has(block))
				throw new RangeError(
					`block ${block} is in units [${owner.get(block)}] and [${move}]; an estimator needs units without common blocks`,
				);
			owner.set(block, move);
		}
	}
	return moves;
}

/** Merges units that share blocks, so that an estimator can take them. */
export function joinedUnits(units: readonly (readonly number[])[]): number[][] {
	let joined: number[][] = [];
	for (const unit of units) {
		const touched = joined.filter((other) => other.some((block) => unit.includes(block)));
		joined = [...joined.filter((other) => !touched.includes(other)), [...new Set([...touched.flat(), ...unit])].sort((a, b) => a - b)];
	}
	return joined;
}

/** How many of the moves fit into at most `kmax` blocks, the smallest first. */
export function mostMoves(moves: readonly (readonly number[])[], kmax: number): number {
	let [count, blocks] = [0, 0];
	for (const length of moves.map((move) => move.length).sort((a, b) => a - b)) {
		blocks += length;
		if (blocks <= kmax) count++;
	}
	return count;
}
