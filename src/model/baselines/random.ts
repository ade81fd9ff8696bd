import type { Coalition } from "../../game/coalition.js";
import { windowDesign } from "../../game/designs.js";
import type { Game } from "../../game/game.js";
import type { Random } from "../../game/random.js";

export interface RandomSetsOptions {
	/** Sizes, in blocks removed. */
	readonly counts: readonly number[];
	/** Distinct sets in all. */
	readonly masks: number;
	readonly random: Random;
	/** Blocks that a rule ties together. @default none */
	readonly units?: readonly (readonly number[])[];
}

/**
 * Distinct random sets, uniform inside each size, the sizes in equal shares; if a size has too few sets, the larger ones take over. Blocks
 * that cost much alone are not excluded, since nothing is known about them beforehand.
 */
export function randomSets(game: Pick<Game, "players" | "frozen" | "allows">, options: RandomSetsOptions): Coalition[] {
	const { counts, masks, random, units } = options;
	const sizes = [...new Set(counts)].sort((a, b) => a - b);
	const sets: Coalition[] = [];
	for (const [i, size] of sizes.entries()) {
		const count = Math.max(0, Math.floor((masks - sets.length) / (sizes.length - i)));
		sets.push(...windowDesign(game, { kmin: size, kmax: size, count, random, ...(units ? { units } : {}) }));
	}
	return sets;
}
