// Methods side by side: the same search text, the same budget, scored on the same unseen text.
import type { ComparedMethod, CompareOptions, CompareResult, CompareText, MethodCost } from "../../api/index.js";
import { BestSoFar } from "../../pipeline/methods/best-so-far.js";
import { checkBudget, choose, leastMasks, optionsWithin } from "../../pipeline/methods/registry.js";
import { bestWhole } from "../../pipeline/methods/searches.js";
import { type Contender, contenderOf } from "./contender.js";
import { effortOfMethod, raceReserve, raceWithin } from "./race.js";
import { BudgetSpent, CountedGame, Pace } from "./cost.js";
import { answerQuestions, type QuestionFiles, readCompareQuestions, type QuestionScoring, scoringsOf } from "./questions.js";
import { checkEvalFiles, type Comparison, comparisonOf, type EvalText, evalTexts } from "./options.js";
import { compareRows, type Scored } from "./scores.js";
import { announce, expectComparison, plannedOf } from "./work.js";
import { InvalidOptionError } from "../../errors.js";
import { Coalition, distinct } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { checkCall } from "../../pipeline/preflight/call.js";
import { readModelHeader } from "../../pipeline/preflight/model-header.js";
import { inputFiles, metricOf } from "../../pipeline/preflight/metric.js";
import { usefulMasks } from "../../pipeline/pruning/estimate.js";
import { furtherShare } from "../../pipeline/race/race.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { logger } from "../../api/logger.js";
import type { SearchStep } from "../../game/search/search.js";
import { Session, summarize } from "../../pipeline/session/session.js";
import { finite, meanAndError } from "../../game/statistics.js";
import { measureResult, resultFile } from "../../pipeline/reporting/measured-result.js";
import type { PlanSurrogate } from "../../storage/plan.js";
import type { ProposedSet, Choices } from "../../pipeline/methods/selection-context.js";
import { type CompareJob, resolveJob } from "../../pipeline/preflight/job.js";
import type { ChoosingSettings } from "../../api/options/settings.js";

/**
 * Compares methods that choose blocks: each searches the same text and may ask for the same number of evaluations. The candidates are scored
 * on the same unseen texts, with differences paired by window, and on the same questions if some are given. Candidates of `auto`, `greedy`,
 * `beam` and `swap` go through a final comparison first, as in `pruneGguf`; what that takes comes out of the budget. All methods share one
 * cache, so that a candidate is measured once; the costs that are given are what each would have needed alone. No model is written. A run
 * that was stopped goes on where it was.
 * @param model path of a GGUF file (any shard of a split one)
 * @throws InvalidOptionError, UnsupportedArchitectureError, CalibrationError, OutputExistsError and the errors of loading and measuring
 * @example
 * const { sizes } = await compareMethods("model.gguf", { methods: ["auto", "greedy"], removeBlocks: [3, 6], eval: ["prose.txt"] });
 * console.log(sizes.map(({ removed, best }) => `${removed}: ${best}`));
 */
export async function compareMethods(model: string, given: CompareOptions = {}): Promise<CompareResult> {
	const started = Date.now();
	checkCall("compare", { model }, given);
	const options = resolveJob("compare", given);
	const header = await readModelHeader(model, options);
	const { file, blocks } = header;
	const planned = comparisonOf(blocks, options);
	metricOf(options);
	await checkEvalFiles(options);
	const questions = await readCompareQuestions(options);
	const inputs = [...file.paths, ...inputFiles(options), ...(options.eval ?? []), ...(options.evalQuestions ?? [])];
	const written = await resultFile(options, inputs);
	options.progress?.plan(["Preparing text", "Searching", "Scoring"]);
	const session = await Session.open(header, options, { masks: plannedOf(planned, blocks.blocks), weights: "auto" });
	return measureResult(session, written, options, async ({ onStep }) => {
		const compared = await compareWith(session, { questions, onStep }, options);
		return { ...compared, seconds: (Date.now() - started) / 1000 };
	});
}

/** Runs all methods, and scores what they found. */
async function compareWith(
	session: Session,
	{ questions, onStep }: { readonly questions: QuestionFiles; readonly onStep: (step: SearchStep) => void },
	options: CompareJob,
): Promise<Omit<CompareResult, "seconds">> {
	// Questions have as many tokens as they have: how many evaluations a budget of tokens holds is known only now.
	const comparison = comparisonOf(session.model.blocks, options, session.tokens.search);
	const texts = await evalTexts(session, options);
	const scorings = await scoringsOf(session, questions);
	const scored = [...texts.map(({ windows }) => windows.tokens.length), ...scorings.map(({ prepared }) => prepared.tokens)];
	const { masks, secondsPerMask } = await announce(session, comparison, options);
	const { methods, counts } = comparison;
	const { ledger } = session.games.search;
	const known = Math.min(masks, Math.max(...methods.map((name) => usefulMasks(ledger, { kmax: counts.at(-1)! }, contenderOf(name)))));
	const sets = 1 + methods.length * counts.length;
	expectComparison(options.progress, { masks, known, tokens: session.tokens.search, sets, scored, secondsPerMask });
	options.progress?.begin("Searching", { total: masks, done: known });
	const pace = new Pace();
	const found: Found[] = [];
	for (const method of methods) found.push(await find(session, method, { comparison, pace, onStep }, options));
	await session.closeSearch();
	const sizes = await score(session, { comparison, found, texts, scorings }, options);
	return {
		model: summarize(session.model),
		seed: session.seed,
		budget: { evaluations: comparison.limit, tokens: comparison.limit * session.tokens.search },
		metric: session.metric,
		search: searchedOf(session, questions),
		texts: sizes.texts,
		questions: sizes.questions,
		methods: found.map(({ method, spent, surrogate, notes }) => ({
			method,
			cost: costOf(session, spent, found, pace),
			...(surrogate ? { surrogate } : {}),
			notes,
		})),
		sizes: sizes.rows,
	};
}

/** What a method asked for. */
interface Spent {
	readonly masks: number;
	/** Passes of the original model that are no masks. */
	readonly passes: number;
	/** Block executions of the masks. */
	readonly executions: number;
	/** Seconds of its own computing, passes among it. */
	readonly computing: number;
}

/** What a method found: its set of each size asked for. */
interface Found {
	readonly method: ComparedMethod;
	readonly sets: ReadonlyMap<number, ProposedSet>;
	readonly spent: Spent;
	readonly surrogate: PlanSurrogate | undefined;
	readonly notes: readonly string[];
}

/** What a method is run with. */
interface FindJob {
	readonly comparison: Comparison;
	readonly pace: Pace;
	readonly onStep: (step: SearchStep) => void;
}

/** Runs one method within the budget, and its race. */
async function find(session: Session, method: ComparedMethod, job: FindJob, options: CompareJob): Promise<Found> {
	const { counts, limit } = job.comparison;
	const contender = contenderOf(method);
	const searched = await searchWith(session, contender, job, options);
	const { choices, spent } = searched;
	const own = counts.flatMap((count) => {
		const set = searched.byCount.get(count);
		return set ? [{ removed: set.removed, method }] : [];
	});
	const rivals = (choices?.rivals ?? wholeSets(searched.played, counts, method))
		.filter(({ removed }) => counts.includes(removed.length))
		.map((rival) => (contender.method === "auto" && rival.method === "auto" ? { ...rival, method } : rival));
	const limits = { masks: limit - spent.masks, furtherMasks: Math.floor(spent.masks * furtherShare), played: searched.played };
	const raced = await raceWithin(session, { own, rivals }, limits, { ...options, effort: effortOfMethod(contender.method) });
	const notes = [...searched.notes, ...raced.notes];
	for (const note of notes) logger(options)("note", `${method}: ${note}`);
	return {
		method,
		sets: raced.sets,
		spent: { ...spent, masks: spent.masks + raced.masks, executions: spent.executions + raced.executions },
		surrogate: choices?.surrogate,
		notes,
	};
}

/** The best measured set of whole blocks of each size: a search for half-block cuts that was stopped has proposed none to hold its sets against. */
function wholeSets(played: readonly Measurement[], counts: readonly number[], method: ComparedMethod): ProposedSet[] {
	const best = bestWhole(played);
	return counts.flatMap((count) => {
		const set = best.get(count);
		return set ? [{ removed: set.coalition.removed(), method }] : [];
	});
}

/** What a method's search gave, all of it or what it had when it was stopped. */
interface Searched {
	readonly choices: Choices | undefined;
	readonly byCount: ReadonlyMap<number, { readonly removed: readonly number[] }>;
	readonly spent: Spent;
	/** What it measured, and no other method. */
	readonly played: readonly Measurement[];
	readonly notes: readonly string[];
}

async function searchWith(
	session: Session,
	contender: Contender,
	{ comparison, pace, onStep }: FindJob,
	options: CompareJob,
): Promise<Searched> {
	const { method, granularity } = contender;
	const { counts, limit } = comparison;
	const kmax = counts.at(-1)!;
	const { blocks } = session.model.facts;
	// The search keeps what it needs at least.
	const spare = Math.max(0, limit - leastMasks(method, blocks, kmax, granularity));
	const within = limit - Math.min(raceReserve(contender, counts.length, limit), spare);
	const game = new CountedGame(session.games.search, { limit: within, resumes: session.evaluator.resumes, pace });
	const play = playOf(contender, { within, kmax }, options);
	const reached = new BestSoFar();
	const steps = (step: SearchStep) => {
		onStep(step);
		reached.onStep(step);
	};
	const notes: string[] = [];
	const started = performance.now();
	let choices: Choices | undefined;
	try {
		checkBudget({ method, blocks, kmax }, play, session.tokens.search);
		choices = await choose(session, { method, kmax }, play, { game, counts, judged: false, onStep: steps });
		notes.push(...choices.found.notes);
	} catch (error) {
		notes.push(whyStopped(error, game.masks));
	}
	const computing = (performance.now() - started) / 1000 - game.seconds;
	const byCount = choices?.found.byCount ?? new Map(reached.sets().map((step) => [step.count, step]));
	const passes = choices?.passes ?? 0;
	const spent = { masks: game.masks, passes, executions: game.executions, computing: Math.max(0, computing) };
	return { choices, byCount, spent, played: game.played(), notes };
}

/** What a method reads of the options: all the same text, and no more evaluations than these. */
function playOf(
	{ method, granularity }: Contender,
	{ within, kmax }: { readonly within: number; readonly kmax: number },
	{ signal, progress, onLog }: CompareJob,
): ChoosingSettings {
	return {
		granularity,
		...optionsWithin(method, within, kmax),
		effort: effortOfMethod(method),
		signal,
		onLog,
		progress,
	};
}

/** A method that stops early, or cannot play on this architecture, is a row with what it has; anything else ends the comparison. */
function whyStopped(error: unknown, masks: number): string {
	if (error instanceof BudgetSpent) return `stopped after ${masks} candidates: more did not fit into the budget`;
	if (error instanceof InvalidOptionError) return error.message;
	throw error;
}

/** What is scored, and on what. */
interface ScoreJob {
	readonly comparison: Comparison;
	readonly found: readonly Found[];
	readonly texts: readonly EvalText[];
	readonly scorings: readonly QuestionScoring[];
}

/** Losses of the original model and of every set on every text, and what they say. */
async function score(session: Session, { comparison: { counts }, found, texts, scorings }: ScoreJob, options: CompareJob) {
	const players = session.model.facts.blocks;
	const sets = found.flatMap(({ sets }) => [...sets.values()].map(({ removed }) => Coalition.ofRemoved(players, removed)));
	const masks = distinct([Coalition.full(players), ...sets]);
	options.progress?.begin("Scoring", { total: masks.length * (texts.length + scorings.length) });
	const losses: ReadonlyMap<string, Float64Array>[] = [];
	const shares: Measurement["sources"][] = [];
	for (const { name, windows } of texts) {
		const game = windows === session.calibration.splits.heldOut ? session.texts.heldOut : await session.gameOn(windows);
		const measured = await game.measure(masks, { phase: `scoring on ${name}`, signal: options.signal });
		shares.push(measured[0]!.sources);
		losses.push(new Map(measured.map((measurement) => [measurement.coalition.key, measurement.losses])));
	}
	const answered = await answerQuestions(scorings, masks, options);
	const of = (set: Coalition) => losses.map((text) => text.get(set.key)!);
	const full = of(Coalition.full(players));
	const rows = counts.map((removed) => {
		const scored = found.map(({ method, sets }): Scored => {
			const choice = sets.get(removed);
			if (!choice) return { method, removed: null, losses: [] };
			return { method, removed: choice.removed, proposedBy: choice.method, losses: of(Coalition.ofRemoved(players, choice.removed)) };
		});
		const { best, rows } = compareRows(scored, full, shares);
		const accuracy = answered.rowsOf(found.map(({ sets }) => sets.get(removed)?.removed));
		return { removed, best, rows: rows.map((row, i) => ({ ...row, accuracy: accuracy[i]! })) };
	});
	return {
		rows,
		questions: answered.questions,
		texts: texts.map(({ name, windows }, i) => ({ ...textOf(name, windows), loss: finite(meanAndError(full[i]!, shares[i]).mean) })),
	};
}

/** What the methods searched. */
function searchedOf({ calibration, questions }: Session, { searched }: QuestionFiles): CompareResult["search"] {
	if (!questions || !searched) return textOf(calibration.source, calibration.splits.search);
	const { sha256, questions: all } = questions.search;
	return { name: searched.name, count: all.length, sha256 };
}

function textOf(name: string, windows: TokenWindows): CompareText {
	return { name, windows: windows.count, length: windows.length, sha256: hashWindows(windows) };
}

/** What the method would have needed alone. Where this run measured nothing, its masks count with the time of earlier runs. */
function costOf(session: Session, spent: Spent, found: readonly Found[], pace: Pace): MethodCost {
	const { masks, passes, executions, computing } = spent;
	const all = found.reduce(
		(sum, other) => ({ masks: sum.masks + other.spent.masks, executions: sum.executions + other.spent.executions }),
		{
			masks: 0,
			executions: 0,
		},
	);
	const earlier = ((session.secondsPerMask ?? 0) * all.masks) / all.executions;
	return {
		evaluations: masks,
		tokens: masks * session.tokens.search + passes * session.calibration.splits.search.tokens.length,
		blockExecutions: executions + passes * session.model.facts.blocks,
		seconds: computing + executions * (pace.secondsPerExecution ?? earlier),
	};
}
