import type { RankMethod, RankOptions, RankResult } from "../api/index.js";
import type { MethodSettings, Settings } from "../api/options/settings.js";
import type { Attribution } from "../game/attribution/attribution.js";
import { cutVerdicts } from "../game/attribution/cut.js";
import { reasonedBlocks } from "../pipeline/methods/critical.js";
import { checkBudget, choose, plannedMasks } from "../pipeline/methods/registry.js";
import { InvalidOptionError } from "../errors.js";
import { joinedUnits } from "../game/moves.js";
import { checkAsRead } from "../model/gguf/index.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { type Header, readModelHeader } from "../pipeline/preflight/model-header.js";
import { logger } from "../api/logger.js";
import { importanceRows } from "../pipeline/planning/plan.js";
import { checkRacing } from "../pipeline/preflight/racing.js";
import { checkMethodOptions, granularityOf, withGranularity } from "../pipeline/preflight/method-options.js";
import { factsOf, isEstimator, methodOptions, rankingMethods, rankMethods } from "../api/methods.js";
import { estimate, estimatorMasks } from "../pipeline/methods/estimators.js";
import { formatBlocks } from "../notation.js";
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
	const options = withGranularity(resolved, blocks);
	const unwritable = blocks.unwritable();
	if (unwritable)
		logger(options)("warning", `${model}: this can be measured, but no file without any of its blocks can be written: ${unwritable}`);
	const kmax = windowOf(blocks, options);
	const { removeBlocks, method: _, ...measure } = options;
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
		return {
			model: summarize(session.model),
			metric: session.metric,
			loss: judged.originalLoss,
			method,
			estimator: judged.attribution.estimator,
			granularity: granularityOf(resolved, blocks),
			importance: importanceRows(judged.attribution),
			...(judged.shiftedPairs ? { shiftedPairs: judged.shiftedPairs } : {}),
			...(judged.shiftedImportance ? { shiftedImportance: judged.shiftedImportance } : {}),
			frozen: [...session.model.blocks.frozen].map(([block, reason]) => ({ block, reason })),
			critical: reasonedBlocks(judged.critical),
			...cutsOf(judged, removeBlocks ?? [kmax], session.model.blocks, session.seed),
			interactions: judged.interactions,
			surrogate: judged.surrogate,
			evaluations: judged.evaluations,
			seconds: (Date.now() - started) / 1000,
		};
	} finally {
		await session.close();
	}
}

/** Methods that rank shifted pairs too. */
const rankingHalves: readonly RankMethod[] = rankingMethods.filter((method) => factsOf(method).reads?.includes("granularity"));

function checkOptions(method: RankMethod, { method: _, removeBlocks, ...options }: Settings<"rank">): void {
	for (const count of removeBlocks ?? [])
		if (!Number.isInteger(count) || count < 1)
			throw new InvalidOptionError(`remove-blocks must be whole numbers of at least 1, got ${count}`);
	// The type allows no other; JavaScript does.
	if ((options.granularity as string | undefined) === "attention")
		throw new InvalidOptionError(
			"blocks are ranked whole, or with half-block cuts: prune-gguf MODEL --granularity attention shows what attention parts cost",
		);
	if (options.granularity === "half-block" && !rankingHalves.includes(method))
		throw new InvalidOptionError(
			`${method} ranks whole blocks only: --granularity half-block needs --method ${rankingHalves.join(" or ")}`,
		);
	if (!isEstimator(method)) {
		checkMethodOptions(method, { ...options, method });
		return;
	}
	const given: MethodSettings = options;
	const unread = methodOptions.filter((name) => name !== "maxEvaluations" && given[name] !== undefined && given[name] !== "block");
	if (unread.length > 0) throw new InvalidOptionError(`${method} reads --max-evaluations; leave ${unread.join(", ")} out`);
}

/** Window semivalues and verdicts speak of sets of up to a third of the blocks if nothing is said. */
function windowOf({ blocks, maxRemovable }: Header["blocks"], { removeBlocks }: RankJob): number {
	const largest = removeBlocks === undefined ? undefined : Math.max(...removeBlocks);
	if (largest !== undefined && largest > Math.max(1, maxRemovable))
		throw new InvalidOptionError(`at most ${maxRemovable} of ${blocks} blocks can be removed, got remove-blocks ${largest}`);
	return largest ?? Math.max(1, Math.min(maxRemovable, Math.floor(blocks / 3)));
}

/** Measured candidates of the kind that the method asks for; Shapley values are of candidates of every size. */
function knownOf({ games }: Session, { method, kmax }: Omit<RankTask, "masks">, { granularity }: RankJob): number {
	const { ledger } = games.search;
	if (method === "shapley") return ledger.size;
	return isEstimator(method)
		? usefulMasks(ledger, { kmax }, {})
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
	if (isEstimator(method)) {
		const { units } = session.model.blocks;
		const { signal } = options;
		const work = () => estimate(method, session.games.search, { kmax, masks, seed: session.seed, signal, ...(units ? { units } : {}) });
		const estimated = await session.timed("search", work);
		for (const note of notesOf(estimated)) logger(options)("note", `${method}: ${note}`);
		return { ...estimated, evaluations: estimated.masks, interactions: [] };
	}
	const task = { method, blocks: session.model.blocks.blocks, kmax: searchedTo(method, kmax) };
	checkBudget(task, options, session.tokens.search);
	const choices = await choose(session, task, options, { ranking: true });
	const { found, contributions, shiftedPairs, shiftedImportance, surrogate, masks: measured, evidence } = choices;
	// Every ranking method gives them.
	if (!contributions) throw new Error(`${method} gave no contributions`);
	for (const note of [...found.notes, ...tiedNotes(contributions, session.model.blocks.units)]) logger(options)("note", note);
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

function notesOf({ attribution, unseen }: Pick<Judged, "attribution" | "unseen">): string[] {
	const notes = [...(attribution.notes ?? [])];
	if (unseen.length > 0)
		notes.push(`no candidate removes blocks ${formatBlocks(unseen)}, so their importance is unknown: raise --max-evaluations`);
	return notes;
}

/** The verdicts of every number of blocks, and those of the largest by themselves. */
function cutsOf(
	judged: Judged,
	counts: readonly number[],
	blocks: Parameters<typeof cutOf>[2],
	seed: number,
): Pick<RankResult, "cut" | "cuts" | "verdicts" | "unseen"> {
	const ascending = [...new Set(counts)].sort((a, b) => a - b);
	const all = ascending.map((count) => cutOf(judged, count, blocks, seed));
	return { ...all.at(-1)!, cuts: distinctCuts(all) };
}

/** Numbers above that of the blocks that can go all mean that one: it is said once. @internal */
export function distinctCuts(all: RankResult["cuts"]): RankResult["cuts"] {
	return all.filter(({ cut }, i) => cut !== all[i + 1]?.cut).map(({ cut, verdicts }) => ({ cut, verdicts }));
}

/** How many blocks the verdicts cut, the verdicts, and the blocks that the estimator never saw. @internal */
export function cutOf(
	{ attribution, critical, unseen }: Pick<Judged, "attribution" | "critical" | "unseen">,
	kmax: number,
	{ frozen, units = [] }: Pick<Session["model"]["blocks"], "frozen" | "units">,
	seed: number,
): Pick<RankResult, "cut" | "verdicts" | "unseen"> {
	const { contributions, standardErrors, drawn } = attribution;
	const keep = new Set([...frozen.keys(), ...critical.flatMap(({ blocks }) => blocks)]);
	const open = Array.from(contributions, (value, block) => Number.isFinite(value) && !keep.has(block)).filter(Boolean).length;
	const cut = Math.min(kmax, open + unseen.length);
	// Without errors a ranking would look certain: nothing is said then.
	const silent = cut === 0 || (!standardErrors && !drawn?.length);
	return { cut, verdicts: silent ? [] : cutVerdicts(attribution, cut, { keep, seed, units: joinedUnits(units), unseen }), unseen };
}
