// Sets of attention parts, whole blocks and half-block cuts that save so much time: greedy by what a second costs.
import { Coalition } from "../coalition.js";
import type { BatchOptions, Game } from "../game.js";
import type { LossMeter } from "../loss-meter.js";
import { canRun, keptParts, removedPositions } from "../parts.js";

/** Seconds per token of a part. */
export interface SecondsOfParts {
	readonly attention: number;
	readonly feedForward: number;
	/** Whether a block has attention: a part that is not there takes no time. @default all have */
	readonly attends?: (block: number) => boolean;
}

export interface TimedPartsOptions extends BatchOptions {
	readonly seconds: SecondsOfParts;
	/** Seconds per token that are to be saved, above 0. */
	readonly save: number;
	/** Measures through it: what single blocks and attention parts cost is known from it if a search measured them. */
	readonly meter: LossMeter;
	/** Sets at most that are not known yet, the original model among them. @default any number */
	readonly budget?: number;
	/** Whether a set is known that the meter has not measured. @default none is */
	readonly known?: (set: Coalition) => boolean;
	/** Sets that a step measures, at least 1. @default 6 */
	readonly width?: number;
	/** A move that adds more nats per token than this alone is not made. @default ln 2 */
	readonly criticalLoss?: number;
}

/** A set that saves the time. */
export interface TimedSet {
	/** Ascending positions. */
	readonly removed: readonly number[];
	readonly addedLoss: number;
	/** Seconds per token that it saves. */
	readonly saved: number;
}

/** One part, or two with no kept one between them. */
type Move = readonly number[];

/**
 * Removes one attention part, block or pair of neighboring parts after the other, each time the one that adds the least loss for the time
 * it saves, until the time is saved. What is last may save more than is missing, so that every measured set that saves enough counts.
 * @returns sets that save the time, the best first; none if no move is left before, or no budget. Undefined if the budget does not hold the
 * single removals
 * @throws RangeError for an option out of range; whatever the game throws
 */
export async function timedParts(game: Game, options: TimedPartsOptions): Promise<TimedSet[] | undefined> {
	if (!(options.save > 0)) throw new RangeError(`the seconds to save must be above 0, got ${options.save}`);
	if (!((options.width ?? 1) >= 1)) throw new RangeError(`width must be at least 1, got ${options.width}`);
	const run = new TimedRun(game, options);
	return (await run.know()) ? run.descend() : undefined;
}

class TimedRun {
	readonly #game: Game;
	readonly #o: TimedPartsOptions;
	readonly #reached: TimedSet[] = [];
	/** What a part adds, about: of one alone. */
	readonly #own: Float64Array;
	/** What a move added when it was last measured. */
	readonly #change = new Map<string, number>();
	/** Sets that may still be measured. */
	#left: number;

	constructor(game: Game, options: TimedPartsOptions) {
		this.#game = game;
		this.#o = options;
		this.#left = options.budget ?? Number.POSITIVE_INFINITY;
		this.#own = new Float64Array(2 * game.players).fill(Number.POSITIVE_INFINITY);
	}

	/** Measures what no search has measured yet: the attention part and the whole of each block, alone. @returns whether the budget holds that */
	async know(): Promise<boolean> {
		const { players } = this.#game;
		const blocks = Array.from({ length: players }, (_, block) => block);
		const moves = [blocks.map((block) => [2 * block]), blocks.map((block) => [2 * block, 2 * block + 1])] as const;
		const full = keptParts(players, []);
		if (this.#missing(moves.flat().flatMap((move) => this.#without(full, move) ?? [])) > this.#left) return false;
		const [attention, whole] = [await this.#alone(moves[0]), await this.#alone(moves[1])];
		for (const block of blocks) {
			const [first, both] = [attention[block]!, whole[block]!];
			// What cannot go alone may go with others.
			this.#own[2 * block] = Number.isFinite(first) ? first : both / 2;
			this.#own[2 * block + 1] = Math.max(0, both - (Number.isFinite(first) ? first : both / 2));
		}
		return true;
	}

	async #alone(moves: readonly Move[]): Promise<number[]> {
		const full = keptParts(this.#game.players, []);
		const sets = moves.map((move) => this.#without(full, move));
		const able = sets.flatMap((set) => (set ? [set] : []));
		const added = await this.#measure(able);
		const losses = new Map(able.map((set, i) => [set.key, added[i]!]));
		for (const [i, set] of sets.entries()) if (set) this.#change.set(moves[i]!.join(), losses.get(set.key)!);
		return sets.map((set) => (set ? losses.get(set.key)! : Number.POSITIVE_INFINITY));
	}

	async descend(): Promise<TimedSet[]> {
		const { width = 6, save, criticalLoss = Math.LN2 } = this.#o;
		let removed: readonly number[] = [];
		let here = 0;
		let saved = 0;
		while (saved < save) {
			const kept = keptParts(this.#game.players, removed);
			const ordered = this.#moves(kept)
				.map(({ move, set }) => ({ move, set, seconds: this.#secondsOf(move), price: this.#guess(move) / this.#secondsOf(move) }))
				.filter(({ move, price }) => Number.isFinite(price) && this.#guess(move) <= criticalLoss)
				.sort((a, b) => a.price - b.price);
			const tried = this.#affordable(ordered.slice(0, width));
			if (tried.length === 0) break;
			const added = await this.#measure(tried.map(({ set }) => set));
			for (const [i, { move, set, seconds }] of tried.entries()) {
				this.#change.set(move.join(), added[i]! - here);
				if (saved + seconds >= save && Number.isFinite(added[i]!))
					this.#reached.push({ removed: set.removed(), addedLoss: added[i]!, saved: saved + seconds });
			}
			const prices = tried.map(({ seconds }, i) => (added[i]! - here) / seconds);
			const best = prices.reduce((least, price, i) => (price < prices[least]! ? i : least), 0);
			if (!Number.isFinite(added[best]!)) break;
			removed = tried[best]!.set.removed();
			here = added[best]!;
			saved += tried[best]!.seconds;
		}
		return this.#reached.sort((a, b) => a.addedLoss - b.addedLoss);
	}

	/** Every single part and pair of neighbors that may go. */
	#moves(kept: readonly boolean[]): { readonly move: Move; readonly set: Coalition }[] {
		const left = kept.flatMap((stays, part) => (stays ? [part] : []));
		return left.flatMap((part, i) => {
			const moves: Move[] = i + 1 < left.length ? [[part], [part, left[i + 1]!]] : [[part]];
			return moves.flatMap((move) => {
				const set = this.#without(kept, move);
				return set ? [{ move, set }] : [];
			});
		});
	}

	/** Undefined for what cannot run, or is not allowed. */
	#without(kept: readonly boolean[], move: Move): Coalition | undefined {
		const next = kept.map((stays, part) => stays && !move.includes(part));
		if (!next.includes(true) || !canRun(next)) return undefined;
		const set = Coalition.ofRemoved(this.#game.players, removedPositions(next));
		return this.#game.allows(set) ? set : undefined;
	}

	#guess(move: Move): number {
		return this.#change.get(move.join()) ?? move.reduce((sum, part) => sum + this.#own[part]!, 0);
	}

	#secondsOf(move: Move): number {
		const { attention, feedForward, attends = () => true } = this.#o.seconds;
		const secondsOf = (part: number) => (part % 2 === 1 ? feedForward : attends(part / 2) ? attention : 0);
		return move.reduce((sum, part) => sum + secondsOf(part), 0);
	}

	/** The first of these that the budget holds; what is known costs nothing. */
	#affordable<T extends { readonly set: Coalition }>(moves: readonly T[]): T[] {
		let left = this.#left;
		return moves.filter(({ set }) => !this.#isMissing(set) || left-- >= 1);
	}

	/** How many of these, and of the original model, are not known yet. */
	#missing(sets: readonly Coalition[]): number {
		return [Coalition.full(this.#game.players), ...sets].filter((set) => this.#isMissing(set)).length;
	}

	readonly #isMissing = (set: Coalition) => !this.#o.meter.knows(set) && !this.#o.known?.(set);

	async #measure(sets: readonly Coalition[]): Promise<Float64Array> {
		this.#o.signal?.throwIfAborted();
		this.#left -= this.#missing(sets);
		return this.#o.meter.addedLosses(sets, "attention parts and blocks");
	}
}
