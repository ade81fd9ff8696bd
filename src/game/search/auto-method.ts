import { type CutVerdict, cutVerdicts } from "../attribution/cut.js";
import { type PairInteraction, pairInteractions } from "../attribution/interactions.js";
import { type PosteriorAttribution, posteriorContributions } from "../attribution/posterior.js";
import { type ShiftedContribution, shiftedContributions } from "../attribution/shifted-window.js";
import type { Game } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { joinedUnits, mostMoves, movesOf } from "../moves.js";
import type { Granularity } from "../pairs.js";
import { type AutoEvidence, type AutoSearchOptions, type AutoSearchResult, autoSearch, type SearchModel } from "./auto.js";
import { type HalfBlockResult, halfBlockSearch } from "./half-blocks.js";
import { nearRivals } from "./rivals.js";
import { coverage90, crossJudge, FEWEST_JUDGED, type Judgement } from "../surrogate/judge.js";
import { fitMixedGp, MixedGp } from "../surrogate/mixed-gp.js";
import { spearman } from "../surrogate/statistics.js";
import { linkOfLoss } from "../surrogate/surrogate.js";

// The automatic method as a whole: the search, its surrogate, and the report on both. Pure: a game in, a report out.

export interface AutoOptions extends Omit<AutoSearchOptions, "fit" | "trust"> {
	/**
	 * Ends the search of half-block cuts, which comes after that of whole blocks, and bounds its batches. Its evaluations are part of the
	 * budget: a half, and at most as many as whole blocks took. @default as `stop` and `fits`
	 */
	readonly halves?: Pick<AutoSearchOptions, "stop" | "fits">;
	/** With half-block cuts: also says what each shifted pair contributes. @default false */
	readonly shiftedContributions?: boolean;
}

/** How good the surrogate is, on coalitions that it had not seen when it predicted them. */
export interface SurrogateReport {
	/** Family: `mixed-gp`. */
	readonly name: string;
	/** Coalitions that the final fit used. */
	readonly trainCandidates: number;
	/** Settings of the final fit. */
	readonly settings: Readonly<Record<string, number | string>>;
	/** On random coalitions of all sizes, each held out once; undefined if too few were drawn. */
	readonly random: Judgement | undefined;
	/**
	 * On the sets that a choice depends on, each held out once. These are random exchanges in the best sets of each size. If the budget allows
	 * only a few, these are the sets that greedy's steps compared, and else random sets.
	 */
	readonly decisions: Judgement | undefined;
	/** On the sets that the surrogate proposed, predicted before they were measured. */
	readonly forecasts: { readonly masks: number; readonly spearman: number; readonly coverage90: number } | undefined;
	/** False if it ranked the decisions too badly and exact exchanges were made instead; undefined if the search ended before that test. */
	readonly trusted: boolean | undefined;
}

export interface AutoResult {
	/** Sets for every size, as in every search. */
	readonly found: AutoSearchResult;
	/**
	 * Window semivalues over 1..kmax removed blocks with critical blocks kept, in units of v, with standard errors. Undefined if the search was
	 * stopped before it could fit anything.
	 */
	readonly contributions: PosteriorAttribution | undefined;
	/** For each size to answer, where each block that may be removed stands when the size is cut by contribution. */
	readonly verdicts: ReadonlyMap<number, readonly CutVerdict[]>;
	/** Pairs of blocks, the most redundant ones first. */
	readonly interactions: readonly PairInteraction[];
	readonly surrogate: SurrogateReport | undefined;
	/** With half-block cuts: the best sets that have some. The surrogate above, and what is read off it, knows whole blocks only. */
	readonly halfBlocks?: HalfBlockResult | undefined;
	/**
	 * What each shifted pair contributes, by a surrogate over parts: window semivalues as above, but over sets with half-block cuts. Pairs with
	 * a part of a block that stays have none.
	 */
	readonly shifted?: readonly ShiftedContribution[] | undefined;
}

/** Rank correlation on the decisions below which the surrogate's proposals are not used. */
const TRUSTED_SPEARMAN = 0.5;

/**
 * Searches sets of every size, learns the game meanwhile, and reports both. Stopping early (`stop`) leaves the best sets so far.
 * @throws RangeError for an option out of range; whatever the game throws
 */
export async function auto(game: Game, options: AutoOptions): Promise<AutoResult> {
	if (options.granularity !== "half-block") return autoOfBlocks(game, options);
	const { budget = 800, kmax } = options;
	const meter = options.meter ?? new LossMeter(game, options);
	const blocks = await autoOfBlocks(game, { ...options, meter, budget: blocksBudget(budget, game.players, kmax) });
	const { found } = blocks;
	const { learn } = learners(options, "half-block");
	const counts = options.counts ?? [...found.byCount.keys()];
	const starts = counts.flatMap((count) => {
		const set = found.byCount.get(count);
		return set ? [set.removed] : [];
	});
	const halfBlocks = await halfBlockSearch(game, {
		...options,
		...options.halves,
		...(found.trusted === false ? {} : { fit: learn }),
		onBatch: (measured) => options.onBatch?.({ phase: "half-block cuts", measured: found.measured + measured, byCount: found.byCount }),
		meter,
		counts,
		starts: [...starts, ...nearRivals(game, found, counts).map(({ removed }) => removed)],
		budget: Math.max(0, Math.min(budget - found.measured, Math.ceil((1 / WHOLE_SHARE - 1) * found.measured))),
	});
	const shifted = options.shiftedContributions && found.model ? await shiftedOf(game, found, meter, options) : undefined;
	return { ...blocks, halfBlocks, ...(shifted ? { shifted } : {}) };
}

async function shiftedOf(game: Game, found: AutoSearchResult, meter: LossMeter, options: AutoOptions): Promise<ShiftedContribution[]> {
	const { pause, signal, seed } = options;
	const critical = found.critical.filter((block) => block.frozen).flatMap((block) => block.blocks);
	const tied = movesOf(game, options.units).filter((move) => move.length > 1);
	const keep = new Set([...game.frozen.keys(), ...critical, ...tied.flat()]);
	const model = await fitMixedGp(await meter.samples(), { granularity: "half-block", pause, signal });
	const kmax = Math.max(1, Math.min(options.kmax, game.players - keep.size));
	return shiftedContributions(model, { kmax, seed, keep, pause, signal });
}

/** Evaluations that an effort gives to half-block cuts, as a share of those without them. */
export const HALF_SHARE = 0.25;
/**
 * What whole blocks get of the evaluations, and of the time. On made-up games 0.5 and 0.65 find sets that are as good, and 0.8 worse ones; on a small
 * model 0.65 missed a half-block cut that 0.5 had found, and found no better whole blocks (docs/research/measured-games.md).
 */
export const WHOLE_SHARE = 0.5;

/** What whole blocks get of a budget for both: at least the single removals and a set of each size. */
function blocksBudget(budget: number, players: number, kmax: number): number {
	return Math.max(Math.ceil(WHOLE_SHARE * budget), Math.min(budget, players + 1 + kmax));
}

/** The method on whole blocks. */
async function autoOfBlocks(game: Game, options: AutoOptions): Promise<AutoResult> {
	const { learn, afresh } = learners(options);
	const found = await autoSearch(game, {
		...options,
		granularity: "block",
		fit: learn,
		trust: async (evidence) => {
			const judgement = await crossJudge(evidence.samples, decisionsOf(evidence), afresh, { seed: options.seed });
			const rank = judgement?.within.spearman ?? Number.NaN;
			// Too few decisions to judge by do not mean distrust: the proposals are measured in any case.
			return !(rank < TRUSTED_SPEARMAN);
		},
	});
	const { model } = found;
	if (!model) return { found, contributions: undefined, verdicts: new Map(), interactions: [], surrogate: undefined };
	const learned = await readOff(game, model, found, options);
	return { found, ...learned, surrogate: await report(found, model as MixedGp, afresh, options) };
}

/** Ways to fit the surrogate, for the search and for judging it. */
function learners({ pause, signal }: AutoOptions, granularity: Granularity = "block") {
	/** Coalitions in the fit that last chose its setting: a few more do not change it. */
	let settled = 0;
	const learn = (samples: AutoEvidence["samples"], previous: SearchModel | undefined) => {
		const start = previous instanceof MixedGp ? { start: previous.setting } : {};
		const rounds = previous && samples.length < 1.25 * settled ? { rounds: 0 } : {};
		if (rounds.rounds === undefined) settled = samples.length;
		return fitMixedGp(samples, { pause, signal, granularity, ...start, ...rounds });
	};
	/** Chosen again, so that no held-out coalition influences the setting. */
	const afresh = (samples: AutoEvidence["samples"]) => fitMixedGp(samples, { pause, signal, granularity, rounds: 1 });
	return { learn, afresh };
}

/** What the surrogate says about blocks and pairs of blocks. */
async function readOff(
	game: Game,
	model: SearchModel,
	found: AutoSearchResult,
	options: AutoOptions,
): Promise<Pick<AutoResult, "contributions" | "verdicts" | "interactions">> {
	const critical = found.critical.filter((block) => block.frozen).flatMap((block) => block.blocks);
	const keep = [...critical, ...game.frozen.keys()];
	const units = joinedUnits(options.units ?? []);
	const moves = movesOf(game, units).filter((move) => !move.some((block) => critical.includes(block)));
	const common = {
		kmax: Math.max(1, mostMoves(moves, options.kmax)),
		units,
		seed: options.seed,
		keep: critical,
		frozen: [...game.frozen.keys()],
		pause: options.pause,
		signal: options.signal,
	};
	// Large games have fewer backgrounds, so that the report stays a matter of seconds.
	const effort = Math.min(1, 32 / game.players);
	const contributions = await posteriorContributions(model, {
		...common,
		count: Math.round(600 * effort) + 100,
		draws: Math.round(30 * effort) + 10,
	});
	const interactions = await pairInteractions(model, {
		...common,
		count: Math.max(12, Math.round(60 * effort ** 2)),
		draws: Math.max(4, Math.round(8 * effort ** 2)),
	});
	const movable = moves.flat().length;
	const counts = (options.counts ?? [...found.byCount.keys()]).filter((count) => count <= movable);
	const verdicts = new Map<number, CutVerdict[]>();
	for (const count of counts) {
		verdicts.set(count, cutVerdicts(contributions, count, { keep, units, seed: options.seed }));
		await options.pause?.();
	}
	return { contributions, verdicts, interactions };
}

async function report(
	found: AutoSearchResult,
	model: MixedGp,
	learn: (samples: AutoEvidence["samples"]) => Promise<MixedGp>,
	options: AutoOptions,
): Promise<SurrogateReport> {
	const { samples, explored } = found.evidence;
	// Only those that a size could not be reached without: frozen ones are in every coalition, so keeping them says nothing.
	const critical = found.critical.filter((block) => !block.frozen).flatMap((block) => block.blocks);
	const judged = (keys: ReadonlySet<string>) => crossJudge(samples, keys, learn, { seed: options.seed, critical });
	return {
		name: model.kind,
		trainCandidates: model.fit.masks,
		settings: model.fit.settings,
		random: await judged(explored),
		decisions: await judged(decisionsOf(found.evidence)),
		forecasts: forecastsOf(found),
		trusted: found.trusted,
	};
}

/**
 * Coalitions that no surrogate chose, near the best sets if there are enough. At the usual effort greedy leaves budget for only a few random
 * exchanges; the sets that it compared were measured in any case.
 */
function decisionsOf({ exchanges, steps, explored }: AutoEvidence): ReadonlySet<string> {
	const keys = new Set(exchanges);
	for (const further of [steps, explored]) if (keys.size < FEWEST_JUDGED) for (const key of further) keys.add(key);
	return keys;
}

function forecastsOf({ forecasts }: AutoSearchResult): SurrogateReport["forecasts"] {
	if (forecasts.length < 5) return undefined;
	const truth = forecasts.map(({ addedLoss }) => linkOfLoss(addedLoss));
	return {
		masks: forecasts.length,
		spearman: spearman(
			truth,
			forecasts.map(({ mean }) => mean),
		),
		coverage90: coverage90(forecasts.map(({ mean, sd }, i) => ((truth[i] as number) - mean) / Math.max(1e-12, sd))),
	};
}
