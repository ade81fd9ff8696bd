// Inputs to begin with: programs of one to three steps with random arguments. tape.h says how bytes are read.
import { randomOf } from "../random.mjs";

/** As many as `steps` in program_jobs.cpp has: the first byte of a step chooses among them. */
export const STEPS = 15;
const PROGRAMS = 8;

/** A step: whether the next one runs beside it (a seventh of 8), its length in fours, its number, its arguments. */
function step(number, random) {
	const fours = 20 + random.below(60);
	const bytes = Array.from({ length: 4 * fours - 1 }, () => random.below(256));
	return [random.below(256), fours, number, ...bytes];
}

/**
 * @param {number} seed
 * @returns {Buffer[]} each step as the last one of several programs
 */
export function nativeSeeds(seed) {
	return Array.from({ length: STEPS * PROGRAMS }, (_, i) => {
		const random = randomOf(seed, i);
		const before = Array.from({ length: i % 3 }, () => step(random.below(STEPS), random));
		return Buffer.from([...before, step(i % STEPS, random)].flat());
	});
}
