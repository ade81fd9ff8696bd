// The paper's methods (arXiv 2602.07804), on the search split of a session.
import { setImmediate } from "node:timers/promises";
import { surrogateContributions } from "../../game/attribution/paper.js";
import { surrogateOf } from "./auto.js";
import { roundsOf } from "./searches.js";
import { InvalidOptionError } from "../../errors.js";
import { Coalition, distinct } from "../../game/coalition.js";
import { type Game, type Measurement, meanLoss } from "../../game/game.js";
import { Random } from "../../game/random.js";
import { toSamples } from "../../game/sample.js";
import {
	drawStrata,
	drawStrataInSlices,
	FrozenStratumError,
	type StrataPresetName,
	strataSizes,
	UnreachableSizeError,
} from "../../game/strata.js";
import { type PaperRepairedResult, paperRepaired } from "../../game/search/paper-repaired.js";
import { rankAndCut } from "../../game/search/ranked.js";
import { inRounds } from "../../game/search/rounds.js";
import type { SearchOptions } from "../../game/search/search.js";
import type { Session } from "../session/session.js";
import { type Judgement, judgeSurrogate } from "../../game/surrogate/judge.js";
import { fitMlp } from "../../game/surrogate/mlp.js";
import type { Choices, SelectionContext } from "./selection-context.js";

/** Masks of the paper's method: for the surrogate, for its contributions, and extra ones to judge it. */
export const paperMasks = 8000;
const paperAttributionSamples = 80000;
export const judgedMasks = (masks: number) => Math.max(20, Math.min(500, Math.round(masks * 0.2)));
/** Masks of the repaired procedure. */
export const repairedMasks = 1000;

/** The paper's procedure: strata of random masks, a network fitted to them, contributions from the network, one ranking for every size. */
export async function choosePaper(context: SelectionContext): Promise<Choices> {
	const { session, options } = context;
	const drawn = drawnMasks(context);
	const measured = await session.timed("search", () => measureDrawn(context, drawn));
	return session.timed("surrogate", () => choiceOf(context, drawn, measured, options.attributionSamples ?? paperAttributionSamples));
}

/** What the paper's procedure measures. */
interface Drawn {
	/** Numbers of kept blocks that sets are drawn of. */
	readonly sizes: readonly number[];
	readonly random: Random;
	/** That the network is fitted to. */
	readonly masks: readonly Coalition[];
	/** That it is held against. */
	readonly extra: readonly Coalition[];
	/** Whether every critical block is kept is asked of these: the paper's own procedure measures no block alone. */
	readonly singles: readonly Coalition[];
}

/** @throws InvalidOptionError for numbers of masks and strata that are out of range */
function drawnMasks({ session, game, options, judged }: SelectionContext): Drawn {
	const { players } = game;
	const count = options.maxEvaluations ?? paperMasks;
	if (!Number.isInteger(count) || count < 10)
		throw new InvalidOptionError(`max-evaluations must be a whole number of at least 10, got ${count}`);
	for (const size of options.strata ?? []) {
		if (size < 1 || size >= players)
			throw new InvalidOptionError(`strata are numbers of kept blocks from 1 to ${players - 1}, got ${size}`);
	}
	const sizes = options.strata ?? strataSizes(players, options.strataPreset ?? presetOf(session));
	const random = new Random(session.seed);
	const masks = drawnStrata(game, { sizes, count, random: random.fork("masks") });
	const exclude = new Set(masks.map((mask) => mask.key));
	const alone = (block: number) => Coalition.ofRemoved(players, [block]);
	const singles = judged
		? Array.from({ length: players }, (_, block) => alone(block)).filter((set) => game.allows(set) && !game.frozen.has(set.removed()[0]!))
		: [];
	const held = { sizes, count: judged ? judgedMasks(count) : 0, random: random.fork("held out"), distinct: true, exclude };
	return { sizes, random, masks, singles, extra: drawStrata(game, held) };
}

/** The original model first. */
function measureDrawn({ game, options }: SelectionContext, { masks, extra, singles }: Drawn): Promise<Measurement[]> {
	const all = distinct([Coalition.full(game.players), ...masks, ...extra, ...singles]);
	return game.measure(all, { phase: "random candidates", signal: options.signal });
}

/** Fits the network, and cuts the ranking that it gives. @param asked masks that it is asked about */
async function choiceOf(
	{ session, game, search, options }: SelectionContext,
	{ sizes, random, masks, extra, singles }: Drawn,
	measured: readonly Measurement[],
	asked: number,
): Promise<Choices> {
	const byKey = new Map(measured.map((measurement) => [measurement.coalition.key, measurement]));
	const originalLoss = meanLoss(measured[0]!);
	const samplesOf = (list: readonly Coalition[]) => {
		const found = list.map((mask) => byKey.get(mask.key)!);
		return toSamples(found, originalLoss);
	};
	const how = { seed: session.seed, pause: () => setImmediate(), signal: options.signal };
	const onProgress = (done: number) =>
		options.progress?.work({ phase: "learning from the candidates", done: Math.round(100 * done), total: 100, unit: "percent" });
	const surrogate = await fitMlp(samplesOf(masks), { ...how, onProgress, ...(options.epochs ? { epochs: options.epochs } : {}) });
	const sets = await drawStrataInSlices(game, { sizes, count: asked, random: random.fork("contributions") }, how.pause);
	const contributions = await surrogateContributions(surrogate, sets, { ...how, frozen: game.frozen.keys() });
	// No critical blocks: the paper cuts its one ranking, whatever it says.
	const found = await rankAndCut(game, contributions.contributions, { ...search, criticalLoss: Number.POSITIVE_INFINITY });
	const critical = samplesOf(singles).flatMap(({ coalition, addedLoss }) => (addedLoss > Math.LN2 ? coalition.removed() : []));
	const judgement = extra.length >= 2 ? judgeSurrogate(surrogate, samplesOf(extra), { training: samplesOf(masks), critical }) : undefined;
	const all = new Set([...byKey.keys(), ...search.meter.measurements().map(({ coalition }) => coalition.key)]);
	const trained = new Set(masks.map(({ key }) => key)).size;
	return {
		found: { ...found, method: "paper", notes: [...found.notes, ...(judgement ? doubts(judgement) : [])] },
		rivals: [],
		contributions,
		masks: all.size,
		...(judgement ? { surrogate: surrogateOf("mlp", trained, judgement, {}) } : {}),
	};
}

/** What to make of a surrogate that its held-out masks speak against. */
function doubts({ r2, baselines }: Judgement): string[] {
	if (r2 >= baselines.stratumMean.r2) return [];
	return [
		`the surrogate predicts unseen candidates worse (R2 ${r2.toFixed(2)}) than the mean of their size does (${baselines.stratumMean.r2.toFixed(2)}), so its importance figures say little. The paper uses ${paperMasks} candidates: raise --max-evaluations`,
	];
}

/** @throws InvalidOptionError where a rule of the architecture leaves a stratum without masks */
function drawnStrata(...[game, options]: Parameters<typeof drawStrata>): Coalition[] {
	try {
		return drawStrata(game, options);
	} catch (error) {
		if (error instanceof FrozenStratumError)
			throw new InvalidOptionError(`method paper: ${error.message}; take another method, or give --strata that can be reached`);
		if (!(error instanceof UnreachableSizeError)) throw error;
		throw new InvalidOptionError(
			`this architecture's rules allow hardly any of the candidates that method paper draws (${options.sizes.join(", ")} blocks kept): take another method, or give --strata that can be reached`,
		);
	}
}

/** The strata that the paper used for the model's kind. */
function presetOf({ model }: Session): StrataPresetName {
	if (/^(a?rwkv)/.test(model.facts.architecture)) return "rwkv";
	return model.facts.recurrent ? "mamba" : "transformers";
}

/** The paper's procedure without the faults of its code, at once or in rounds. */
export async function choosePaperRepaired({ session, game, search, options }: SelectionContext): Promise<Choices> {
	const { maxEvaluations: masks = repairedMasks } = options;
	const rounds = roundsOf(options, search.kmax);
	const { epochs, strataPreset: preset = presetOf(session) } = options;
	const settings = {
		...{ seed: session.seed, preset, pause: () => setImmediate() },
		...(epochs === undefined ? {} : { epochs }),
	};
	const play = (on: Game, part: SearchOptions, share: number) => paperRepaired(on, { ...part, ...settings, masks: share });
	let first: PaperRepairedResult | undefined;
	const found = await session.timed("search", async () => {
		if (rounds === 1) {
			first = await play(game, search, masks);
			return first.found;
		}
		const { meter, signal, kmax, units } = search;
		return inRounds(game, {
			meter,
			signal,
			kmax,
			...(units ? { units } : {}),
			rounds,
			play: async ({ game: left, kmax: cut, units: leftUnits }) => {
				const result = await play(left, { signal, kmax: cut, units: leftUnits }, Math.floor(masks / rounds));
				first ??= result;
				return result.found;
			},
		});
	});
	const { contributions, judgement, trainCandidates } = first!;
	return {
		found: { ...found, method: "paper-repaired" },
		rivals: [],
		contributions,
		masks: found.measured,
		...(judgement ? { surrogate: surrogateOf("mlp", trainCandidates, judgement, {}) } : {}),
	};
}
