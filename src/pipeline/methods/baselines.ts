// Published selectors that look at no coalition, and random sets, on the search split of a session.
import type { Method } from "../../api/index.js";
import type { Attribution } from "../../game/attribution/attribution.js";
import { bestRuns } from "../../model/baselines/angular.js";
import { blockInfluence } from "../../model/baselines/block-influence.js";
import { cutLowest } from "../../model/baselines/cut.js";
import { firstScores, lastScores } from "../../model/baselines/edges.js";
import { magnitudes } from "../../model/baselines/magnitude.js";
import { randomSets } from "../../model/baselines/random.js";
import { EvaluationError, InvalidOptionError } from "../../errors.js";
import type { Coalition } from "../../game/coalition.js";
import { Random } from "../../game/random.js";
import { makeWindows } from "../../model/runtime/windows.js";
import type { FoundSet, SearchResult } from "../../game/search/search.js";
import type { Choices, SelectionContext } from "./selection-context.js";
import { searchBudget } from "./budget.js";

/** ShortGPT's block influence, or the norm of the weights: the lowest blocks are cut. */
export async function chooseScored(play: SelectionContext): Promise<Choices> {
	const { session, game, search, options } = play;
	const influence = methodOf(play) === "block-influence";
	const scores = await session.timed("search", async () =>
		influence ? blockInfluence((await similaritiesOf(play)).cosine) : magnitudes(session.model, options),
	);
	const found = await measured(play, cutLowest(game, scores, search));
	const contributions: Attribution = {
		estimator: methodOf(play),
		contributions: scores.map((score, block) => (game.frozen.has(block) ? Number.NaN : score)),
		scale: "score",
		masks: 0,
		settings: {},
	};
	return { found, rivals: [], contributions, masks: found.measured, passes: influence ? 1 : 0 };
}

/** How hidden states turn on the search split; of several sources the weighted mean. @throws InvalidOptionError where llama.cpp's graph gives none */
async function similaritiesOf(play: SelectionContext): Promise<{ cosine: Float64Array; angular: Float64Array }> {
	const { session, options } = play;
	const { evaluator, calibration } = session;
	const { tokens, length } = calibration.splits.search;
	const total = calibration.sources.reduce((sum, { weight }) => sum + weight, 0);
	let mean: { cosine: Float64Array; angular: Float64Array } | undefined;
	let at = 0;
	for (const { weight, counts } of calibration.sources) {
		const windows = makeWindows(tokens.subarray(at * length, (at + counts.search) * length), length);
		at += counts.search;
		const found = await evaluator.similarities(windows, { signal: options.signal }).catch((cause: unknown) => {
			if (!(cause instanceof EvaluationError) || !/no hidden state/.test(cause.message)) throw cause;
			throw new InvalidOptionError(`method ${methodOf(play)} needs the hidden state after each block: ${cause.message}`, { cause });
		});
		const share = weight / total;
		mean ??= { cosine: new Float64Array(found.cosine.length), angular: new Float64Array(found.angular.length) };
		for (const i of mean.cosine.keys()) {
			mean.cosine[i]! += share * found.cosine[i]!;
			mean.angular[i]! += share * found.angular[i]!;
		}
	}
	return mean!;
}

/** The run of each length across which the hidden state turns least. */
export async function chooseAngular(play: SelectionContext): Promise<Choices> {
	const { session, game, search } = play;
	const { angular } = await session.timed("search", () => similaritiesOf(play));
	const found = await measured(play, bestRuns(game, angular, search.kmax));
	return { found, rivals: [], masks: found.measured, passes: 1 };
}

/** The first or the last blocks. */
export async function chooseEdge(play: SelectionContext): Promise<Choices> {
	const { game, search } = play;
	const scores = (methodOf(play) === "first" ? firstScores : lastScores)(game.players);
	const found = await measured(play, cutLowest(game, scores, search));
	return { found, rivals: [], masks: found.measured };
}

/** The best of random sets of each size. */
export async function chooseRandom(play: SelectionContext): Promise<Choices> {
	const { session, game, search, counts, options } = play;
	const { units } = search;
	const sets = randomSets(game, {
		counts,
		// The original model is measured too.
		masks: searchBudget(game.players, search.kmax, options, session.tokens.search) - 1,
		random: new Random(session.seed).fork("random sets"),
		granularity: options.granularity === "half-block" ? "half-block" : "block",
		...(units ? { units } : {}),
	});
	const found = await measured(play, sets);
	if (options.granularity !== "half-block") return { found, rivals: [], masks: found.measured };
	const whole = await measured(
		play,
		sets.filter((set) => set.whole),
	);
	const rivals = [...whole.byCount.values()].map(({ removed }) => ({ removed, method: `${whole.method} of whole blocks` }));
	return { found, rivals, masks: found.measured };
}

/** Measures sets; of each size asked for the best one is the answer. */
async function measured(play: SelectionContext, sets: readonly Coalition[]): Promise<SearchResult> {
	const { session, search, counts } = play;
	const { meter } = search;
	const asked = sets.filter((set) => counts.includes(set.removals));
	const added = await session.timed("search", () => meter.addedLosses(asked, methodOf(play)));
	const originalLoss = await meter.originalLoss();
	const best = new Map<number, FoundSet>();
	for (const [i, set] of asked.entries()) {
		const removed = set.removed();
		const addedLoss = added[i]!;
		const known = best.get(removed.length);
		if (!known || addedLoss < known.addedLoss) best.set(removed.length, { removed, addedLoss, loss: originalLoss + addedLoss });
	}
	const missing = counts.filter((count) => !best.has(count));
	return {
		method: methodOf(play),
		originalLoss,
		byCount: new Map([...best].sort(([a], [b]) => a - b)),
		trace: [],
		measured: meter.measured,
		critical: [],
		notes:
			missing.length > 0 ? [`no set of ${missing.join(", ")} blocks: the model's rules allow none that ${methodOf(play)} reaches`] : [],
	};
}

const methodOf = ({ options }: SelectionContext): Method => options.method!;
