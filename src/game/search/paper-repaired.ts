import type { Attribution } from "../attribution/attribution.js";
import { surrogateWindowContributions } from "../attribution/surrogate-window.js";
import { Coalition } from "../coalition.js";
import { windowDesign } from "../designs.js";
import type { Game } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { Random } from "../random.js";
import { strataSizes, type StrataPresetName } from "../strata.js";
import { rankAndCut } from "./ranked.js";
import type { SearchOptions, SearchResult } from "./search.js";
import { onlyBlocks, Search } from "./search.js";
import { type Judgement, judgeSurrogate, splitHeldOut } from "../surrogate/judge.js";
import { fitMlp } from "../surrogate/mlp.js";

// The paper's procedure (arXiv 2602.07804) with the faults of its published code repaired. Pure: a game in, sets and figures out.

export interface PaperRepairedOptions extends SearchOptions {
	readonly seed: number | string;
	/** Distinct coalitions to measure, single removals and held-out ones among them; the sets of its own ranking are additional. @default 1000 */
	readonly masks?: number;
	/** Share of the random coalitions held out from training. @default 0.15 */
	readonly heldOut?: number;
	/** Deepest coalitions: the preset's smallest number of kept blocks, but at least as deep as `kmax`. @default "transformers" */
	readonly preset?: StrataPresetName;
	/** Passes over the coalitions. With fewer than 8,000 the batches shrink (to at least 4), so that the network takes as many steps. @default 300 */
	readonly epochs?: number;
	readonly pause?: (() => Promise<void>) | undefined;
}

export interface PaperRepairedResult {
	readonly found: SearchResult;
	readonly contributions: Attribution;
	/** On the held-out coalitions; undefined if there are too few. */
	readonly judgement: Judgement | undefined;
	readonly trainCandidates: number;
	/** Distinct coalitions measured. */
	readonly masks: number;
}

/** Steps per epoch of the paper's own training: 8,000 coalitions in batches of 300. */
const PAPER_STEPS = 27;

/** Coalitions per batch with which a network takes as many steps per epoch, as far as batches of 4 allow. @internal */
export function batchFor(masks: number): number {
	return Math.min(300, Math.max(4, Math.ceil(masks / PAPER_STEPS)));
}

/**
 * Repaired against the published code: coalitions are distinct and seeded, none is dropped, a broken model has a value of 0, and some are
 * held out. Critical blocks, which single removals show, stay in every coalition. Training covers all sizes from full to the deepest, so
 * that the contributions only use sizes that the network saw. These are exact sums over sizes that can be listed, and batched samples for
 * others. The paper's network, its loss and its one ranking for every size are kept.
 * @throws RangeError for an option out of range
 */
export async function paperRepaired(game: Game, options: PaperRepairedOptions): Promise<PaperRepairedResult> {
	const { masks = 1000, heldOut = 0.15, seed, preset = "transformers", epochs = 300 } = options;
	if (!Number.isInteger(masks) || masks < game.players + 20)
		throw new RangeError(
			`the evaluations must be an integer of at least ${game.players + 20} (single removals and some to learn from), got ${masks}`,
		);
	const random = new Random(seed);
	const meter = options.meter ?? new LossMeter(game, options);
	const before = meter.measured;
	const survey = await Search.start(game, "paper-repaired", { ...onlyBlocks("paper-repaired", options), meter });
	const keep = survey.frozenBlocks();
	const movable = game.players - keep.length;
	const deepest = Math.min(movable, Math.max(options.kmax, game.players - (strataSizes(game.players, preset).at(-1) ?? game.players)));
	// Those that had to be set free: frozen ones are in every held-out coalition, and distinguish none of them.
	const critical = survey.critical().flatMap(({ blocks, frozen }) => (frozen ? [] : blocks));
	const singles = survey.singlesAsSets();
	const drawn = windowDesign(game, {
		kmin: Math.min(2, deepest),
		kmax: deepest,
		count: Math.max(0, masks - (meter.measured - before)),
		random: random.fork("masks"),
		keep,
		exclude: new Set(singles.map((set) => set.key)),
		...(options.units ? { units: options.units } : {}),
	});
	await meter.addedLosses(drawn, "random candidates");
	const samples = await meter.samples();
	const random_ = new Set(drawn.map((set) => set.key));
	const split = splitHeldOut(
		samples.filter((sample) => random_.has(sample.coalition.key)),
		heldOut,
		seed,
	);
	const own = new Set([Coalition.full(game.players).key, ...singles.map((set) => set.key)]);
	const training = [...samples.filter((sample) => own.has(sample.coalition.key)), ...split.training];
	const surrogate = await fitMlp(training, {
		seed,
		epochs,
		batch: batchFor(training.length),
		pause: options.pause,
		signal: options.signal,
	});
	const contributions = await surrogateWindowContributions(surrogate, {
		kmax: deepest,
		seed,
		count: Math.max(4000, deepest),
		frozen: keep,
		pause: options.pause,
		signal: options.signal,
	});
	const found = await rankAndCut(game, contributions.contributions, { ...options, meter });
	return {
		found: { ...found, method: "paper-repaired", measured: meter.measured - before },
		contributions: { ...contributions, estimator: "paper-repaired" },
		judgement: split.heldOut.length >= 2 ? judgeSurrogate(surrogate, split.heldOut, { training, critical }) : undefined,
		trainCandidates: training.length,
		masks: meter.measured - before,
	};
}
