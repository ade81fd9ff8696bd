import { Coalition } from "./coalition.js";
import type { Game } from "./game.js";
import type { Random } from "./random.js";

/** Numbers of kept blocks, as published for a model of `of` blocks. */
export interface StrataPreset {
	readonly of: number;
	readonly kept: readonly number[];
}

/** The strata of the paper's runs (arXiv 2602.07804 and its code). */
export const STRATA_PRESETS = {
	transformers: { of: 32, kept: [30, 27, 24, 21, 18] },
	mamba: { of: 64, kept: [60, 56, 52, 48, 42, 38, 34] },
	rwkv: { of: 32, kept: [30, 27, 24, 21] },
	"already-cut": { of: 29, kept: [27, 24, 21, 18] },
} as const satisfies Record<string, StrataPreset>;

export type StrataPresetName = keyof typeof STRATA_PRESETS;

/**
 * The preset's numbers of kept blocks for a model of `players` blocks: shares rounded to the nearest integer, halves up, repeats dropped.
 * The original model is no stratum (at few blocks the lightest share may round to it), nor is the empty one.
 * @returns descending
 */
export function strataSizes(players: number, preset: StrataPresetName | StrataPreset = "transformers"): number[] {
	const { of, kept } = typeof preset === "string" ? STRATA_PRESETS[preset] : preset;
	// In integers, so that a half is exact.
	const sizes = kept.map((share) => Math.floor((2 * share * players + of) / (2 * of)));
	return [...new Set(sizes)].filter((size) => size > 0 && size < players).sort((a, b) => b - a);
}

/** A stratum keeps fewer blocks than are frozen, or more than there are. */
export class FrozenStratumError extends RangeError {}

/** The game refuses nearly all coalitions of a stratum: a rule ties its blocks, or forbids the number. */
export class UnreachableSizeError extends RangeError {
	/** @param removed blocks removed in the stratum */
	constructor(removed: number) {
		super(
			`the game refused ${PATIENCE} candidates in a row with ${removed} blocks removed: a rule ties its blocks; choose sizes that it allows`,
		);
	}
}

export interface StrataOptions {
	/** Numbers of kept blocks, one stratum each. */
	readonly sizes: readonly number[];
	/** Coalitions in all. The strata have equal shares; a remainder goes to the first ones. */
	readonly count: number;
	readonly random: Random;
	/** Every coalition once, as far as the strata hold enough; else with replacement, as the paper draws. @default false */
	readonly distinct?: boolean;
	/** With `distinct`: coalitions not to draw, by key (for example those of the training set). */
	readonly exclude?: ReadonlySet<string>;
}

/**
 * Draws coalitions uniformly inside each stratum. Frozen blocks are kept; coalitions that the game refuses are drawn again.
 * With `distinct`, a stratum with too few coalitions gives all it has and the others take over the rest. The same holds if the game refuses
 * nearly all of a stratum. If all strata together hold fewer than `count`, fewer come back.
 * @throws RangeError if a size cannot be reached with the frozen blocks
 * @throws UnreachableSizeError without `distinct`, if the game refuses nearly every coalition of a size
 */
export function drawStrata(game: Pick<Game, "players" | "frozen" | "allows">, options: StrataOptions): Coalition[] {
	const strata = strataOf(game, options);
	if (options.distinct) return drawDistinct(strata, options.count, options.exclude ?? new Set());
	return strata.flatMap((source, index) => Array.from({ length: share(options.count, strata.length, index) }, () => source.draw()));
}

/** Draws between pauses: a few milliseconds. */
const SLICE = 1000;

/** The same coalitions as {@link drawStrata} draws with replacement; `pause` is awaited between slices, so that timers and input get their turn. */
export async function drawStrataInSlices(
	game: Pick<Game, "players" | "frozen" | "allows">,
	options: Omit<StrataOptions, "distinct" | "exclude">,
	pause: () => Promise<void>,
): Promise<Coalition[]> {
	const strata = strataOf(game, options);
	const drawn: Coalition[] = [];
	for (const [index, source] of strata.entries()) {
		for (let left = share(options.count, strata.length, index); left > 0; left--) {
			drawn.push(source.draw());
			if (drawn.length % SLICE === 0) await pause();
		}
	}
	return drawn;
}

function strataOf(game: Pick<Game, "players" | "frozen" | "allows">, { sizes, count, random }: StrataOptions): Stratum[] {
	if (sizes.length === 0) throw new RangeError("at least one stratum is needed");
	if (!Number.isInteger(count) || count < 0) throw new RangeError(`count must be a non-negative integer, got ${count}`);
	const movable = Array.from({ length: game.players }, (_, i) => i).filter((block) => !game.frozen.has(block));
	for (const size of sizes) checkSize(size, game.players, movable.length);
	return sizes.map((size) => new Stratum(game, movable, game.players - size, random));
}

function checkSize(size: number, players: number, movable: number): void {
	const least = players - movable;
	if (!Number.isInteger(size) || size < least || size > players) {
		throw new FrozenStratumError(`a stratum keeps ${least}..${players} blocks here (${least} are frozen), got ${size}`);
	}
}

function share(count: number, parts: number, index: number): number {
	return Math.floor(count / parts) + (index < count % parts ? 1 : 0);
}

function drawDistinct(strata: Stratum[], count: number, exclude: ReadonlySet<string>): Coalition[] {
	const taken = new Set<string>(exclude);
	const drawn: Coalition[][] = strata.map(() => []);
	let open = strata.map((_, index) => index);
	let missing = count;
	while (missing > 0 && open.length > 0) {
		const still: number[] = [];
		const round = missing;
		for (const [position, index] of open.entries()) {
			const quota = share(round, open.length, position);
			const fresh = strata[index]!.drawDistinct(quota, taken);
			drawn[index]!.push(...fresh);
			missing -= fresh.length;
			if (fresh.length === quota) still.push(index);
		}
		open = still;
	}
	return drawn.flat();
}

/** Strata of up to this many coalitions are listed and shuffled; in larger ones a draw is repeated until its coalition is new. */
const LISTED = 20_000;
/** Draws that the game may refuse in a row before the stratum is given up. */
const PATIENCE = 5_000;

class Stratum {
	readonly #game: Pick<Game, "players" | "allows">;
	readonly #movable: readonly number[];
	readonly #removed: number;
	readonly #random: Random;
	#listed: Coalition[] | undefined;

	constructor(game: Pick<Game, "players" | "allows">, movable: readonly number[], removed: number, random: Random) {
		this.#game = game;
		this.#movable = movable;
		this.#removed = removed;
		this.#random = random;
	}

	/** @throws UnreachableSizeError */
	draw(): Coalition {
		const coalition = this.#drawn();
		if (!coalition) throw new UnreachableSizeError(this.#removed);
		return coalition;
	}

	#drawn(): Coalition | undefined {
		for (let attempt = 0; attempt < PATIENCE; attempt++) {
			const coalition = Coalition.ofRemoved(this.#game.players, this.#random.sample(this.#movable, this.#removed));
			if (this.#game.allows(coalition)) return coalition;
		}
		return undefined;
	}

	/** Up to `count` allowed coalitions that `taken` lacks; they are added to it. */
	drawDistinct(count: number, taken: Set<string>): Coalition[] {
		if (binomial(this.#movable.length, this.#removed) <= LISTED) return this.#take(count, taken);
		const fresh: Coalition[] = [];
		for (let attempt = 0; fresh.length < count && attempt < PATIENCE; attempt++) {
			const coalition = this.#drawn();
			if (!coalition) break;
			if (taken.has(coalition.key)) continue;
			taken.add(coalition.key);
			fresh.push(coalition);
			attempt = 0;
		}
		return fresh;
	}

	#take(count: number, taken: Set<string>): Coalition[] {
		this.#listed ??= this.#random.shuffle(
			subsets(this.#movable, this.#removed)
				.map((removed) => Coalition.ofRemoved(this.#game.players, removed))
				.filter((coalition) => this.#game.allows(coalition)),
		);
		const fresh: Coalition[] = [];
		while (fresh.length < count && this.#listed.length > 0) {
			const coalition = this.#listed.pop() as Coalition;
			if (taken.has(coalition.key)) continue;
			taken.add(coalition.key);
			fresh.push(coalition);
		}
		return fresh;
	}
}

/** Number of subsets of `k` of `n` items. */
export function binomial(n: number, k: number): number {
	if (k < 0 || k > n) return 0;
	let result = 1;
	for (let i = 1; i <= Math.min(k, n - k); i++) result = (result * (n - Math.min(k, n - k) + i)) / i;
	return Math.round(result);
}

/** All subsets of `k` items, in lexicographic order. */
export function subsets(items: readonly number[], k: number): number[][] {
	const result: number[][] = [];
	const chosen: number[] = [];
	const extend = (from: number): void => {
		if (chosen.length === k) {
			result.push(chosen.slice());
			return;
		}
		for (let i = from; i <= items.length - (k - chosen.length); i++) {
			chosen.push(items[i] as number);
			extend(i + 1);
			chosen.pop();
		}
	};
	extend(0);
	return result;
}
