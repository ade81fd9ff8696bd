// The methods that measure every set they compare, on the search split of a session.
import { type Attribution, ranking } from "../../game/attribution/attribution.js";
import { type Measurement, meanLoss } from "../../game/game.js";
import { rankedByContribution } from "./auto.js";
import { beamSearch } from "../../game/search/beam.js";
import { contiguous } from "../../game/search/contiguous.js";
import { type EvolutionaryOptions, evolutionary } from "../../game/search/evolutionary.js";
import { lazyGreedy } from "../../game/search/greedy.js";
import { leaveOneOut } from "../../game/search/ranked.js";
import { inRounds } from "../../game/search/rounds.js";
import type { SearchResult } from "../../game/search/search.js";
import type { SearchGranularity } from "../../api/measure.js";
import { swapSearch } from "../../game/search/swap.js";
import type { Choices, ProposedSet, SelectionContext } from "./selection-context.js";
import { searchBudget } from "./budget.js";

/** Candidates of a greedy step. */
const width = 8;

export const chooseGreedy = (play: SelectionContext) => raced(play, "greedy", () => lazyGreedy(play.game, { ...play.search, width }));

export const chooseBeam = (play: SelectionContext) => raced(play, "beam", () => beamSearch(play.game, play.search));

export function chooseSwap(play: SelectionContext): Promise<Choices> {
	const { session, game, search, counts, options } = play;
	// What the greedy start takes at most comes first.
	const start = leastOfSwap(game.players, search.kmax, search.granularity);
	const budget = Math.max(0, searchBudget(game.players, search.kmax, options, session.tokens.search) - start);
	return raced(play, "swap", () => swapSearch(game, { ...search, counts, width, budget }));
}

/** Shifted pairs of a model that are measured alone. */
export function shiftedAlone(blocks: number, granularity: SearchGranularity | undefined): number {
	return granularity === "half-block" ? blocks - 1 : 0;
}

/** What greedy takes at most: single removals, those of shifted pairs if there are any, and its steps. */
export function leastOfSwap(blocks: number, kmax: number, granularity?: SearchGranularity): number {
	return blocks + 1 + width * kmax + shiftedAlone(blocks, granularity);
}

/** Rounds that are played: each cuts a block at least. */
export function roundsOf({ rounds = 1 }: SelectionContext["options"], kmax: number): number {
	return Math.min(rounds, kmax);
}

export function chooseLeaveOneOut(play: SelectionContext): Promise<Choices> {
	const { game, search, options } = play;
	const { kmax, meter, signal, units } = search;
	const rounds = roundsOf(options, kmax);
	const run = () =>
		rounds === 1
			? leaveOneOut(game, search)
			: inRounds(game, {
					kmax,
					meter,
					signal,
					...(units ? { units } : {}),
					rounds,
					play: (round) => leaveOneOut(round.game, { kmax: round.kmax, units: round.units, signal }),
				});
	return alone(play, "leave-one-out", run);
}

export const chooseContiguous = (play: SelectionContext) =>
	alone(play, "contiguous", () => contiguous(play.game, { ...play.search, counts: play.counts }));

export function chooseEvolutionary(play: SelectionContext): Promise<Choices> {
	const { session, game, search, counts, options } = play;
	const share = Math.floor((searchBudget(game.players, search.kmax, options, session.tokens.search) - (game.players + 1)) / counts.length);
	return alone(play, "evolutionary", () => evolutionary(game, { ...search, counts, seed: session.seed, ...generations(share) }));
}

/** How a number of masks for one size is spent: a third at first, in small budgets few children a generation. */
export function generations(masks: number): Pick<Required<EvolutionaryOptions>, "initial" | "offspring" | "generations"> {
	const initial = Math.max(1, Math.min(32, Math.floor(masks / 3)));
	const offspring = Math.max(1, Math.min(16, Math.floor(masks / 6)));
	return { initial, offspring, generations: Math.max(1, Math.floor((masks - initial) / offspring)) };
}

/** The sets of leave-one-out cost no search mask, and are at times better on unseen text. */
async function raced(play: SelectionContext, method: string, run: () => Promise<SearchResult>): Promise<Choices> {
	const choices = await alone(play, method, run);
	if (isHalf(play)) return choices;
	const order = ranking(choices.contributions?.contributions ?? []);
	return { ...choices, rivals: rankedByContribution(play.game, choices.found, play.counts, { order, method: "leave-one-out" }) };
}

async function alone(
	{ session, game, options, counts, search }: SelectionContext,
	method: string,
	run: () => Promise<SearchResult>,
): Promise<Choices> {
	const found = await session.timed("search", run);
	const contributions = await session.singleRemovals(found.originalLoss, options.signal, game);
	const rivals = isHalf({ options }) ? wholeRivals({ counts, search }, { ...found, method }, contributions) : [];
	return { found: { ...found, method }, rivals, contributions, masks: found.measured };
}

const isHalf = ({ options }: Pick<SelectionContext, "options">) => options.granularity === "half-block";

/** Sets of whole blocks for the final comparison: the best measured one of each size, and leave-one-out's. They cost no search mask. */
function wholeRivals(
	{ counts, search }: Pick<SelectionContext, "counts" | "search">,
	found: SearchResult,
	{ contributions }: Attribution,
): ProposedSet[] {
	const best = bestWhole(search.meter.measurements().filter(({ coalition }) => search.meter.game.allows(coalition)));
	for (const count of best.keys()) if (!found.byCount.has(count)) best.delete(count);
	const rivals = [...best.values()].map(({ coalition }) => ({ removed: coalition.removed(), method: `${found.method} of whole blocks` }));
	return [...rivals, ...rankedByContribution(search.meter.game, found, counts, { order: ranking(contributions), method: "leave-one-out" })];
}

/** The measured set of whole blocks with the lowest mean, of each number of removed ones. */
export function bestWhole(measured: readonly Measurement[]): Map<number, Measurement> {
	const best = new Map<number, Measurement>();
	for (const set of measured) {
		const { whole, removals } = set.coalition;
		const known = best.get(removals);
		if (whole && (!known || meanLoss(set) < meanLoss(known))) best.set(removals, set);
	}
	return best;
}
