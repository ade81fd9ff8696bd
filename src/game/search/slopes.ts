import { blocksOf } from "../pairs.js";
import type { Removal, Search } from "./search.js";

/**
 * What each move added per block when last measured, on top of the sets before it: a lazy search measures the lowest first. A pair of parts
 * that was never measured is taken for the mean of the blocks that its parts are of. @internal
 */
export class Slopes {
	readonly #search: Search;
	readonly #last = new Map<number, number>();
	/** The move of each block that moves alone. */
	readonly #moveOf: ReadonlyMap<number, number>;

	constructor(search: Search) {
		this.#search = search;
		this.#moveOf = new Map(search.moves.flatMap((move, i) => (move.length === 1 ? [[move[0]!, i] as const] : [])));
	}

	/** Nats per token and block; -Infinity if nothing is known, so that it is tried early. */
	of({ move, pair }: Removal): number {
		const known = this.#last.get(move);
		if (known !== undefined) return known;
		if (!pair) return this.#search.singleCost(move);
		const alone = pair.second === pair.first + 1 ? this.#search.shifted().get(pair.first / 2) : undefined;
		if (alone !== undefined) return alone;
		const [one, other] = blocksOf(pair).map((block) => this.#ofBlock(block)) as [number, number];
		return (one + other) / 2;
	}

	/** Keeps what a move changed. @param change nats per token; NaN between two broken sets, which puts the move last */
	keep({ move, length }: Removal, change: number): number {
		const slope = change / length;
		const kept = Number.isNaN(slope) ? Number.POSITIVE_INFINITY : slope;
		this.#last.set(move, kept);
		return kept;
	}

	/** The lowest first, of equal ones whole blocks before pairs. */
	sorted(removals: Removal[]): Removal[] {
		return removals.sort((a, b) => this.of(a) - this.of(b) || a.move - b.move);
	}

	#ofBlock(block: number): number {
		const move = this.#moveOf.get(block);
		if (move === undefined) return Number.POSITIVE_INFINITY;
		return this.#last.get(move) ?? this.#search.singleCost(move);
	}
}
