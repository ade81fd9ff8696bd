import { setImmediate } from "node:timers/promises";
import type { Method, PruneOptions } from "./api.js";
import { type Attribution, ranking } from "./attribution/attribution.js";
import { surrogateContributions } from "./attribution/paper.js";
import { autoBudget, chooseAuto, choosePaperRepaired, rankedByContribution, surrogateOf } from "./choose-auto.js";
import { InvalidOptionError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { meanLoss } from "./game/game.js";
import { LossMeter } from "./game/loss-meter.js";
import { Random } from "./game/random.js";
import { toSamples } from "./game/sample.js";
import { drawStrata, type StrataPresetName, strataSizes } from "./game/strata.js";
import { lazyGreedy } from "./search/greedy.js";
import { leaveOneOut, rankAndCut } from "./search/ranked.js";
import type { SearchOptions, SearchResult } from "./search/search.js";
import type { Choice } from "./race.js";
import type { Session } from "./session.js";
import type { PlanSurrogate } from "./storage/plan.js";
import { type Judgement, judge } from "./surrogate/judge.js";
import { fitMlp } from "./surrogate/mlp.js";

/** Masks of the paper's method (arXiv 2602.07804): for the surrogate, for its contributions, and extra ones to judge it. */
export const paperMasks = 8000;
export const paperAttributionMasks = 80000;
const judgedMasks = (masks: number) => Math.max(20, Math.min(500, Math.round(masks * 0.2)));

/** What a method found. */
export interface Choices {
	/** The method's own sets, one a number of removed blocks. */
	found: SearchResult;
	/** Further sets that the validation fold decides between. */
	rivals: Choice[];
	contributions: Attribution;
	surrogate?: PlanSurrogate;
	/** Distinct masks measured. */
	masks: number;
}

/** Masks that a method will measure at most, for estimates. */
export function plannedMasks(method: Method, blocks: number, kmax: number, options: PruneOptions): number {
	const { masks } = options;
	if (method === "auto") return autoBudget(blocks, options);
	if (method === "paper-repaired") return (masks ?? 1000) + kmax + 1;
	if (method === "paper") {
		const count = masks ?? paperMasks;
		return count + judgedMasks(count) + kmax + 1;
	}
	return method === "leave-one-out" ? blocks + 1 + kmax : blocks + 1 + 9 * kmax;
}

/** Runs a method on the search fold: sets for every number of removed blocks up to `kmax`, and contributions. */
export async function choose(session: Session, method: Method, kmax: number, options: PruneOptions): Promise<Choices> {
	const game = session.games.search;
	const units = session.model.blocks.units;
	const meter = new LossMeter(game, { signal: options.signal });
	const search: SearchOptions = { kmax, meter, signal: options.signal, ...(units ? { units } : {}) };
	if (method === "auto")
		return chooseAuto(session, search, options.removeBlocks === undefined && options.removeFraction === undefined, options);
	if (method === "paper-repaired") return choosePaperRepaired(session, search, options);
	if (method === "paper") return paper(session, search, options);
	const found = await session.timed("search", () => (method === "leave-one-out" ? leaveOneOut(game, search) : lazyGreedy(game, search)));
	const contributions = await session.singleRemovals(found.fullLoss, options.signal);
	const rivals =
		method === "leave-one-out" ? [] : rankedByContribution(session, found, ranking(contributions.contributions), "leave-one-out");
	return { found: { ...found, method }, rivals, contributions, masks: found.measured };
}

/** The paper's procedure: strata of random masks, a network fitted to them, contributions from the network, one ranking for every size. */
async function paper(session: Session, search: SearchOptions, options: PruneOptions): Promise<Choices> {
	const game = session.games.search;
	const { players } = game;
	const count = options.masks ?? paperMasks;
	if (!Number.isInteger(count) || count < 10) throw new InvalidOptionError(`masks must be a whole number of at least 10, got ${count}`);
	for (const size of options.strata ?? []) {
		if (size < 1 || size >= players)
			throw new InvalidOptionError(`strata are numbers of kept blocks from 1 to ${players - 1}, got ${size}`);
	}
	const sizes = options.strata ?? strataSizes(players, presetOf(session));
	const random = new Random(session.seed);
	const pause = () => setImmediate();

	const masks = drawStrata(game, { sizes, count, random: random.fork("masks") });
	const training = new Set(masks.map((mask) => mask.key));
	const extra = drawStrata(game, { sizes, count: judgedMasks(count), random: random.fork("held out"), distinct: true, exclude: training });
	const measured = await session.timed("search", () =>
		game.measure([...new Map([Coalition.full(players), ...masks, ...extra].map((mask) => [mask.key, mask])).values()], {
			phase: "random masks",
			signal: options.signal,
		}),
	);
	const byKey = new Map(measured.map((measurement) => [measurement.coalition.key, measurement]));
	const fullLoss = meanLoss(measured[0]!);
	const samplesOf = (list: readonly Coalition[]) =>
		toSamples(
			list.map((mask) => byKey.get(mask.key)!),
			fullLoss,
		);

	return session.timed("surrogate", async () => {
		const surrogate = await fitMlp(samplesOf(masks), {
			seed: session.seed,
			pause,
			signal: options.signal,
			...(options.epochs ? { epochs: options.epochs } : {}),
		});
		const asked = drawStrata(game, {
			sizes,
			count: options.attributionMasks ?? paperAttributionMasks,
			random: random.fork("contributions"),
		});
		const contributions = await surrogateContributions(surrogate, asked, {
			seed: session.seed,
			frozen: game.frozen.keys(),
			pause,
			signal: options.signal,
		});
		// No critical blocks: the paper cuts its one ranking, whatever it says.
		const found = await rankAndCut(game, contributions.contributions, { ...search, criticalLoss: Number.POSITIVE_INFINITY });
		const judgement = extra.length >= 2 ? judge(surrogate, samplesOf(extra), { training: samplesOf(masks) }) : undefined;
		const notes = judgement ? doubts(judgement) : [];
		return {
			found: { ...found, method: "paper", notes: [...found.notes, ...notes] },
			rivals: [],
			contributions,
			masks: byKey.size + found.measured,
			...(judgement ? { surrogate: surrogateOf("mlp", training.size, judgement, {}) } : {}),
		};
	});
}

/** What to make of a surrogate that its held-out masks speak against. */
function doubts({ r2, baselines }: Judgement): string[] {
	if (r2 >= baselines.stratumMean.r2) return [];
	return [
		`the surrogate predicts unseen masks worse (R2 ${r2.toFixed(2)}) than the mean of their stratum does (${baselines.stratumMean.r2.toFixed(2)}): its contributions say little. The paper fits it to ${paperMasks} masks; give more --masks`,
	];
}

/** The strata that the paper used for the model's kind. */
function presetOf({ model }: Session): StrataPresetName {
	if (/^(a?rwkv)/.test(model.facts.architecture)) return "rwkv";
	return model.facts.recurrent ? "mamba" : "transformers";
}

/**
 * Options that the method does not read are a mistake, not a wish.
 * @throws InvalidOptionError
 */
export function checkMethodOptions(method: Method, options: PruneOptions): void {
	if (options.remove && options.method !== undefined) {
		throw new InvalidOptionError("--method chooses which blocks to remove; with --remove they are given: leave one of them out");
	}
	const read: Readonly<Partial<Record<Method, readonly MethodOption[]>>> = {
		auto: ["masks", "effort", "maxTime", "maxTokens"],
		paper: ["masks", "strata", "epochs", "attributionMasks"],
		"paper-repaired": ["masks", "epochs"],
	};
	const unread = methodOptions.filter((name) => options[name] !== undefined && !read[method]?.includes(name));
	if (unread.length === 0) return;
	const names = unread.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
	const readers = (Object.keys(read) as Method[]).filter((other) => unread.every((name) => read[other]?.includes(name)));
	throw new InvalidOptionError(
		`${names.join(", ")} ${unread.length > 1 ? "belong" : "belongs"} to ${readers.map((other) => `--method ${other}`).join(" or ") || "other methods"}; ${method} does not read ${unread.length > 1 ? "them" : "it"}`,
	);
}

const methodOptions = ["masks", "strata", "epochs", "attributionMasks", "effort", "maxTime", "maxTokens"] as const;
type MethodOption = (typeof methodOptions)[number];
