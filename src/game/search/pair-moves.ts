import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { type AdjacentPair, adjacentPairs, blocksOf, isBlock, withoutPair } from "../pairs.js";

/** Pairs of parts that a search may remove beside whole blocks. @internal */
export class PairMoves {
	/** Added loss of each shifted pair alone, nats per token, by its position (i + 0.5), of those that were measured. */
	readonly singles: ReadonlyMap<number, number>;
	readonly #game: Game;
	/** Blocks of which no part moves alone: frozen ones, and those that a rule ties to others. */
	readonly fixed: ReadonlySet<number>;
	readonly #criticalLoss: number;

	constructor(game: Game, rules: PairRules, singles: ReadonlyMap<number, number>) {
		this.#game = game;
		this.fixed = fixedBlocks(game, rules.moves);
		this.#criticalLoss = rules.criticalLoss;
		this.singles = singles;
	}

	/**
	 * The pairs of what is left that are not one block of the original, with the set without each of them. A part of a block that is frozen
	 * or tied to others stays.
	 * @param stays blocks that are kept because they are critical
	 */
	removals(removed: readonly number[], stays: ReadonlySet<number>): { pair: AdjacentPair; coalition: Coalition }[] {
		const { players } = this.#game;
		return adjacentPairs(players, removed).flatMap((pair) => {
			if (isBlock(pair) || blocksOf(pair).some((block) => this.fixed.has(block))) return [];
			const positions = withoutPair(players, removed, pair);
			if (!this.spares(positions, stays)) return [];
			const coalition = Coalition.ofRemoved(players, positions);
			return this.#game.allows(coalition) ? [{ pair, coalition }] : [];
		});
	}

	/**
	 * Whether a set leaves what is critical, and parts of what is frozen or tied. A shifted pair that is critical alone stays. A critical block may lose one part, in a shifted
	 * pair that was measured alone and is not critical; it never loses both.
	 */
	spares(positions: readonly number[], stays: ReadonlySet<number>): boolean {
		return positions.every((position, at) => {
			if (Number.isInteger(position)) return !stays.has(position);
			const alone = this.singles.get(position);
			if (alone !== undefined && alone > this.#criticalLoss) return false;
			const [before, after] = [Math.floor(position), Math.ceil(position)];
			if (this.fixed.has(before) || this.fixed.has(after)) return false;
			if (alone === undefined && (stays.has(before) || stays.has(after))) return false;
			return !(stays.has(after) && positions[at + 1] === position + 1);
		});
	}
}

interface PairRules {
	/** Moves of whole blocks. */
	readonly moves: readonly (readonly number[])[];
	readonly criticalLoss: number;
}

/** Blocks whose parts do not move: those that move with others, and those that do not move at all. */
function fixedBlocks(game: Game, moves: readonly (readonly number[])[]): Set<number> {
	const alone = new Set(moves.flatMap((move) => (move.length === 1 ? move : [])));
	const tied = new Set(moves.flatMap((move) => (move.length > 1 ? move : [])));
	return new Set(Array.from({ length: game.players }, (_, block) => block).filter((block) => !alone.has(block) || tied.has(block)));
}

/**
 * Shifted pairs that may be removed alone, those first whose two blocks cost least alone.
 * @param cost of each block alone; NaN if unknown
 */
export function shiftedSingles(game: Game, moves: readonly (readonly number[])[], cost: (block: number) => number): Coalition[] {
	const fixed = fixedBlocks(game, moves);
	const found: { coalition: Coalition; cost: number }[] = [];
	for (let block = 0; block + 1 < game.players; block++) {
		if (fixed.has(block) || fixed.has(block + 1)) continue;
		const coalition = Coalition.ofRemoved(game.players, [block + 0.5]);
		if (game.allows(coalition)) found.push({ coalition, cost: cost(block) + cost(block + 1) });
	}
	const known = (value: number) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value);
	return found.sort((a, b) => known(a.cost) - known(b.cost) || 0).map(({ coalition }) => coalition);
}
