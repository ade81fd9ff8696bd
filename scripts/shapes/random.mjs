// Random numbers that are the same for the same seed.

/** Numbers in [0, 1) (mulberry32). */
export function seeded(seed) {
	let state = seed | 0;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** A seed of its own for each name. */
export function seedOf(seed, name) {
	let hash = seed | 0;
	for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
	return hash;
}
