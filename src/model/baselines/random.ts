import { alternatingDesign } from "../../game/alternating.js";
import type { Coalition } from "../../game/coalition.js";
import { windowDesign } from "../../game/designs.js";
import type { Game } from "../../game/game.js";
import type { Granularity } from "../../game/pairs.js";
import type { Random } from "../../game/random.js";

export interface RandomSetsOptions {
	/** Sizes, in blocks removed. */
	readonly counts: readonly number[];
	/** Distinct sets in all. */
	readonly masks: number;
	readonly random: Random;
	/** Blocks that a rule ties together. @default none */
	readonly units?: readonly (readonly number[])[];
	/** `half-block`: only half of them are of whole blocks, the others are uniform over the sets with half-block cuts. @default "block" */
	readonly granularity?: Granularity | undefined;
}

/**
 * Distinct random sets, uniform inside each size, the sizes in equal shares; if a size has too few sets, the larger ones take over. Blocks
 * that cost much alone are not excluded, since nothing is known about them beforehand.
 */
export function randomSets(game: Pick<Game, "players" | "frozen" | "allows">, options: RandomSetsOptions): Coalition[] {
	const { counts, masks, random, units, granularity } = options;
	const sizes = [...new Set(counts)].sort((a, b) => a - b);
	const sets: Coalition[] = [];
	for (const [i, size] of sizes.entries()) {
		const count = Math.max(0, Math.floor((masks - sets.length) / (sizes.length - i)));
		const design = { kmin: size, kmax: size, random, ...(units ? { units } : {}) };
		const whole = windowDesign(game, { ...design, count: granularity === "half-block" ? Math.ceil(count / 2) : count });
		sets.push(...whole);
		if (granularity !== "half-block") continue;
		const exclude = new Set(whole.map(({ key }) => key));
		sets.push(...alternatingDesign(game, { ...design, count: count - whole.length, exclude }));
	}
	return sets;
}
