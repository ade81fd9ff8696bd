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
import { Search } from "./search.js";
import { type Judgement, judgeSurrogate, splitHeldOut } from "../surrogate/judge.js";
import { fitMlp } from "../surrogate/mlp.js";

// The paper's procedure (arXiv 2602.07804) with the faults of its published code repaired. Pure: a game in, sets and figures out.

export interface PaperRepairedOptions extends SearchOptions {
	readonly seed: number | string;
	/** Distinct masks to measure, single removals and held-out masks among them; those of its own ranking come on top. @default 1000 */
	readonly masks?: number;
	/** Share of the random masks held out from training. @default 0.15 */
	readonly heldOut?: number;
	/** How deep masks go: the preset's smallest number of kept blocks, but at least as deep as `kmax`. @default "transformers" */
	readonly preset?: StrataPresetName;
	/** Passes over the masks. With fewer than 8,000 the batches are smaller (4 at least), so that the network takes as many steps while they can be. @default 300 */
	readonly epochs?: number;
	readonly pause?: (() => Promise<void>) | undefined;
}

export interface PaperRepairedResult {
	readonly found: SearchResult;
	readonly contributions: Attribution;
	/** On the held-out masks; undefined where there are too few. */
	readonly judgement: Judgement | undefined;
	readonly trainCandidates: number;
	/** Distinct masks measured. */
	readonly masks: number;
}

/** Steps of the paper's own training an epoch: 8,000 masks in batches of 300. */
const PAPER_STEPS = 27;

/** Masks in a batch with which a network takes as many steps an epoch, as far as batches of 4 allow. @internal */
export function batchFor(masks: number): number {
	return Math.min(300, Math.max(4, Math.ceil(masks / PAPER_STEPS)));
}

/**
 * Repaired against the published code: masks are distinct and seeded; none is dropped and a broken model is a value of 0; some are held
 * out; critical blocks, found by single removals, stay in every mask; all sizes from full to the deepest are trained on, so that the
 * contributions ask about sizes the network saw; these are exact sums over sizes where they can be listed and batched samples elsewhere.
 * Its network, its loss and its one ranking for every size are kept.
 * @throws RangeError for an option out of range
 */
export async function paperRepaired(game: Game, options: PaperRepairedOptions): Promise<PaperRepairedResult> {
	const { masks = 1000, heldOut = 0.15, seed, preset = "transformers", epochs = 300 } = options;
	if (!Number.isInteger(masks) || masks < game.players + 20)
		throw new RangeError(
			`masks must be an integer of at least ${game.players + 20} (single removals and some to learn from), got ${masks}`,
		);
	const random = new Random(seed);
	const meter = options.meter ?? new LossMeter(game, options);
	const before = meter.measured;
	const survey = await Search.start(game, "paper-repaired", { ...options, meter });
	const keep = survey.frozenBlocks();
	const movable = game.players - keep.length;
	const deepest = Math.min(movable, Math.max(options.kmax, game.players - (strataSizes(game.players, preset).at(-1) ?? game.players)));
	// Those that had to be set free: frozen ones are in every held-out mask, and tell none from another.
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
	await meter.addedLosses(drawn, "random masks");
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
