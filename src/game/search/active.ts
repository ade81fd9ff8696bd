import { Coalition, distinct } from "../coalition.js";
import type { Game } from "../game.js";
import type { LossFunction, Posterior } from "../predictor.js";
import { Random } from "../random.js";
import type { Sample } from "../sample.js";
import { descend } from "./greedy.js";
import { type SwapSpace, swapSpaceOf } from "./proposals.js";
import { Search, type SearchOptions, type SearchResult } from "./search.js";
import { type Terrain, terrainOf } from "./terrain.js";

export interface ActiveOptions extends SearchOptions {
	/** Most distinct coalitions to measure; those the meter knew before do not count. Single removals, greedy and the ranked sets are measured in any case. */
	readonly budget: number;
	readonly seed: number | string;
	/**
	 * Fits a surrogate with a posterior to all that was measured, for example `fitPairwise`. With half-block cuts it must learn over parts:
	 * `(samples) => fitMixedGp(samples, { granularity: "half-block" })`.
	 */
	readonly fit: (samples: readonly Sample[]) => Promise<Posterior>;
	/** Sizes to answer; only these are improved. @default 1..kmax */
	readonly counts?: readonly number[];
	/** Candidates that greedy measures at each step. @default 8 */
	readonly width?: number;
	/** Share of the budget after greedy for random sets, which show the surrogate what greedy never tries. @default 0.25 */
	readonly explore?: number;
	/** Proposals of each size per round. @default 2 */
	readonly perRound?: number;
	/** Rounds without an improvement of at least `eps` after which the search stops; 0 spends the whole budget. @default 5 */
	readonly patience?: number;
	/** Awaited between proposals, so that timers and input get their turn. @default no pause */
	readonly pause?: (() => Promise<void>) | undefined;
	/** Smallest improvement that counts, nats per token. @default 0.0005 */
	readonly eps?: number;
}

/**
 * Lazy greedy for all sizes, then rounds: games drawn from the surrogate's posterior are searched by swaps, and their best sets are
 * measured. Every measured set counts and the best one of each size is the answer. So it is never worse than greedy, leave-one-out or
 * anything else that the meter has measured. With granularity `half-block` the exchanges are of neighbors in the stack as it is: of blocks,
 * of blocks merged from two, and of shifted pairs.
 * @throws RangeError for an option out of range, or a surrogate over blocks if half-block cuts are searched
 */
export async function activeSearch(game: Game, options: ActiveOptions): Promise<SearchResult> {
	const { budget, width = 8, explore = 0.25, patience = 5, eps = 0.0005 } = options;
	if (!(budget >= 1)) throw new RangeError(`budget must be at least 1 coalition, got ${budget}`);
	if (!(explore >= 0 && explore < 1)) throw new RangeError(`explore must be in [0, 1), got ${explore}`);
	const search = await Search.start(game, "active", options);
	await descend(search, width);
	const run = new ActiveRun(search, options);
	await run.measure(
		(await search.meter.samples())
			.map((sample) => sample.coalition)
			.filter((set) => set.removals <= options.kmax && !set.isFull && (set.whole || search.halves)),
		"known sets",
	);
	await run.measure(search.rankedSets(), "ranked candidates");
	const spent = run.spent();
	await run.measure(run.randomSets(Math.floor((budget - spent) * explore)), "random candidates");
	let idle = 0;
	while (run.spent() < budget && (patience === 0 || idle < patience)) {
		const gained = await run.round(budget - run.spent());
		if (gained === undefined) break;
		idle = gained >= eps ? 0 : idle + 1;
	}
	return search.result();
}

class ActiveRun {
	readonly #search: Search;
	readonly #options: ActiveOptions;
	readonly #random: Random;
	readonly #space: SwapSpace;
	readonly #terrain: Terrain;
	readonly #counts: readonly number[];

	constructor(search: Search, options: ActiveOptions) {
		this.#search = search;
		this.#options = options;
		this.#random = new Random(options.seed);
		this.#space = swapSpaceOf(search);
		this.#terrain = terrainOf(search, true);
		const all = Array.from({ length: search.kmax }, (_, i) => i + 1);
		this.#counts = (options.counts ?? all).filter((count) => search.choice(count) !== undefined);
	}

	spent(): number {
		return this.#search.measured;
	}

	/** Measures what is not known yet, and keeps the best set of each size. Returns the largest improvement, nats per token. */
	async measure(sets: readonly Coalition[], phase: string): Promise<number> {
		const fresh = distinct(sets);
		if (fresh.length === 0) return 0;
		const added = await this.#search.meter.addedLosses(fresh, phase);
		let gained = 0;
		const bySize = new Map<number, { set: Coalition; loss: number; tried: number }>();
		for (const [index, set] of fresh.entries()) {
			const loss = added[index] as number;
			const size = set.removals;
			const best = bySize.get(size);
			bySize.set(size, { ...(best && best.loss <= loss ? best : { set, loss }), tried: (best?.tried ?? 0) + 1 });
		}
		for (const [size, { set, loss, tried }] of bySize) {
			const before = this.#search.choice(size);
			if (!before || loss >= before.addedLoss) continue;
			gained = Math.max(gained, before.addedLoss - loss);
			this.#search.choose(set.removed(), loss, tried);
		}
		return gained;
	}

	/** Random sets over the sizes to answer, with fewer costly blocks: a broken model teaches nothing about working ones. */
	randomSets(count: number): Coalition[] {
		const { game, kmax } = this.#search;
		const sets = new Map<string, Coalition>();
		for (let attempt = 0; sets.size < count && attempt < 50 * count; attempt++) {
			const target = 2 + this.#random.integer(Math.max(1, kmax - 1));
			const set = this.#search.halves ? this.#randomParts(Math.min(target, kmax)) : this.#randomBlocks(target);
			if (set && game.allows(set) && !this.#search.meter.knows(set)) sets.set(set.key, set);
		}
		return [...sets.values()];
	}

	#randomBlocks(target: number): Coalition {
		const removed: number[] = [];
		for (const move of this.#random.shuffle(this.#space.moves.slice())) {
			if (removed.length + move.length <= target) removed.push(...move);
		}
		return Coalition.ofRemoved(this.#search.game.players, removed);
	}

	#randomParts(target: number): Coalition | undefined {
		const flags = this.#terrain.random(target, this.#random);
		return flags && this.#terrain.coalitionOf(flags);
	}

	/** One round: fit, draw, search each size, measure. Undefined if nothing new is proposed. */
	async round(room: number): Promise<number | undefined> {
		this.#options.signal?.throwIfAborted();
		const samples = await this.#search.meter.samples();
		const posterior = await this.#options.fit(this.#search.halves ? samples : samples.filter(({ coalition }) => coalition.whole));
		if (((posterior.granularity ?? "block") === "half-block") !== this.#search.halves)
			throw new RangeError(
				`the surrogate must learn over ${this.#search.halves ? "parts of blocks" : "blocks"}: fit it with this granularity`,
			);
		const proposals = new Map<string, Coalition>();
		for (let i = 0; i < (this.#options.perRound ?? 2); i++) {
			for (const count of this.#random.shuffle(this.#counts.slice())) {
				if (proposals.size >= room) break;
				await this.#options.pause?.();
				const proposal = this.#propose(posterior, count, proposals);
				if (proposal) proposals.set(proposal.key, proposal);
			}
		}
		return proposals.size === 0 ? undefined : this.measure([...proposals.values()], "active search");
	}

	/**
	 * The best set of one drawn game that is not measured yet. Late in a run most draws agree on a known set. Then it is the drawn game's best
	 * unmeasured neighbor of the incumbent.
	 */
	#propose(posterior: Posterior, count: number, proposals: ReadonlyMap<string, Coalition>): Coalition | undefined {
		const { game, meter } = this.#search;
		const incumbent = this.#search.choice(count);
		if (!incumbent) return undefined;
		const isNew = (set: Coalition) => !meter.knows(set) && !proposals.has(set.key);
		const start = this.#terrain.flagsOf(Coalition.ofRemoved(game.players, incumbent.removed));
		for (let attempt = 0; ; attempt++) {
			const drawn = posterior.draw(() => this.#random.normal());
			const removed = start.slice();
			this.#terrain.descend(drawn, removed);
			const set = this.#terrain.coalitionOf(removed);
			if (isNew(set)) return set;
			if (attempt === 3) return this.#bestNeighbor(start, drawn, isNew);
		}
	}

	#bestNeighbor(start: Uint8Array, drawn: LossFunction, isNew: (set: Coalition) => boolean): Coalition | undefined {
		let best: { set: Coalition; loss: number } | undefined;
		for (const neighbor of this.#terrain.neighbors(start)) {
			const loss = drawn.of(neighbor);
			if (best && best.loss <= loss) continue;
			const set = this.#terrain.coalitionOf(neighbor);
			if (isNew(set)) best = { set, loss };
		}
		return best?.set;
	}
}
