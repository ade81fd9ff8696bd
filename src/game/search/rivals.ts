// Sets of another kind that race against the automatic method's own: greedy's, and runs of neighboring blocks. Pure.
import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import type { AutoSearchResult } from "./auto.js";
import type { HalfBlockResult } from "./half-blocks.js";
import type { FoundSet } from "./search.js";

export interface Rival {
	readonly removed: readonly number[];
	/** `greedy`, `contiguous` or `half-block`. */
	readonly method: string;
}

/** How far above the best set a rival may be on the searched text: nats per token, or this share of what the best one adds. */
const NEAR = 0.02;
const NEAR_SHARE = 0.1;

/**
 * For each size greedy's set and the best run of neighboring blocks, if they come near the best set on the searched text. A run that was not
 * measured there counts by the surrogate's prediction: the only cost is its place in the race.
 * @param runs how many of the best runs race in any case: the best of many sets came out lower on the searched text than it is elsewhere, and runs
 * were not picked by that text (docs/research/decisions.md)
 */
export function nearRivals(game: Game, found: AutoSearchResult, sizes: readonly number[], runs = 0): Rival[] {
	const allRuns = sortedRuns(game, found, sizes);
	return sizes.flatMap((size) => {
		const best = found.byCount.get(size);
		if (!best) return [];
		const limit = best.addedLoss + nearness(best);
		const isNear = ({ addedLoss }: Run) => addedLoss <= limit;
		const greedy = found.greedy.get(size);
		const neighbors = allRuns.get(size)!.filter((run, i) => i < runs || (i === 0 && isNear(run)));
		const named = (sets: readonly Run[], method: string) => sets.map(({ removed }) => ({ removed, method }));
		const rivals = [...named(greedy && isNear(greedy) ? [greedy] : [], "greedy"), ...named(neighbors, "contiguous")];
		return rivals.filter(({ removed }) => removed.join() !== best.removed.join());
	});
}

/** Sets with half-block cuts of each size that race at most. */
export const RACED_HALVES = 2;

/** For each size the best sets with half-block cuts, if they come near the best set of whole blocks on the searched text. */
export function nearHalves(found: AutoSearchResult, halves: HalfBlockResult, sizes: readonly number[]): Rival[] {
	return sizes.flatMap((size) => {
		const best = found.byCount.get(size);
		const limit = best ? best.addedLoss + nearness(best) : Number.POSITIVE_INFINITY;
		const near = (halves.byCount.get(size) ?? []).filter(({ addedLoss }) => addedLoss <= limit);
		return near.slice(0, RACED_HALVES).map(({ removed }) => ({ removed, method: "half-block" }));
	});
}

const nearness = ({ addedLoss }: Pick<FoundSet, "addedLoss">) => Math.max(NEAR, NEAR_SHARE * addedLoss);

interface Run {
	readonly removed: readonly number[];
	/** Measured, or predicted. */
	readonly addedLoss: number;
}

/** The runs of each size, the cheapest first. */
function sortedRuns(game: Game, { critical, evidence, model }: AutoSearchResult, sizes: readonly number[]): Map<number, Run[]> {
	const stay = new Set([...game.frozen.keys(), ...critical.filter(({ frozen }) => frozen).flatMap(({ blocks }) => blocks)]);
	const measured = new Map(evidence.samples.map(({ coalition, addedLoss }) => [coalition.key, addedLoss]));
	const sorted = new Map<number, Run[]>();
	for (const size of sizes) {
		const sets = Array.from({ length: Math.max(0, game.players - size + 1) }, (_, start) =>
			Array.from({ length: size }, (_, i) => start + i),
		)
			.filter((run) => !run.some((block) => stay.has(block)))
			.map((run) => Coalition.ofRemoved(game.players, run))
			.filter((set) => game.allows(set));
		const guesses = model?.predict(sets);
		const runs = sets
			.map((set, i) => ({ removed: set.removed(), addedLoss: measured.get(set.key) ?? (guesses ? -Math.log(guesses[i]!) : Number.NaN) }))
			.filter(({ addedLoss }) => addedLoss < Number.POSITIVE_INFINITY)
			.sort((a, b) => a.addedLoss - b.addedLoss);
		sorted.set(size, runs);
	}
	return sorted;
}
