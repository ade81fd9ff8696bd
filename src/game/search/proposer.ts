import { Coalition } from "../coalition.js";
import type { Calibrated, LossFunction, Posterior } from "../predictor.js";
import type { Random } from "../random.js";
import type { Search } from "./search.js";
import { type Terrain, terrainOf } from "./terrain.js";

/** A set worth measuring. @internal */
export interface Candidate {
	readonly coalition: Coalition;
	/** Expected improvement on the best set of its size, nats per token. */
	readonly expected: number;
	/** Prediction of log(1 + added loss); absent without a surrogate. */
	readonly mean?: number;
	readonly sd?: number;
}

/** Sizes whose draws are searched in one round, so that a round of a large model stays a matter of seconds. */
const SIZES_A_ROUND = 16;

/** Proposes sets that were not measured yet. @internal */
export class Proposer {
	readonly #search: Search;
	readonly #counts: readonly number[];
	readonly #random: Random;
	readonly #terrain: Terrain;
	readonly #pause: (() => Promise<void>) | undefined;
	readonly #isNew: (set: Coalition) => boolean;
	#turn = 0;

	/** @param wanted sets that may be proposed, of those not measured yet */
	constructor(
		search: Search,
		counts: readonly number[],
		random: Random,
		{ pause, wanted = () => true }: { pause?: (() => Promise<void>) | undefined; wanted?: (set: Coalition) => boolean },
	) {
		this.#search = search;
		this.#counts = counts;
		this.#random = random;
		this.#terrain = terrainOf(search);
		this.#pause = pause;
		this.#isNew = (set) => wanted(set) && !search.meter.knows(set);
	}

	/**
	 * Draws games from the posterior, takes the best sets of each, and returns those with the largest expected improvement. At least one is
	 * of every size searched in the round, as far as `room` allows.
	 */
	async fromPosterior(model: Posterior & Calibrated, room: number): Promise<Candidate[]> {
		const sizes = this.#sizes();
		if (sizes.length === 0) return [];
		const found = new Map<string, Coalition>();
		const draws = Math.max(2, Math.ceil(room / sizes.length));
		for (let d = 0; d < draws; d++) {
			// The last draw is the mean: what the surrogate thinks best, without added doubt.
			const drawn = d === draws - 1 ? model.mean() : model.draw(() => this.#random.normal());
			const path = this.#terrain.greedyPath(drawn, Math.max(...sizes));
			for (const size of sizes) {
				const set = await this.#bestOf(drawn, size, path.get(size), found);
				if (set) found.set(set.key, set);
			}
		}
		if (found.size === 0) for (const set of this.#randomSets(sizes, room)) found.set(set.key, set);
		return this.#pick(this.#score(model, [...found.values()]), sizes, room);
	}

	/** Exchanges in the best sets, those first that single removals favor; used when no surrogate can be trusted. */
	exchanges(room: number): Candidate[] {
		const found = new Map<string, Candidate>();
		const costs = this.#search.costs();
		for (const size of this.#sizes()) {
			const incumbent = this.#search.choice(size)?.removed ?? [];
			const start = this.#terrain.flagsOf(Coalition.ofRemoved(this.#search.game.players, incumbent));
			const fresh = this.#terrain
				.neighbors(start)
				.map((flags) => this.#terrain.coalitionOf(flags))
				.filter((set) => this.#isNew(set) && !found.has(set.key))
				.map((coalition) => ({ coalition, cost: coalition.removed().reduce((sum, block) => sum + (costs[block] as number), 0) }))
				.sort((a, b) => a.cost - b.cost);
			const share = Math.max(1, Math.floor(room / this.#counts.length));
			// These sets are unknown, so an improvement is always possible: the whole neighborhood is measured.
			for (const { coalition } of fresh.slice(0, share))
				if (found.size < room) found.set(coalition.key, { coalition, expected: Number.POSITIVE_INFINITY });
		}
		return [...found.values()];
	}

	/** Sizes of this round: if there are many, they take turns. */
	#sizes(): number[] {
		const open = this.#counts.filter((count) => this.#search.choice(count));
		if (open.length <= SIZES_A_ROUND) return open;
		const first = (this.#turn++ * SIZES_A_ROUND) % open.length;
		return Array.from({ length: SIZES_A_ROUND }, (_, i) => open[(first + i) % open.length] as number);
	}

	/** The best new set that descents on the drawn game reach. */
	async #bestOf(
		drawn: LossFunction,
		size: number,
		greedy: Uint8Array | undefined,
		found: ReadonlyMap<string, Coalition>,
	): Promise<Coalition | undefined> {
		const isNew = (set: Coalition) => this.#isNew(set) && !found.has(set.key);
		let best: { set: Coalition; loss: number } | undefined;
		for (const start of this.#starts(drawn, size, greedy)) {
			await this.#pause?.();
			const loss = this.#terrain.descend(drawn, start);
			const set = this.#terrain.coalitionOf(start);
			if ((!best || loss < best.loss) && isNew(set)) best = { set, loss };
		}
		return best?.set ?? this.#bestNeighbor(drawn, size, isNew);
	}

	/** New random sets, for when everything near the best sets is known. */
	#randomSets(sizes: readonly number[], room: number): Coalition[] {
		const sets = new Map<string, Coalition>();
		for (let attempt = 0; sets.size < room && attempt < 20 * room; attempt++) {
			const flags = this.#terrain.random(sizes[attempt % sizes.length] as number, this.#random);
			const set = flags && this.#terrain.coalitionOf(flags);
			if (set && this.#isNew(set)) sets.set(set.key, set);
		}
		return [...sets.values()];
	}

	/**
	 * Starts of the descents: the best set of the size, the sets of one block less and one more with the drawn game's best block added or
	 * restored, the drawn game's own greedy set, and a random one.
	 */
	#starts(drawn: LossFunction, size: number, greedy: Uint8Array | undefined): Uint8Array[] {
		const terrain = this.#terrain;
		const flags = (count: number) => {
			const choice = this.#search.choice(count);
			return choice ? terrain.flagsOf(Coalition.ofRemoved(this.#search.game.players, choice.removed)) : undefined;
		};
		// A descent from a random set is long: on large games one in four draws has one.
		const wander = !terrain.large || this.#random.uniform() < 0.25;
		const starts = [flags(size), greedy, wander ? terrain.random(size, this.#random) : undefined];
		for (const [count, how] of [
			[size - 1, "remove"],
			[size + 1, "put back"],
		] as const) {
			const near = flags(count);
			if (near && terrain.step(drawn, near, how)) starts.push(near);
		}
		return starts.filter((start) => start !== undefined);
	}

	/** Late in a run most draws agree on a known set. Then it is the drawn game's best unmeasured neighbor of the best set. */
	#bestNeighbor(drawn: LossFunction, size: number, isNew: (set: Coalition) => boolean): Coalition | undefined {
		const incumbent = this.#search.choice(size);
		if (!incumbent) return undefined;
		const start = this.#terrain.flagsOf(Coalition.ofRemoved(this.#search.game.players, incumbent.removed));
		let best: { set: Coalition; loss: number } | undefined;
		const neighbors = this.#terrain.neighbors(start);
		const tried = neighbors.length > 400 ? this.#random.sample(neighbors, 400) : neighbors;
		for (const neighbor of tried) {
			const loss = drawn.of(neighbor);
			if (best && best.loss <= loss) continue;
			const set = this.#terrain.coalitionOf(neighbor);
			if (isNew(set)) best = { set, loss };
		}
		return best?.set;
	}

	#score(model: Calibrated, sets: readonly Coalition[]): Candidate[] {
		const { mean, sd } = model.predictLinks(sets);
		return sets.map((coalition, i) => {
			const best = this.#search.choice(coalition.removals);
			const target = Math.log1p(Math.max(-0.9, best?.addedLoss ?? Number.POSITIVE_INFINITY));
			const link = expectedImprovement(target, mean[i] as number, sd[i] as number);
			// From the link scale to nats at the best set.
			return { coalition, expected: link * Math.exp(target), mean: mean[i] as number, sd: sd[i] as number };
		});
	}

	#pick(candidates: readonly Candidate[], sizes: readonly number[], room: number): Candidate[] {
		const ordered = candidates.slice().sort((a, b) => b.expected - a.expected || (a.coalition.key < b.coalition.key ? -1 : 1));
		const firsts = sizes.map((size) => ordered.find(({ coalition }) => coalition.removals === size));
		const ofEach = firsts.filter((candidate) => candidate !== undefined).sort((a, b) => b.expected - a.expected);
		// Half of the places by merit alone, the other half for the best set of each size.
		const picked = new Set([...ordered.slice(0, Math.ceil(room / 2)), ...ofEach, ...ordered]);
		return [...picked].slice(0, room);
	}
}

/** Expected shortfall of a normal value below `target`. */
function expectedImprovement(target: number, mean: number, sd: number): number {
	if (!(sd > 0)) return Math.max(0, target - mean);
	const z = (target - mean) / sd;
	const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
	return sd * (z * normalBelow(z) + density);
}

/** Probability that a standard normal value is below z, to 2e-7 (a Horner form of Abramowitz and Stegun 26.2.17). */
function normalBelow(z: number): number {
	const t = 1 / (1 + 0.2316419 * Math.abs(z));
	const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
	const tail = (Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)) * poly;
	return z < 0 ? tail : 1 - tail;
}
