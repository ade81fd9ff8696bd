import type { RankMethod, RankOptions, RankResult } from "../api/index.js";
import type { MethodSettings, Settings } from "../api/options/settings.js";
import type { Attribution } from "../game/attribution/attribution.js";
import { cutVerdicts } from "../game/attribution/cut.js";
import { type AttentionsSearched, reasonedBlocks } from "../pipeline/methods/critical.js";
import { checkBudget, choose, plannedMasks } from "../pipeline/methods/registry.js";
import { InvalidOptionError } from "../errors.js";
import { attentionGame } from "../game/attention-game.js";
import type { PairInteraction } from "../game/attribution/interactions.js";
import { joinedUnits } from "../game/moves.js";
import { checkAsRead } from "../model/gguf/index.js";
import type { RankedPart } from "../api/rank.js";
import type { BlockPlan } from "../model/architectures/index.js";
import { windowsSeeContext, withContext } from "../pipeline/preflight/context.js";
import { toldSeen } from "../pipeline/pruning/attention-amount.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { type Header, readModelHeader } from "../pipeline/preflight/model-header.js";
import { logger } from "../api/logger.js";
import { importanceRows } from "../pipeline/planning/plan.js";
import { checkRacing } from "../pipeline/preflight/racing.js";
import {
	checkMethodOptions,
	granularityOf,
	removableAttentions,
	usualAttentions,
	withGranularity,
} from "../pipeline/preflight/method-options.js";
import { factsOf, isEstimator, type MethodOption, methodOptions, rankingMethods, rankMethods } from "../api/methods.js";
import { estimate, estimatorMasks } from "../pipeline/methods/estimators.js";
import { aboutAttention, formatBlocks, removedText } from "../notation.js";
import type { CriticalBlock } from "../game/search/search.js";
import { usefulMasks } from "../pipeline/pruning/estimate.js";
import { Session, summarize } from "../pipeline/session/session.js";
import { type RankJob, resolveRank } from "../pipeline/preflight/job.js";

/**
 * Contributions of a model's blocks: what their removal alone adds to the loss, or what a surrogate or an estimator says; with the blocks
 * that are surely among the least needed, surely not, or undecided, and what a surrogate says of pairs.
 * @throws InvalidOptionError, and the errors of loading and measuring
 */
export async function rankBlocks(model: string, given: RankOptions = {}): Promise<RankResult> {
	const started = Date.now();
	checkCall("rank", { model }, given);
	const resolved = resolveRank(given);
	const { method } = resolved;
	if (!rankMethods.includes(method))
		throw new InvalidOptionError(`${method} chooses blocks but gives no importance; rank with one of ${rankMethods.join(", ")}`);
	checkOptions(method, resolved.asked);
	checkRacing(resolved);
	resolved.progress?.plan(["Preparing text", "Measuring blocks"]);
	const header = await readModelHeader(model, resolved);
	const { blocks } = header;
	const options = await withContext(withGranularity(resolved, blocks), header);
	const seesContext = windowsSeeContext(resolved);
	const unwritable = blocks.unwritable();
	if (unwritable)
		logger(options)("warning", `${model}: this can be measured, but no file without any of its blocks can be written: ${unwritable}`);
	const kmax = windowOf(blocks, options);
	const { removeBlocks, method: _, ...measure } = options;
	const seen = toldSeen(header, options)?.seen;
	const masks = isEstimator(method)
		? estimatorMasks(blocks.blocks, kmax, options)
		: plannedMasks({ method, blocks: blocks.blocks, kmax: searchedTo(method, kmax) }, measure);
	const session = await Session.open(header, measure, { masks, weights: "own" });
	try {
		await session.measureOriginal(options.signal);
		options.progress?.begin("Measuring blocks", {
			total: masks,
			done: Math.min(masks, knownOf(session, { method, kmax }, options)),
			limit: options.maxTime,
		});
		const judged = await contributionsOf(session, { method, kmax, masks }, measure);
		await checkAsRead(session.model);
		const parts = rankedParts(session.model.blocks, options);
		return {
			model: summarize(session.model),
			metric: session.metric,
			loss: judged.originalLoss,
			method,
			estimator: judged.attribution.estimator,
			granularity: granularityOf(resolved, blocks),
			...(seen ? { context: { ...(seesContext ? { context: options.context! } : {}), seen } } : {}),
			importance: importanceRows(judged.attribution).map((row) => ({ ...row, ...parts.of(row.block) })),
			...(judged.shiftedPairs ? { shiftedPairs: judged.shiftedPairs } : {}),
			...(judged.shiftedImportance ? { shiftedImportance: judged.shiftedImportance } : {}),
			frozen: [...parts.frozen].map(([block, reason]) => ({ ...parts.of(block), reason })),
			critical: reasonedBlocks(judged.critical, parts.attentions, session.metric).map(({ block, reason }) => ({
				...parts.of(block),
				reason,
			})),
			...cutsOf(judged, removeBlocks ?? [kmax], parts, session.seed),
			interactions: judged.interactions.map((pair) => parts.pair(pair)),
			surrogate: judged.surrogate,
			evaluations: judged.evaluations,
			seconds: (Date.now() - started) / 1000,
		};
	} finally {
		await session.close();
	}
}

/** Methods that rank shifted pairs too, and those that play any game of single removals. */
const rankingHalves: readonly RankMethod[] = rankingMethods.filter((method) => factsOf(method).reads?.includes("granularity"));
const rankingAttention: readonly RankMethod[] = [...rankingHalves, ...rankMethods.filter((method) => isEstimator(method))];

/** What is ranked, and how it is named in a result. */
interface RankedParts extends Pick<BlockPlan, "frozen" | "units"> {
	readonly attentions?: AttentionsSearched;
	readonly of: (block: number) => RankedPart;
	readonly pair: (pair: PairInteraction) => PairInteraction;
}

/** Blocks, or their attention parts alone, which no rule ties. */
function rankedParts({ blocks, check, frozen, units }: BlockPlan, { granularity }: Pick<RankJob, "granularity">): RankedParts {
	if (granularity !== "attention") return { frozen, ...(units ? { units } : {}), of: (block) => ({ block }), pair: (pair) => pair };
	const reasons = Array.from({ length: blocks }, (_, block) => [block, check([block + 0.25])] as const);
	return {
		frozen: new Map(reasons.flatMap(([block, reason]) => (reason === undefined ? [] : [[block, reason] as const]))),
		attentions: { beside: [] },
		of: (block) => ({ block, removed: [block + 0.25] }),
		pair: ({ blocks: [a, b], ...pair }) => ({ ...pair, blocks: [a, b], units: [[a + 0.25], [b + 0.25]] }),
	};
}

function checkOptions(method: RankMethod, { method: _, removeBlocks, ...options }: Settings<"rank">): void {
	for (const count of removeBlocks ?? [])
		if (!Number.isInteger(count) || count < 1)
			throw new InvalidOptionError(`remove-blocks must be whole numbers of at least 1, got ${count}`);
	const { granularity = "block" } = options;
	const rankers = granularity === "attention" ? rankingAttention : rankingHalves;
	if (granularity !== "block" && !rankers.includes(method))
		throw new InvalidOptionError(
			`${method} ranks whole blocks only: --granularity ${granularity} needs --method ${rankers.slice(0, -1).join(", ")} or ${rankers.at(-1)}`,
		);
	if (!isEstimator(method)) {
		checkMethodOptions(method, { ...options, method });
		return;
	}
	const given: MethodSettings = options;
	const isRead = (name: MethodOption) => name === "maxEvaluations" || (name === "granularity" && granularity !== "half-block");
	const unread = methodOptions.filter((name) => !isRead(name) && given[name] !== undefined);
	if (unread.length > 0) throw new InvalidOptionError(`${method} reads --max-evaluations; leave ${unread.join(", ")} out`);
}

/** Window semivalues and verdicts speak of sets of up to a third of the blocks if nothing is said. */
function windowOf(plan: Header["blocks"], { removeBlocks, granularity }: RankJob): number {
	const alone = granularity === "attention";
	const most = alone ? removableAttentions(plan).length : plan.maxRemovable;
	const largest = removeBlocks === undefined ? undefined : Math.max(...removeBlocks);
	if (largest !== undefined && largest > Math.max(1, most))
		throw new InvalidOptionError(
			`at most ${most} of ${plan.blocks} ${alone ? "attention parts" : "blocks"} can be removed, got remove-blocks ${largest}`,
		);
	return largest ?? (alone ? usualAttentions(plan) : Math.max(1, Math.min(most, Math.floor(plan.blocks / 3))));
}

/** Measured candidates of the kind that the method asks for; Shapley values are of candidates of every size. */
function knownOf({ games }: Session, { method, kmax }: Omit<RankTask, "masks">, { granularity }: RankJob): number {
	const { ledger } = games.search;
	const alone = granularity === "attention";
	if (method === "shapley") return alone ? usefulMasks(ledger, { kmax: ledger.header.players }, { granularity }) : ledger.size;
	return isEstimator(method)
		? usefulMasks(ledger, { kmax }, alone ? { granularity } : {})
		: usefulMasks(ledger, { kmax: searchedTo(method, kmax) }, { method, granularity });
}

/** Only these need sets of several blocks for what they say of one. */
function searchedTo(method: RankMethod, kmax: number): number {
	return method === "auto" || method === "paper-repaired" ? kmax : 1;
}

interface Judged extends Pick<RankResult, "interactions" | "shiftedPairs" | "shiftedImportance" | "surrogate" | "evaluations"> {
	readonly attribution: Attribution & { readonly drawn?: readonly Float64Array[] };
	readonly originalLoss: number;
	readonly critical: readonly CriticalBlock[];
	readonly unseen: readonly number[];
}

/** What is ranked, and how. */
interface RankTask {
	readonly method: RankMethod;
	readonly kmax: number;
	/** That an estimator may measure. */
	readonly masks: number;
}

type RankedOptions = Omit<RankJob, "method" | "removeBlocks">;

async function contributionsOf(session: Session, { method, kmax, masks }: RankTask, options: RankedOptions): Promise<Judged> {
	const { units, of } = rankedParts(session.model.blocks, options);
	if (isEstimator(method)) {
		const { signal } = options;
		const { search } = session.games;
		const game = options.granularity === "attention" ? attentionGame(search) : search;
		const work = () => estimate(method, game, { kmax, masks, seed: session.seed, signal, ...(units ? { units } : {}) });
		const estimated = await session.timed("search", work);
		const told = (note: string) => (options.granularity === "attention" ? aboutAttention(note) : note);
		const unseen = estimated.unseen.flatMap((block) => of(block).removed ?? [block]);
		for (const note of notesOf(estimated.attribution, unseen)) logger(options)("note", `${method}: ${told(note)}`);
		return { ...estimated, evaluations: estimated.masks, interactions: [] };
	}
	const task = { method, blocks: session.model.blocks.blocks, kmax: searchedTo(method, kmax) };
	checkBudget(task, options, session.tokens.search);
	const choices = await choose(session, task, options, { ranking: true });
	const { found, contributions, shiftedPairs, shiftedImportance, surrogate, masks: measured, evidence } = choices;
	// Every ranking method gives them.
	if (!contributions) throw new Error(`${method} gave no contributions`);
	for (const note of [...found.notes, ...tiedNotes(contributions, units)]) logger(options)("note", note);
	const { originalLoss, critical } = found;
	const interactions = evidence?.interactions ?? [];
	return {
		attribution: contributions,
		...(shiftedPairs ? { shiftedPairs } : {}),
		...(shiftedImportance ? { shiftedImportance } : {}),
		originalLoss,
		critical: critical.filter(({ frozen }) => frozen),
		unseen: [],
		interactions,
		surrogate,
		evaluations: measured,
	};
}

/** Blocks that go only together have no single removal: the table would have gaps without a word. @internal */
export function tiedNotes({ contributions, estimator }: Attribution, units: readonly (readonly number[])[] = []): string[] {
	const gaps = [...new Set(units.flat())].filter((block) => Number.isNaN(contributions[block])).sort((a, b) => a - b);
	if (gaps.length === 0 || estimator !== "leave-one-out") return [];
	return [
		`blocks ${formatBlocks(gaps)} can only be removed together with others, so they have no importance of their own: --method common-sets ranks such groups`,
	];
}

/** @param unseen positions @internal */
export function notesOf({ notes = [] }: Pick<Attribution, "notes">, unseen: readonly number[]): string[] {
	if (unseen.length === 0) return [...notes];
	const whose = unseen.length === 1 ? "its" : "their";
	return [...notes, `no candidate removes ${removedText(unseen)}, so ${whose} importance is unknown: raise --max-evaluations`];
}

/** The verdicts of every number of blocks, and those of the largest by themselves. */
function cutsOf(
	judged: Judged,
	counts: readonly number[],
	parts: RankedParts,
	seed: number,
): Pick<RankResult, "cut" | "cuts" | "verdicts" | "unseen"> {
	const ascending = [...new Set(counts)].sort((a, b) => a - b);
	const all = ascending.map((count) => {
		const cut = cutOf(judged, count, parts, seed);
		return { ...cut, verdicts: cut.verdicts.map((verdict) => ({ ...verdict, ...parts.of(verdict.block) })) };
	});
	return { ...all.at(-1)!, cuts: distinctCuts(all), unseen: judged.unseen.map(parts.of) };
}

/** Numbers above that of the blocks that can go all mean that one: it is said once. @internal */
export function distinctCuts(all: RankResult["cuts"]): RankResult["cuts"] {
	return all.filter(({ cut }, i) => cut !== all[i + 1]?.cut).map(({ cut, verdicts }) => ({ cut, verdicts }));
}

/** How many blocks the verdicts cut, and the verdicts. @internal */
export function cutOf(
	{ attribution, critical, unseen }: Pick<Judged, "attribution" | "critical" | "unseen">,
	kmax: number,
	{ frozen, units = [] }: Pick<Session["model"]["blocks"], "frozen" | "units">,
	seed: number,
): Pick<RankResult, "cut" | "verdicts"> {
	const { contributions, standardErrors, drawn } = attribution;
	const keep = new Set([...frozen.keys(), ...critical.flatMap(({ blocks }) => blocks)]);
	const open = Array.from(contributions, (value, block) => Number.isFinite(value) && !keep.has(block)).filter(Boolean).length;
	const cut = Math.min(kmax, open + unseen.length);
	// Without errors a ranking would look certain: nothing is said then.
	const silent = cut === 0 || (!standardErrors && !drawn?.length);
	return { cut, verdicts: silent ? [] : cutVerdicts(attribution, cut, { keep, seed, units: joinedUnits(units), unseen }) };
}
