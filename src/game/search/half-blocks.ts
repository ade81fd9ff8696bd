import { Coalition, distinct } from "../coalition.js";
import type { Game } from "../game.js";
import { runsMovedByHalf } from "../pairs.js";
import { isWhole } from "../parts.js";
import { Random } from "../random.js";
import type { AutoSearchOptions, SearchModel } from "./auto-types.js";
import { Proposer } from "./proposer.js";
import { type FoundSet, Search, type SearchOptions } from "./search.js";
import { Slopes } from "./slopes.js";
import { halfNeighbors } from "./swap.js";

// Half-block cuts beside the sets of a search over whole blocks, for few evaluations.

export interface HalfBlockOptions extends SearchOptions, Pick<AutoSearchOptions, "stop" | "fits" | "pause"> {
	/** Most distinct coalitions to measure; those that the meter knew before do not count. */
	readonly budget: number;
	/** Sizes to answer. */
	readonly counts: readonly number[];
	/** Sets of whole blocks that are known to be good; their cuts are moved by half a block. The first of each size is the best. */
	readonly starts: readonly (readonly number[])[];
	/** Fits a surrogate over parts to everything that the meter knows; `previous` is the result of the fit before. @default none */
	readonly fit?: AutoSearchOptions["fit"];
	/** Of the surrogate's draws. @default 1 */
	readonly seed?: number | string;
	/** Called after every batch with the number of coalitions measured. */
	readonly onBatch?: (measured: number) => void;
}

export interface HalfBlockResult {
	/** Sets with half-block cuts of each number of removed blocks, the best first. */
	readonly byCount: ReadonlyMap<number, readonly FoundSet[]>;
	/** Distinct coalitions measured. */
	readonly measured: number;
}

/** Parts of the budget: for shifted pairs alone, and for greedy steps. The rest moves cuts of the best sets. */
const SINGLES = 0.4;
const GREEDY = 0.45;
/** Exchanges measured at once, and sets that the surrogate proposes before it is fitted again. */
const BATCH = 12;
const PROPOSED = 4;
/** Batches that may improve nothing. */
const PATIENCE = 3;

/**
 * Measures shifted pairs alone, those first whose blocks cost least alone, then lazy greedy over blocks and pairs. What is left of the budget
 * goes to sets that the surrogate proposes, until three batches in a row improve nothing. Without a surrogate it goes to the best sets of
 * each size with a cut, or a run of neighboring blocks, moved by half a block, until none helps, and then to single exchanges, the cheapest
 * by what is known of single moves first.
 * @throws RangeError for an option out of range; whatever the game throws
 */
export async function halfBlockSearch(game: Game, options: HalfBlockOptions): Promise<HalfBlockResult> {
	const { budget } = options;
	if (!(budget >= 0)) throw new RangeError(`budget must be at least 0 coalitions, got ${budget}`);
	if (budget < 1 || options.stop?.()) return { byCount: new Map(), measured: 0 };
	const shiftedSingles = Math.max(1, Math.min(Math.floor(budget * SINGLES), options.fits?.() ?? Number.POSITIVE_INFINITY));
	const { onStep: _, ...rest } = options;
	const search = await Search.start(game, "half-block", { ...rest, granularity: "half-block", shiftedSingles });
	const run = new HalfBlockRun(search, options);
	await run.know(options.starts);
	await run.descend();
	if (options.fit) await run.propose(options.fit);
	else {
		await run.moveCuts();
		await run.exchange();
	}
	return run.result();
}

class HalfBlockRun {
	readonly #search: Search;
	readonly #o: HalfBlockOptions;
	/** By key: what was measured of the sizes up to kmax. */
	readonly #found = new Map<string, FoundSet>();
	#costs: Float64Array | undefined;

	constructor(search: Search, options: HalfBlockOptions) {
		this.#search = search;
		this.#o = options;
	}

	#room(): number {
		return this.#o.stop?.() ? 0 : this.#o.budget - this.#search.measured;
	}

	/** Takes those sets into account that are measured already. */
	async know(starts: readonly (readonly number[])[]): Promise<void> {
		const sets = starts.map((start) => Coalition.ofRemoved(this.#search.game.players, start));
		await this.#measure(sets.filter((set) => this.#search.meter.knows(set)));
	}

	/** Lazy greedy over blocks and pairs. Known sets cost nothing, so that a step has as many new ones as its share of the budget holds. */
	async descend(): Promise<void> {
		const search = this.#search;
		const width = Math.max(1, Math.min(8, Math.floor((GREEDY * this.#o.budget) / search.kmax)));
		const slopes = new Slopes(search);
		await this.#measure([...search.shifted().keys()].map((position) => Coalition.ofRemoved(search.game.players, [position])));
		let removed: number[] = [];
		let here = 0;
		while (removed.length < search.kmax && this.#room() > 0) {
			const ordered = slopes.sorted(search.candidates(removed));
			const tried = this.#affordable(ordered, removed.length === 0 ? 0 : width, ({ coalition }) => coalition);
			if (tried.length === 0) return;
			const added = await this.#measure(tried.map(({ coalition }) => coalition));
			const changes = tried.map((removal, i) => slopes.keep(removal, added[i]! - here));
			const best = changes.reduce((least, change, i) => (change < changes[least]! ? i : least), 0);
			removed = tried[best]!.coalition.removed();
			here = added[best]!;
		}
	}

	/** Moves cuts of the best sets by half a block, the sizes in turn. */
	async moveCuts(): Promise<void> {
		while (this.#room() > 0) {
			const each = Math.max(1, Math.ceil(this.#room() / this.#o.counts.length));
			const sets = this.#o.counts.flatMap((count) => this.#moved(count).slice(0, each));
			const batch = this.#affordable(distinct(sets), Number.POSITIVE_INFINITY, (set) => set);
			if (batch.length === 0) return;
			await this.#measure(batch);
		}
	}

	/** Rounds: the surrogate is fitted, and the sets that it expects most of are measured. */
	async propose(learn: NonNullable<HalfBlockOptions["fit"]>): Promise<void> {
		const { counts, seed = 1, pause } = this.#o;
		const proposer = new Proposer(this.#search, counts, new Random(seed).fork("half-block cuts"), {
			pause,
			wanted: (set) => !set.whole,
		});
		let model: SearchModel | undefined;
		for (let idle = 0; idle < PATIENCE && this.#room() > 0; ) {
			const before = counts.map((count) => this.#ofSize(count)[0]?.addedLoss);
			model = await learn(await this.#search.meter.samples(), model);
			const room = Math.min(Math.max(PROPOSED, counts.length), this.#room());
			const proposed = (await proposer.fromPosterior(model, room)).map(({ coalition }) => coalition);
			const batch = this.#affordable(proposed, room, (set) => set);
			if (batch.length === 0) return;
			await this.#measure(batch);
			idle = counts.some((count, i) => this.#ofSize(count)[0]?.addedLoss !== before[i]) ? 0 : idle + 1;
		}
	}

	/** Exchanges in the best sets of each size, the sizes in turn. */
	async exchange(): Promise<void> {
		const { counts } = this.#o;
		for (let idle = 0; idle < PATIENCE && this.#room() > 0; ) {
			const before = counts.map((count) => this.#ofSize(count)[0]?.addedLoss);
			const sets = counts.flatMap((count) => this.#exchanged(count).slice(0, Math.ceil(BATCH / counts.length)));
			const batch = this.#affordable(distinct(sets), BATCH, (set) => set);
			if (batch.length === 0) return;
			await this.#measure(batch);
			idle = counts.some((count, i) => this.#ofSize(count)[0]?.addedLoss !== before[i]) ? 0 : idle + 1;
		}
	}

	#exchanged(count: number): Coalition[] {
		const [best] = this.#ofSize(count);
		const fresh = best ? halfNeighbors(this.#search, best.removed).filter((set) => !this.#search.meter.knows(set)) : [];
		const ordered = fresh.map((set) => ({ set, cost: this.#cost(set.removed()) })).sort((a, b) => a.cost - b.cost);
		return ordered.map(({ set }) => set);
	}

	/** New sets of a size: runs of neighboring blocks moved first, then single cuts, by what is known of the pairs alone. */
	#moved(count: number): Coalition[] {
		const { game, meter } = this.#search;
		const { players } = game;
		const starts = this.#o.starts.filter((start) => start.length === count);
		const sets = this.#ofSize(count);
		const bases = [sets[0], sets.find(({ removed }) => !isWhole(removed)), sets.find(({ removed }) => isWhole(removed))];
		const best = bases.flatMap((base) => (base ? [base.removed] : []));
		const runs = [...best, ...starts].flatMap((removed) => runsMovedByHalf(players, removed));
		const cuts = best.flatMap((removed) => movedCuts(removed, players)).sort((a, b) => this.#cost(a) - this.#cost(b));
		const moved = distinct([...runs, ...cuts].map((positions) => Coalition.ofRemoved(players, positions)));
		return moved.filter((set) => !meter.knows(set) && this.#search.allowsHalves(set));
	}

	/** What the positions add alone, summed; of a pair that was not measured the mean of its two blocks. */
	#cost(positions: readonly number[]): number {
		this.#costs ??= this.#search.costs();
		const [costs, known] = [this.#costs, this.#search.shifted()];
		return positions.reduce((sum, p) => sum + (known.get(p) ?? (costs[Math.floor(p)]! + costs[Math.ceil(p)]!) / 2), 0);
	}

	/** The first ones, with as many new sets as there is room for, `most` at most. */
	#affordable<T>(items: readonly T[], most: number, setOf: (item: T) => Coalition): T[] {
		let left = Math.min(most, this.#room(), Math.max(1, this.#o.fits?.() ?? Number.POSITIVE_INFINITY));
		const taken: T[] = [];
		for (const item of items) {
			const fresh = !this.#search.meter.knows(setOf(item));
			if (fresh && left <= 0) {
				if (most === 0) continue;
				break;
			}
			if (fresh) left--;
			taken.push(item);
		}
		return taken;
	}

	async #measure(sets: readonly Coalition[]): Promise<Float64Array> {
		const { meter, originalLoss } = this.#search;
		await meter.race(sets, "half-block cuts");
		const added = await meter.addedLosses(sets, "half-block cuts");
		for (const [i, set] of sets.entries()) {
			const removed = set.removed();
			this.#found.set(set.key, { removed, addedLoss: added[i]!, loss: originalLoss + added[i]! });
			const best = this.#search.choice(removed.length);
			if (!best || added[i]! < best.addedLoss) this.#search.choose(removed, added[i]!, 1);
		}
		this.#o.onBatch?.(this.#search.measured);
		await this.#o.pause?.();
		return added;
	}

	#ofSize(count: number): FoundSet[] {
		const sets = [...this.#found.values()].filter(({ removed }) => removed.length === count);
		return sets.sort((a, b) => a.addedLoss - b.addedLoss);
	}

	result(): HalfBlockResult {
		const byCount = new Map<number, FoundSet[]>();
		for (let count = 1; count <= this.#search.kmax; count++) {
			const halves = this.#ofSize(count).filter(({ removed, addedLoss }) => !isWhole(removed) && Number.isFinite(addedLoss));
			if (halves.length > 0) byCount.set(count, halves);
		}
		return { byCount, measured: this.#search.measured };
	}
}

/** Each removed position moved by half a block to either side, as far as it shares no part with another one. @internal */
export function movedCuts(removed: readonly number[], players: number): number[][] {
	return removed.flatMap((position, at) =>
		[position - 0.5, position + 0.5].flatMap((to) => {
			const others = removed.filter((_, i) => i !== at);
			if (to < 0 || to > players - 1 || others.some((other) => Math.abs(other - to) < 1)) return [];
			return [[...others, to].sort((a, b) => a - b)];
		}),
	);
}
