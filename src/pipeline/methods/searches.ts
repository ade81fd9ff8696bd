// The methods that measure every set they compare, on the search split of a session.
import { ranking } from "../../game/attribution/attribution.js";
import { rankedByContribution } from "./auto.js";
import { beamSearch } from "../../game/search/beam.js";
import { contiguous } from "../../game/search/contiguous.js";
import { type EvolutionaryOptions, evolutionary } from "../../game/search/evolutionary.js";
import { lazyGreedy } from "../../game/search/greedy.js";
import { leaveOneOut } from "../../game/search/ranked.js";
import { inRounds } from "../../game/search/rounds.js";
import type { SearchResult } from "../../game/search/search.js";
import { swapSearch } from "../../game/search/swap.js";
import type { Choices, SelectionContext } from "./selection-context.js";
import { searchBudget } from "./budget.js";

/** Candidates of a greedy step. */
const width = 8;

export const chooseGreedy = (play: SelectionContext) => raced(play, "greedy", () => lazyGreedy(play.game, { ...play.search, width }));

export const chooseBeam = (play: SelectionContext) => raced(play, "beam", () => beamSearch(play.game, play.search));

export function chooseSwap(play: SelectionContext): Promise<Choices> {
	const { session, game, search, counts, options } = play;
	// What the greedy start takes at most comes first.
	const budget = Math.max(
		0,
		searchBudget(game.players, search.kmax, options, session.tokens.search) - (game.players + 1 + width * search.kmax),
	);
	return raced(play, "swap", () => swapSearch(game, { ...search, counts, width, budget }));
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
	const order = ranking(choices.contributions?.contributions ?? []);
	return { ...choices, rivals: rankedByContribution(play.session, choices.found, play.counts, { order, method: "leave-one-out" }) };
}

async function alone({ session, game, options }: SelectionContext, method: string, run: () => Promise<SearchResult>): Promise<Choices> {
	const found = await session.timed("search", run);
	const contributions = await session.singleRemovals(found.originalLoss, options.signal, game);
	return { found: { ...found, method }, rivals: [], contributions, masks: found.measured };
}
