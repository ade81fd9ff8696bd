import { Coalition } from "./coalition.js";
import type { Game } from "./game.js";
import { movesOf } from "./moves.js";
import type { Random } from "./random.js";
import { drawStrata } from "./strata.js";

export type DesignBoard = Pick<Game, "players" | "frozen" | "allows">;

/** Options of every sampling design. Designs give distinct coalitions, never the original model. */
export interface DesignOptions {
	readonly random: Random;
	/** Coalitions wanted; fewer come back if the design holds fewer. */
	readonly count: number;
	/** Coalitions not to give, by key: for example those measured already. @default none */
	readonly exclude?: ReadonlySet<string>;
	/** Blocks that a rule ties together; they are removed together. @default none */
	readonly units?: readonly (readonly number[])[];
	/** Blocks that stay beside the game's frozen ones, such as critical ones. @default none */
	readonly keep?: Iterable<number>;
}

/** @param kmax most removed blocks, at least `kmin` */
export interface WindowOptions extends DesignOptions {
	readonly kmax: number;
	/** @default 1 */
	readonly kmin?: number;
}

/** Draws without a new set after which a design ends: its sizes are nearly used up, or the game refuses most sets. */
const PATIENCE = 200;

/** Equal shares of 1 to `kmax` removed blocks, uniform inside each size. @throws RangeError for an option out of range */
export function windowDesign(game: DesignBoard, options: WindowOptions): Coalition[] {
	const { kmin = 1, count, random } = checkedWindow(game, options);
	if (!options.units?.length) {
		const sizes = Array.from({ length: options.kmax - kmin + 1 }, (_, i) => game.players - kmin - i);
		const frozen = new Map([...game.frozen, ...[...(options.keep ?? [])].map((block) => [block, "kept"] as const)]);
		const board: DesignBoard = { players: game.players, frozen, allows: (set) => game.allows(set) };
		return drawStrata(board, { sizes, count, random, distinct: true, ...(options.exclude ? { exclude: options.exclude } : {}) });
	}
	const draw = new Draw(game, options);
	return draw.until(count, (turn) => draw.uniform(kmin + (turn % (options.kmax - kmin + 1))));
}

/**
 * A random set and all single flips of it, then another: every block's marginal contribution is measured on the same background. So the
 * differences between blocks are more exact than the values. Backgrounds lack `kmin` - 1 to `kmax` - 1 blocks in turn.
 * The last family may be cut short.
 */
export function flipDesign(game: DesignBoard, options: WindowOptions): Coalition[] {
	const { kmin = 1, kmax, count, random } = checkedWindow(game, options);
	const draw = new Draw(game, options);
	const sizes = kmax - kmin + 1;
	for (let turn = 0, idle = 0; draw.found.length < count && idle < PATIENCE; turn++) {
		const before = draw.found.length;
		const background = draw.uniform(kmin - 1 + (turn % sizes));
		if (background) for (const set of [background, ...random.shuffle(draw.flips(background, kmax))]) draw.take(set, count);
		idle = draw.found.length > before ? 0 : idle + 1;
	}
	return draw.found;
}

/**
 * Random partitions of the blocks into groups of one size, each group removed in turn: every block is removed equally often.
 * Group sizes run from `kmin` (default 2) to `kmax`; blocks that do not fill a group stay. A group is smaller only because of units.
 */
export function balancedDesign(game: DesignBoard, options: WindowOptions): Coalition[] {
	const { kmin = Math.min(2, options.kmax), kmax, count, random } = checkedWindow(game, options);
	const tied = (options.units?.length ?? 0) > 0;
	const draw = new Draw(game, options);
	for (let turn = 0, idle = 0; draw.found.length < count && idle < PATIENCE; turn++) {
		const before = draw.found.length;
		const size = kmin + (turn % (kmax - kmin + 1));
		const order = random.shuffle(draw.moves.slice());
		for (let start = 0; start < order.length; ) {
			const group: number[] = [];
			while (start < order.length && group.length + (order[start] as readonly number[]).length <= size) {
				group.push(...(order[start++] as readonly number[]));
			}
			if (group.length === 0) start++;
			else if (group.length === size || (tied && group.length >= kmin)) draw.take(group, count);
		}
		idle = draw.found.length > before ? 0 : idle + 1;
	}
	return draw.found;
}

export interface BernoulliOptions extends DesignOptions {
	/** Probability that a block is removed, in [0, 1): one for all, or one per block. A unit takes the mean of its blocks. */
	readonly chance: number | ArrayLike<number>;
	/** Most removed blocks: larger draws are drawn again. @default all */
	readonly kmax?: number;
}

/** Each block is removed independently with its probability. The empty draw (the original model) is drawn again. */
export function bernoulliDesign(game: DesignBoard, options: BernoulliOptions): Coalition[] {
	const { random, count, kmax = game.players } = options;
	const draw = new Draw(game, options);
	const chances = draw.moves.map((move) => moveMean(options.chance, move));
	if (!chances.every((chance) => chance >= 0 && chance < 1)) throw new RangeError("every probability of removal must be in [0, 1)");
	return draw.until(count, () => {
		const removed = draw.moves.flatMap((move, index) => (random.uniform() < (chances[index] as number) ? move : []));
		return removed.length > 0 && removed.length <= kmax ? removed : undefined;
	});
}

export interface TiltedOptions extends WindowOptions {
	/** What each block's removal costs alone; any scale. A unit takes the mean of its blocks; a cost that is not finite counts as the largest. */
	readonly costs: ArrayLike<number>;
	/** Cost at which a block is removed e times less often; Infinity gives the uniform design. */
	readonly temperature: number;
}

/**
 * Sizes as in {@link windowDesign}, but costly blocks are removed less often: most uniform sets of many blocks break the model, and a
 * broken model teaches nothing about working ones.
 */
export function tiltedDesign(game: DesignBoard, options: TiltedOptions): Coalition[] {
	const { kmin = 1, kmax, count, random, temperature } = checkedWindow(game, options);
	if (!(temperature > 0)) throw new RangeError(`the temperature must be above 0, got ${temperature}`);
	const draw = new Draw(game, options);
	const cost = draw.moves.map((move) => moveMean(options.costs, move));
	const finite = cost.filter((c) => Number.isFinite(c));
	const dearest = finite.length > 0 ? Math.max(...finite) : 0;
	const tilt = cost.map((c) => -(Number.isFinite(c) ? c : dearest) / temperature);
	return draw.until(count, (turn) => {
		// Gumbel noise on log weights, sorted: this draws without replacement in proportion to the weights.
		const keys = tilt.map((log) => log - Math.log(-Math.log(Math.max(1e-300, random.uniform()))));
		const order = [...keys.keys()].sort((a, b) => (keys[b] as number) - (keys[a] as number));
		return fill(
			order.map((index) => draw.moves[index] as readonly number[]),
			kmin + (turn % (kmax - kmin + 1)),
		);
	});
}

/** Sets one exchange away from `removed`, in random order. An exchange swaps a removed block for a kept one of the same number of blocks. */
export function swapDesign(game: DesignBoard, removed: readonly number[], options: DesignOptions): Coalition[] {
	const draw = new Draw(game, options);
	const gone = new Set(removed);
	const back = draw.moves.filter((move) => move.every((block) => gone.has(block)));
	const out = draw.moves.filter((move) => move.every((block) => !gone.has(block)));
	const swaps = back.flatMap((b) => out.filter((o) => o.length === b.length).map((o) => ({ b, o })));
	for (const { b, o } of options.random.shuffle(swaps)) {
		if (draw.found.length >= options.count) break;
		draw.take([...removed.filter((block) => !b.includes(block)), ...o], options.count);
	}
	return draw.found;
}

/** Every pair of blocks (or units) removed, in random order: shows which blocks are redundant. */
export function pairDesign(game: DesignBoard, options: DesignOptions): Coalition[] {
	const draw = new Draw(game, options);
	const pairs = draw.moves.flatMap((a, i) => draw.moves.slice(0, i).map((b) => [...new Set([...b, ...a])]));
	for (const pair of options.random.shuffle(pairs)) draw.take(pair, options.count);
	return draw.found;
}

/**
 * Orders in which walks remove moves (blocks, or units of tied ones), each independent of the others. Balanced ones (rotations, antithetic
 * pairs) would need standard errors of their own. The sets of a walk are the prefixes of its order.
 * @param moves number of moves
 * @param options.walks number of orders, at least 1; some may be equal
 * @param options.kmax moves removed along each walk, 1..moves
 * @returns shape walks x kmax: numbers of moves in 0..moves-1, the first is removed first
 * @throws RangeError for an option out of range
 */
export function permutationDesign(moves: number, options: { walks: number; kmax: number; random: Random }): number[][] {
	const { walks, kmax, random } = options;
	if (!Number.isInteger(walks) || walks < 1) throw new RangeError(`walks must be a positive integer, got ${walks}`);
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > moves) throw new RangeError(`kmax must be an integer in 1..${moves}, got ${kmax}`);
	const all = Array.from({ length: moves }, (_, i) => i);
	return Array.from({ length: walks }, () => random.sample(all, kmax));
}

/** Collects distinct allowed coalitions. @internal */
export class Draw {
	readonly moves: readonly (readonly number[])[];
	readonly found: Coalition[] = [];
	readonly #game: DesignBoard;
	readonly #random: Random;
	readonly #taken: Set<string>;

	constructor(game: DesignBoard, options: DesignOptions) {
		const { count } = options;
		if (!Number.isInteger(count) || count < 0) throw new RangeError(`count must be a non-negative integer, got ${count}`);
		const keep = new Set(options.keep);
		this.#game = game;
		this.#random = options.random;
		this.#taken = new Set(options.exclude);
		this.moves = movesOf(game as Game, options.units).filter((move) => !move.some((block) => keep.has(block)));
	}

	/** Adds the set unless there are enough, or it is known, full or refused. */
	take(removed: readonly number[] | undefined, count: number): boolean {
		if (!removed || removed.length === 0 || this.found.length >= count) return false;
		const set = Coalition.ofRemoved(this.#game.players, removed);
		if (this.#taken.has(set.key) || !this.#game.allows(set)) return false;
		this.#taken.add(set.key);
		this.found.push(set);
		return true;
	}

	until(count: number, draw: (turn: number) => readonly number[] | undefined): Coalition[] {
		for (let turn = 0, idle = 0; this.found.length < count && idle < PATIENCE * 10; turn++) {
			idle = this.take(draw(turn), count) ? 0 : idle + 1;
		}
		return this.found;
	}

	/** Blocks that move alone: no rule ties them to others. */
	free(): number[] {
		const tied = new Set(this.moves.flatMap((move) => (move.length > 1 ? move : [])));
		return this.moves.flatMap((move) => (move.length === 1 && !tied.has(move[0]!) ? move : []));
	}

	/** A uniform set of exactly `size` blocks, if the moves allow one. */
	uniform(size: number): number[] | undefined {
		for (let attempt = 0; attempt < 50; attempt++) {
			const set = fill(this.#random.shuffle(this.moves.slice()), size);
			if (set && (set.length === 0 || this.#game.allows(Coalition.ofRemoved(this.#game.players, set)))) return set;
		}
		return undefined;
	}

	/** The set with each move flipped, at most `kmax` removed. */
	flips(removed: readonly number[], kmax: number): number[][] {
		const gone = new Set(removed);
		return this.moves
			.map((move) =>
				move.every((block) => gone.has(block)) ? removed.filter((block) => !move.includes(block)) : [...new Set([...removed, ...move])],
			)
			.filter((set) => set.length <= kmax);
	}
}

/** The first moves that fill `size` blocks exactly. */
function fill(order: readonly (readonly number[])[], size: number): number[] | undefined {
	const removed = new Set<number>();
	for (const move of order) {
		if (removed.size === size) break;
		const fresh = move.filter((block) => !removed.has(block));
		if (fresh.length === move.length && removed.size + move.length <= size) for (const block of move) removed.add(block);
	}
	return removed.size === size ? [...removed] : undefined;
}

function moveMean(values: number | ArrayLike<number>, move: readonly number[]): number {
	if (typeof values === "number") return values;
	return move.reduce((sum, block) => sum + (values[block] as number), 0) / move.length;
}

/** @internal */
export function checkedWindow<T extends WindowOptions>(game: DesignBoard, options: T): T {
	const kept = new Set([...game.frozen.keys(), ...(options.keep ?? [])]);
	const movable = game.players - kept.size;
	const { kmin = 1, kmax } = options;
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > movable) throw new RangeError(`kmax must be an integer in 1..${movable}, got ${kmax}`);
	if (!Number.isInteger(kmin) || kmin < 1 || kmin > kmax) throw new RangeError(`kmin must be an integer in 1..${kmax}, got ${kmin}`);
	return options;
}
