import { Coalition } from "../coalition.js";
import { permutationDesign } from "../designs.js";
import type { Game, BatchOptions } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { disjointMovesOf } from "../moves.js";
import { Random } from "../random.js";
import { average, meanAndError } from "../statistics.js";
import { type Attribution, perBlock } from "./attribution.js";

export interface PermutationOptions extends BatchOptions {
	/** Random orders to walk; each costs `kmax` coalitions. */
	readonly walks: number;
	readonly seed: number | string;
	/** Blocks (or units) removed along each walk. All of them give the Shapley value, fewer the window semivalue. @default all */
	readonly kmax?: number;
	readonly units?: readonly (readonly number[])[];
}

/**
 * Removes blocks in random orders and averages what each removal cost. Unbiased.
 * All coalitions are measured in one batch. The contribution is NaN for a block that no walk removed (which needs few, short walks).
 * @throws RangeError for an option out of range, or if the game refuses a coalition
 */
export async function permutationContributions(game: Game, options: PermutationOptions): Promise<Attribution> {
	const moves = disjointMovesOf(game, options.units);
	const { walks, seed, kmax = moves.length } = options;
	const orders = permutationDesign(moves.length, { walks, kmax, random: new Random(seed) });
	const chains = orders.map((order) => chainOf(game, moves, order));
	const meter = new LossMeter(game, { phase: "permutation walks", ...options });
	const added = await meter.addedLosses(chains.flat());
	const costs: number[][] = moves.map(() => []);
	for (const [walk, order] of orders.entries()) {
		let before = 1;
		for (const [step, move] of order.entries()) {
			const after = Math.exp(-(added[walk * kmax + step] as number));
			(costs[move] as number[]).push(before - after);
			before = after;
		}
	}
	return {
		estimator: kmax === moves.length ? "permutation-shapley" : "permutation-window",
		contributions: perBlock(game.players, moves, costs.map(average)),
		standardErrors: perBlock(
			game.players,
			moves,
			costs.map((values) => meanAndError(values).standardError ?? Number.NaN),
		),
		degrees: perBlock(
			game.players,
			moves,
			costs.map(({ length }) => length - 1),
			false,
		),
		scale: "value",
		masks: meter.measured,
		seed,
		settings: { walks, kmax },
	};
}

function chainOf(game: Game, moves: readonly (readonly number[])[], order: readonly number[]): Coalition[] {
	const removed: number[] = [];
	return order.map((move) => {
		removed.push(...(moves[move] as readonly number[]));
		const coalition = Coalition.ofRemoved(game.players, removed);
		if (!game.allows(coalition)) throw new RangeError(`the game refuses coalition ${coalition}; give the tied blocks as units`);
		return coalition;
	});
}
