import type { Coalition } from "../coalition.js";
import { swapDesign, tiltedDesign, windowDesign } from "../designs.js";
import type { Game } from "../game.js";
import { Random } from "../random.js";
import type { Sample } from "../sample.js";
import type { AutoEvidence, AutoSearchOptions, AutoPhase, AutoSearchResult, Forecast, SearchModel } from "./auto-types.js";
import { tiedSets } from "./tied.js";
import { type Candidate, Proposer } from "./proposer.js";
import { type FoundSet, onlyBlocks, Search } from "./search.js";

export type * from "./auto-types.js";

/**
 * Finds good sets of every size at once, and can be stopped after any batch. It measures single removals, the sets they rank, lazy greedy
 * and random sets to learn from. Then come rounds that search a surrogate's posterior and measure the sets with the best expectation.
 * Every measured set counts, so on the searched text the answer is never worse than leave-one-out's. Nor is it worse than greedy steps of 8
 * candidates if the budget holds these (players + 1 + 13 kmax always do); small budgets compare fewer at a step, or end before.
 * Blocks that cost more than `criticalLoss` alone are kept in every set.
 * @throws RangeError for an option out of range; whatever the game throws
 */
export async function autoSearch(game: Game, options: AutoSearchOptions): Promise<AutoSearchResult> {
	check(options);
	const run = new AutoRun(await Search.start(game, "auto", onlyBlocks("autoSearch", options)), options);
	await run.report("single blocks", run.search.singlesAsSets());
	const ended = await run.play();
	return run.result(ended);
}

/** Reasons why the search did not come to a size. */
const early: Readonly<Partial<Record<AutoSearchResult["ended"], string>>> = {
	stop: "the search was stopped",
	budget: "the evaluations of the search were used up",
};

class AutoRun {
	readonly search: Search;
	readonly #o: AutoSearchOptions;
	readonly #budget: number;
	readonly #batch: number;
	readonly #eps: number;
	readonly #random: Random;
	readonly #counts: readonly number[];
	readonly #explored = new Set<string>();
	readonly #exchanges = new Set<string>();
	readonly #steps = new Set<string>();
	readonly #path = new Map<number, Pick<FoundSet, "removed" | "addedLoss">>();
	readonly #forecasts: Forecast[] = [];
	#model: SearchModel | undefined;
	#trusted: boolean | undefined;
	/** Whether greedy ended by itself: a size without a set cannot be reached then. */
	#descended = false;

	constructor(search: Search, options: AutoSearchOptions) {
		this.search = search;
		this.#o = options;
		this.#budget = options.budget ?? 800;
		this.#batch = options.batch ?? Math.max(8, Math.min(32, Math.round(Math.min(this.#budget, 800) / 20)));
		this.#eps = options.eps ?? 0.002;
		this.#random = new Random(options.seed);
		this.#counts = options.counts ?? Array.from({ length: search.kmax }, (_, i) => i + 1);
	}

	async play(): Promise<AutoSearchResult["ended"]> {
		const phases = [() => this.#rankedSets(), () => this.#greedy(), () => this.#explore(), () => this.#rounds()];
		for (const phase of phases) {
			const ended = this.#over() ?? (await phase());
			if (ended) return ended;
		}
		return this.#over() ?? "exhausted";
	}

	async result(ended: AutoSearchResult["ended"]): Promise<AutoSearchResult> {
		const samples = await this.search.meter.samples();
		// At least two sizes must have been measured; otherwise a fit is an extrapolation from single removals.
		if (samples.length > this.search.moves.length + 4) this.#model = await this.#o.fit(samples, this.#model);
		return {
			...this.search.result(undefined, this.#descended ? undefined : early[ended]),
			ended,
			ranked: this.search.rankedSets().map((set) => set.removed()),
			model: this.#model,
			evidence: this.#evidence(samples),
			forecasts: this.#forecasts,
			tied: tiedSets(this.search.meter.measurements()),
			greedy: this.#path,
			trusted: this.#trusted,
		};
	}

	/** Keeps the best set of each size among the measured ones, and reports it. Returns the largest improvement, nats per token. */
	async report(phase: AutoPhase, sets: readonly Coalition[]): Promise<number> {
		const added = await this.search.meter.addedLosses(sets, phase);
		let gained = 0;
		for (const [index, set] of sets.entries()) {
			const loss = added[index] as number;
			const count = set.removals;
			if (count === 0 || count > this.search.kmax) continue;
			const before = this.search.choice(count);
			if (before && loss >= before.addedLoss) continue;
			if (before) gained = Math.max(gained, before.addedLoss - loss);
			this.search.choose(set.removed(), loss, 1);
		}
		this.#o.onBatch?.({ phase, measured: this.search.measured, byCount: this.search.chosen() });
		await this.#o.pause?.();
		return gained;
	}

	#evidence(samples: readonly Sample[]): AutoEvidence {
		return { samples, explored: this.#explored, exchanges: this.#exchanges, steps: this.#steps };
	}

	#over(): "budget" | "stop" | undefined {
		if (this.#o.stop?.()) return "stop";
		return this.search.measured >= this.#budget ? "budget" : undefined;
	}

	#room(): number {
		return this.#budget - this.search.measured;
	}

	/** Coalitions that may be measured before `stop` is called again. */
	#most(): number {
		return Math.min(this.#room(), Math.max(1, this.#o.fits?.() ?? Number.POSITIVE_INFINITY));
	}

	/** In batches, as far as the budget allows. */
	async #measureAll(phase: AutoPhase, sets: readonly Coalition[]): Promise<"budget" | "stop" | undefined> {
		for (let start = 0; start < sets.length; ) {
			const over = this.#over();
			if (over) return over;
			const batch = sets.slice(start, start + Math.min(this.#batch, this.#most()));
			await this.report(phase, batch);
			start += batch.length;
		}
		return undefined;
	}

	/** The sets that leave-one-out would cut: every size has an answer early, and sometimes it stays the best on held-out text. */
	#rankedSets() {
		return this.#measureAll("ranked candidates", this.search.rankedSets());
	}

	/** Lazy greedy. It may take most of a small budget, which sets how many candidates a step measures: on a deep model this matters most. */
	async #greedy(): Promise<"budget" | "stop" | undefined> {
		const { search } = this;
		const width = Math.max(2, Math.min(8, Math.floor((0.7 * this.#room()) / search.kmax)));
		const last = Float64Array.from(search.moves, (_, move) => search.singleCost(move));
		let removed: number[] = [];
		let here = 0;
		while (removed.length < search.kmax) {
			const over = this.#over();
			if (over) return over;
			const open = search.candidatesOrFree(removed).sort((a, b) => (last[a.move] as number) - (last[b.move] as number) || a.move - b.move);
			const tried = open.slice(0, Math.min(width, this.#most()));
			if (tried.length === 0) break;
			for (const { coalition } of tried) if (coalition.removals > 1) this.#steps.add(coalition.key);
			const sets = tried.map(({ coalition }) => coalition);
			await search.meter.race(sets, "greedy");
			await this.report("greedy", sets);
			const added = await search.meter.addedLosses(tried.map(({ coalition }) => coalition));
			let best = 0;
			for (const [index, { move }] of tried.entries()) {
				const slope = ((added[index] as number) - here) / (search.moves[move] as readonly number[]).length;
				last[move] = Number.isNaN(slope) ? Number.POSITIVE_INFINITY : slope;
				if ((last[move] as number) < (last[(tried[best] as { move: number }).move] as number)) best = index;
			}
			removed = (tried[best] as { coalition: Coalition }).coalition.removed();
			here = added[best] as number;
			this.#path.set(removed.length, { removed, addedLoss: here });
		}
		this.#descended = true;
		return undefined;
	}

	/** Random sets: most are uniform over the sizes, some prefer cheap blocks, and some are exchanges in the best sets to judge by. */
	async #explore(): Promise<"budget" | "stop" | undefined> {
		const { search } = this;
		const count = Math.floor(this.#room() * (this.#o.explore ?? 0.45));
		if (count < 4) return undefined;
		const keep = search.frozenBlocks();
		const uniform = this.#uniformSets(Math.ceil(0.6 * count));
		const costs = search.costs();
		const spread = Math.max(1e-6, deviation(costs.filter((cost, block) => Number.isFinite(cost) && !keep.includes(block))));
		const tilted = tiltedDesign(search.game, {
			...this.#window(),
			count: Math.ceil(0.25 * count),
			exclude: new Set([...this.#known(), ...uniform.map((set) => set.key)]),
			costs,
			temperature: spread,
		});
		for (const set of [...uniform, ...tilted]) this.#explored.add(set.key);
		const over = await this.#measureAll("random candidates", this.#random.shuffle([...uniform, ...tilted]));
		if (over) return over;
		return this.#measureAll("random candidates", this.#exchangeSets(count - uniform.length - tilted.length, keep));
	}

	#uniformSets(count: number): Coalition[] {
		return windowDesign(this.search.game, { ...this.#window(), count, exclude: this.#known() });
	}

	#window() {
		const { kmax } = this.search;
		const units = this.#o.units ? { units: this.#o.units } : {};
		return { kmin: Math.min(2, kmax), kmax, keep: this.search.frozenBlocks(), random: this.#random, ...units };
	}

	#known(): Set<string> {
		return new Set(this.search.meter.measurements().map(({ coalition }) => coalition.key));
	}

	#exchangeSets(count: number, keep: readonly number[]): Coalition[] {
		const { search } = this;
		const sets = new Map<string, Coalition>();
		const sizes = this.#random.shuffle(this.#counts.filter((size) => search.choice(size)));
		// Several of one size: a search compares only sets of one size.
		const each = Math.max(4, Math.ceil(count / Math.max(1, sizes.length)));
		const exclude = this.#known();
		for (const size of sizes) {
			const room = Math.min(each, count - sets.size);
			if (room <= 0) break;
			const removed = (search.choice(size) as FoundSet).removed;
			const units = this.#o.units ? { units: this.#o.units } : {};
			for (const set of swapDesign(search.game, removed, { count: room, random: this.#random, exclude, keep, ...units }))
				sets.set(set.key, set);
		}
		for (const key of sets.keys()) this.#exchanges.add(key);
		return [...sets.values()];
	}

	async #rounds(): Promise<AutoSearchResult["ended"]> {
		const { search } = this;
		const { patience = 3 } = this.#o;
		this.#trusted = this.#o.trust ? await this.#o.trust(this.#evidence(await search.meter.samples())) : true;
		const proposer = new Proposer(search, this.#counts, this.#random, { pause: this.#o.pause });
		let idle = 0;
		for (let round = 0; ; round++) {
			this.#o.signal?.throwIfAborted();
			// No improvement is left but some budget is: every other batch improves the contributions.
			if (patience === 0 && idle >= 3 && round % 2 === 0) {
				const sets = this.#uniformSets(Math.min(this.#batch, this.#room()));
				for (const set of sets) this.#explored.add(set.key);
				await this.#measureAll("random candidates", sets);
			}
			const over = this.#over();
			if (over) return over;
			const room = Math.min(this.#batch, this.#most());
			let candidates: Candidate[];
			if (this.#trusted) {
				this.#model = await this.#o.fit(await search.meter.samples(), this.#model);
				candidates = await proposer.fromPosterior(this.#model, room);
			} else candidates = proposer.exchanges(room);
			if (candidates.length === 0) return "exhausted";
			// The fit took time too.
			if (this.#o.stop?.()) return "stop";
			candidates = candidates.slice(0, this.#most());
			const sets = candidates.map(({ coalition }) => coalition);
			await search.meter.race(sets, "active search");
			const gained = await this.report("active search", sets);
			await this.#remember(candidates);
			const expected = Math.max(...candidates.map((candidate) => candidate.expected));
			idle = gained >= this.#eps || expected >= this.#eps ? 0 : idle + 1;
			if (patience > 0 && idle >= patience) return "converged";
		}
	}

	async #remember(candidates: readonly Candidate[]): Promise<void> {
		const added = await this.search.meter.addedLosses(candidates.map(({ coalition }) => coalition));
		for (const [i, { coalition, mean, sd }] of candidates.entries()) {
			if (mean !== undefined && sd !== undefined) this.#forecasts.push({ coalition, mean, sd, addedLoss: added[i] as number });
		}
	}
}

function deviation(values: ArrayLike<number>): number {
	const list = Array.from(values);
	const mean = list.reduce((sum, x) => sum + x, 0) / Math.max(1, list.length);
	return Math.sqrt(list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, list.length));
}

function check({ budget = 800, explore = 0.45, batch = 8, eps = 0, patience = 0, counts = [], kmax }: AutoSearchOptions): void {
	if (!(budget >= 1)) throw new RangeError(`budget must be at least 1 coalition, got ${budget}`);
	if (!(explore >= 0 && explore < 1)) throw new RangeError(`explore must be in [0, 1), got ${explore}`);
	if (!Number.isInteger(batch) || batch < 1) throw new RangeError(`batch must be a positive integer, got ${batch}`);
	if (!(eps >= 0)) throw new RangeError(`eps must be at least 0 nats, got ${eps}`);
	if (!Number.isInteger(patience) || patience < 0) throw new RangeError(`patience must be a non-negative integer, got ${patience}`);
	for (const count of counts) {
		if (!Number.isInteger(count) || count < 1 || count > kmax) throw new RangeError(`counts must be in 1..${kmax}, got ${count}`);
	}
}
