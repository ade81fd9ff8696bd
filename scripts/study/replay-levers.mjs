// One search and several ways to decide by what was measured.
import { load } from "./lib.mjs";
import { counted, dealt } from "./replay-game.mjs";

const { auto } = await load("game/search/auto-method.js");
const { nearRivals } = await load("game/search/rivals.js");
const { tiedSets } = await load("game/search/tied.js");
const { pool } = await load("game/search/pooled.js");
const { Coalition, distinct } = await load("game/coalition.js");
const { meanLoss } = await load("game/game.js");
const { lossOfLink } = await load("game/surrogate/surrogate.js");
const { tellApart } = await load("pipeline/race/ties.js");
const { meanOf } = await load("pipeline/race/beats.js");
const { bySupport } = await load("pipeline/race/supported.js");

/** The candidates of one size that the final comparison gets, as the automatic method proposes them: so many of those tied, greedy's, a run, leave-one-out's. */
async function finalistsOf(game, found, size, most = 4) {
	const ofSize = found.evidence.samples.map(({ coalition }) => coalition).filter(({ players, size: kept }) => players - kept === size);
	const tied = tiedSets(await game.measure(ofSize), { limit: most }).get(size) ?? [];
	const removed = [
		found.byCount.get(size)?.removed,
		...tied.map((set) => set.removed),
		...nearRivals(game, found, [size]).map((set) => set.removed),
		...found.ranked.filter((set) => set.length === size),
	].filter(Boolean);
	return distinct(removed.map((blocks) => Coalition.ofRemoved(game.players, blocks)));
}

/** What the surrogate expected, nats per token, without the candidate's own measurement. */
function expectations(model, sets) {
	if (!model?.predictUnseen) return [];
	const { mean, sd } = model.predictUnseen(sets);
	return sets.map((_, i) => {
		const added = lossOfLink(mean[i]);
		return { mean: added, sd: Math.max(1e-4, sd[i] * (1 + added)) };
	});
}

/** Candidates of a search of a made-up game's true losses, which regrets are measured against. */
const TRUE_BUDGET = 300;

const further = (dealt) => async (part) => dealt[`further${part}`];
const lossesOf = async (game, sets) => (await game.measure(sets)).map(({ losses }) => losses);

/** Ways to decide: each gets what a search found and the dealt windows, and gives a candidate with the passes of a window it took. */
export const levers = {
	"by the search alone": async ({ sets, deal }) => {
		const measured = await deal.search.measure(sets);
		return { set: lowest(measured), passes: 0 };
	},
	"by the validation split alone": async ({ sets, deal }) => ({
		set: lowest(await deal.validation.measure(sets)),
		passes: sets.length * deal.counts.validation,
	}),
	"with further text for ties (before)": async (run) => {
		const { fields, passes } = await compared(run);
		return { set: fields[0][0].coalition, passes };
	},
	"further text, pooled with the search split": (run) => pooledOf(run, { searched: true }),
	"further text, pooled with the surrogate": (run) => pooledOf(run, { predicted: true }),
	"further text, pooled with both": (run) => pooledOf(run, { searched: true, predicted: true }),
	"no further text, pooled with the search split": (run) => pooledOf(run, { searched: true, rounds: 0 }),
	"no further text, pooled with both": (run) => pooledOf(run, { searched: true, predicted: true, rounds: 0 }),
	"further text, a half of the search split": (run) => pooledOf(run, { searched: true, trust: 0.5 }),
	"further text, a quarter of the search split": (run) => pooledOf(run, { searched: true, trust: 0.25 }),
	"no further text, a half of the search split": (run) => pooledOf(run, { searched: true, trust: 0.5, rounds: 0 }),
	"no further text, a quarter of the search split": (run) => pooledOf(run, { searched: true, trust: 0.25, rounds: 0 }),
	"8 finalists, two rounds": (run) => raced(run, 8, {}),
	"8 finalists, the best 4 and 2": (run) => raced(run, 8, { most: (round) => 8 >> round }),
	"8 finalists, the best 4 in one round": (run) => raced(run, 8, { most: () => 4, rounds: 1 }),
	"12 finalists, the best 4 in one round": (run) => raced(run, 12, { most: () => 4, rounds: 1 }),
	"16 finalists, the best 4 in one round": (run) => raced(run, 16, { most: () => 4, rounds: 1 }),
	"16 finalists, the best 4 in one round, cut by the race's text alone": (run) =>
		raced(run, 16, { most: () => 4, rounds: 1, cutBy: "text" }),
	"16 finalists, the best 6 in one round": (run) => raced(run, 16, { most: () => 6, rounds: 1 }),
	"16 finalists, the best 4 and 2": (run) => raced(run, 16, { most: (round) => 8 >> round }),
	"16 finalists, two rounds": (run) => raced(run, 16, {}),
	"24 finalists, the best 4 in one round": (run) => raced(run, 24, { most: () => 4, rounds: 1 }),
	"the best of 16 finalists": async ({ most, deal }) => ({ set: lowest(await deal.truth.measure(await most(16))), passes: 0 }),
	"one round of further text (quick)": (run) => pooledOf(run, { rounds: 1 }),
	"one round, pooled with the search split": (run) => pooledOf(run, { searched: true, rounds: 1 }),
	"the best of the finalists": async ({ sets, deal }) => ({ set: lowest(await deal.truth.measure(sets)), passes: 0 }),
};

/**
 * As the program decides between so many finalists of the search and the others.
 * @param cutBy `text`: those that get further text are the best on the race's text, not by all that is known
 */
async function raced({ most: finalists, deal }, count, { cutBy, ...how }) {
	const sets = await finalists(count);
	const searched = new Map((await deal.search.measure(sets)).map((set) => [set.coalition.key, set]));
	const supported = (field) => bySupport(field, { searched: ({ key }) => searched.get(key), ownError: 0 });
	const { fields, passes } = await compared({ sets, deal }, cutBy === "text" ? how : { ...how, supported });
	return { set: supported(fields[0])[0].coalition, passes };
}

async function compared({ sets, deal }, how) {
	const measured = await deal.validation.measure(sets);
	const { fields, parts } = await tellApart([measured], { further: further(deal), rounds: 2, masks: 1000, ...how });
	const passes = (sets.length + parts.flat().length) * deal.counts.validation;
	return { fields, passes };
}

async function pooledOf(run, { searched = false, predicted = false, rounds = 2, trust = 1 }) {
	const { fields, passes } = await compared(run, { rounds });
	const field = fields[0];
	const sets = field.map(({ coalition }) => coalition);
	const texts = [{ losses: field.map(({ losses }) => losses) }];
	if (searched) texts.push({ losses: await lossesOf(run.deal.search, sets), trust });
	const { best } = pool(sets.length, texts, predicted ? expectations(run.found.model, sets) : []);
	return { set: sets[best], passes };
}

const lowest = (measured) => measured.reduce((best, set) => (meanOf(set) < meanOf(best) ? set : best)).coalition;

/** Every lever after one search of one deal. */
export async function replay(game, { size, seed, search, validation, budget, stages }) {
	const counts = { search, validation, further0: validation, further1: validation, further2: validation };
	const deal = { ...(game.dealt ? game.dealt(counts) : dealt(game, counts, seed)), counts };
	const played = counted(deal.search, search, stages);
	const { found } = await auto(played, { kmax: size, counts: [size], budget, seed });
	const searched = played.passes();
	const sets = await finalistsOf(deal.search, found, size);
	const most = (count) => finalistsOf(deal.search, found, size, count);
	const ofSize = ({ players, size: kept }) => players - kept === size;
	// What the true losses lead to is known too: otherwise a search that finds little would seem to lose little.
	if (deal.known) await auto(deal.truth, { kmax: size, counts: [size], budget: TRUE_BUDGET, seed });
	// All of a measured game, and what anything has measured of a made-up one.
	const all = deal.known ? await deal.truth.measure([...deal.known.values()].filter(ofSize)) : deal.truth.all();
	const truth = new Map(all.filter(({ coalition }) => ofSize(coalition)).map((one) => [one.coalition.key, meanLoss(one)]));
	const best = Math.min(...truth.values());
	const runs = [];
	for (const [lever, decide] of Object.entries(levers)) {
		const { set, passes } = await decide({ sets, found, deal, most });
		runs.push({
			lever,
			size,
			seed,
			chosen: set.key,
			loss: truth.get(set.key),
			regret: truth.get(set.key) - best,
			searched,
			compared: passes,
		});
	}
	return runs;
}
