// Methods side by side: the same search text, the same budget, scored on the same unseen text.
import { basename } from "node:path";
import type { CompareOptions, CompareResult, CompareText, Method, MethodCost } from "../../api/index.js";
import { BestSoFar } from "../../pipeline/methods/best-so-far.js";
import { choose, leastMasks, optionsWithin, plannedMasks } from "../../pipeline/methods/registry.js";
import { effortOfMethod, raceReserve, raceWithin } from "./race.js";
import { BudgetSpent, CountedGame, Speed } from "./cost.js";
import { answerQuestions, type QuestionFiles, readCompareQuestions } from "./questions.js";
import { checkEvalFiles, type Comparison, comparisonOf, type EvalText, evalTexts } from "./options.js";
import { compareRows, type Scored } from "./scores.js";
import { InvalidOptionError } from "../../errors.js";
import { Coalition, distinct } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { readHeader } from "../../pipeline/preflight/model-header.js";
import { inputFiles, objectiveOf } from "../../pipeline/preflight/objective.js";
import { furtherShare } from "../../pipeline/race/race.js";
import { formatDuration } from "../../report/format.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { logger } from "../../api/logger.js";
import type { SearchStep } from "../../game/search/search.js";
import { Session, summarize } from "../../pipeline/session/session.js";
import { finite, meanAndError } from "../../game/statistics.js";
import { checkTarget, writeAtomically } from "../../storage/atomic-file.js";
import type { PlanSurrogate } from "../../storage/plan.js";
import { sharedTime } from "../../pipeline/session/working-weights.js";
import type { Choice, Choices } from "../../pipeline/methods/selection-context.js";
import { type CompareJob, resolveJob } from "../../pipeline/preflight/job.js";
import type { ChoosingSettings } from "../../api/options/settings.js";

/**
 * Compares methods that choose blocks: each searches the same text and may ask for the same number of masks, and the sets are scored on
 * the same unseen texts, with differences paired by window, and on the same questions where some are given. Sets of `auto`, `greedy`,
 * `beam` and `swap` are raced first, as `pruneGguf` does; what that takes comes out of the budget. All methods share one ledger, so that a mask is measured once; the
 * costs that are given are what each would have needed alone. No model is written. A run that was stopped goes on where it was.
 * @param model path of a GGUF file (any shard of a split one)
 * @throws InvalidOptionError, UnsupportedArchitectureError, CalibrationError, OutputExistsError and the errors of loading and measuring
 * @example
 * const { sizes } = await compareMethods("model.gguf", { methods: ["auto", "greedy"], removeBlocks: [3, 6], eval: ["prose.txt"] });
 * console.log(sizes.map(({ removed, best }) => `${removed}: ${best}`));
 */
export async function compareMethods(model: string, given: CompareOptions = {}): Promise<CompareResult> {
	const started = Date.now();
	const options = resolveJob("compare", given);
	const { file, blocks } = await readHeader(model, options);
	const planned = comparisonOf(blocks, options);
	objectiveOf(options);
	await checkEvalFiles(options);
	const questions = await readCompareQuestions(options);
	const { output } = options;
	const inputs = [...file.paths, ...inputFiles(options), ...(options.eval ?? []), ...(options.evalQuestions ?? [])];
	const target = { overwrite: options.overwrite ?? false, inputs };
	if (output !== undefined) await checkTarget(output, target);
	const session = await Session.open(model, options, { masks: plannedOf(planned, blocks.blocks), weights: "auto" });
	const best = new BestSoFar();
	try {
		// Questions have as many tokens as they have: how many masks a budget of tokens holds is known only now.
		const comparison = comparisonOf(blocks, options, session.tokens.search);
		const texts = await evalTexts(session, options);
		await announce(session, comparison, options);
		const speed = new Speed();
		const found: Found[] = [];
		for (const method of comparison.methods) found.push(await find(session, method, comparison, { speed, onStep: best.onStep }, options));
		await session.closeSearch();
		const sizes = await score(session, comparison, found, { texts, questions }, options);
		const result: CompareResult = {
			model: summarize(session.model),
			seed: session.seed,
			budget: { masks: comparison.limit, tokens: comparison.limit * session.tokens.search },
			objective: session.objective,
			search: searchedOf(session, questions),
			texts: sizes.texts,
			questions: sizes.questions,
			methods: found.map(({ method, spent, surrogate, notes }) => ({
				method,
				cost: costOf(session, spent, found, speed),
				...(surrogate ? { surrogate } : {}),
				notes,
			})),
			sizes: sizes.rows,
			seconds: (Date.now() - started) / 1000,
		};
		if (output !== undefined)
			await writeAtomically(output, target, (handle) => handle.writeFile(`${JSON.stringify(result, undefined, "\t")}\n`));
		return result;
	} catch (error) {
		if (options.signal?.aborted) best.tell(session.objective, options);
		throw error;
	} finally {
		await session.close();
	}
}

/** Masks that all methods together may measure. */
function plannedOf({ methods, counts, limit }: Comparison, blocks: number): number {
	const kmax = counts.at(-1)!;
	return methods.reduce((sum, method) => sum + Math.min(limit, plannedMasks(method, blocks, kmax, optionsWithin(method, limit, kmax))), 0);
}

async function announce(session: Session, comparison: Comparison, options: CompareJob): Promise<void> {
	const { model, calibration } = session;
	const { blocks } = model.facts;
	const earlier = session.secondsPerMask;
	await session.measureFull(options.signal);
	const masks = plannedOf(comparison, blocks);
	const seconds = masks * (earlier ?? (session.secondsPerMask ?? Number.NaN) * sharedTime);
	const { methods, counts, limit } = comparison;
	const source = options.questions === undefined ? calibration.source : basename(options.questions);
	logger(options)(
		"note",
		`${basename(model.path)}: ${blocks} blocks, ${counts.join(", ")} removed by ${methods.length} methods of at most ${limit} masks of ${session.tokens.search} tokens (${source}); ${masks} masks at most in all, fewer where methods ask for the same${Number.isFinite(seconds) ? `, about ${formatDuration(seconds)}` : ""}`,
	);
}

/** What a method asked for. */
interface Spent {
	readonly masks: number;
	/** Passes of the full model that are no masks. */
	readonly passes: number;
	/** Block executions of the masks. */
	readonly executions: number;
	/** Seconds of its own computing, passes among it. */
	readonly computing: number;
}

/** What a method found: its set of each size asked for. */
interface Found {
	readonly method: Method;
	readonly sets: ReadonlyMap<number, Choice>;
	readonly spent: Spent;
	readonly surrogate: PlanSurrogate | undefined;
	readonly notes: readonly string[];
}

/** Runs one method within the budget, and its race. */
async function find(
	session: Session,
	method: Method,
	comparison: Comparison,
	{ speed, onStep }: { readonly speed: Speed; readonly onStep: (step: SearchStep) => void },
	options: CompareJob,
): Promise<Found> {
	const { counts, limit } = comparison;
	const kmax = counts.at(-1)!;
	// The search keeps what it needs at least.
	const spare = Math.max(0, limit - leastMasks(method, session.model.facts.blocks, kmax));
	const reserve = Math.min(raceReserve(method, counts.length, limit), spare);
	const effort = effortOfMethod(method);
	const game = new CountedGame(session.games.search, { limit: limit - reserve, resumes: session.evaluator.resumes, speed });
	const { signal, onProgress, onLog } = options;
	const play: ChoosingSettings = {
		...optionsWithin(method, limit - reserve, kmax),
		effort,
		signal,
		onLog,
		onProgress: (event) => onProgress?.({ ...event, phase: `${method}: ${event.phase}` }),
	};
	const reached = new BestSoFar();
	const notes: string[] = [];
	const started = performance.now();
	let choices: Choices | undefined;
	try {
		choices = await choose(session, method, kmax, play, {
			game,
			counts,
			judged: false,
			onStep: (step) => {
				onStep(step);
				reached.onStep(step);
			},
		});
		notes.push(...choices.found.notes);
	} catch (error) {
		notes.push(whyStopped(error, game.masks));
	}
	const computing = (performance.now() - started) / 1000 - game.seconds;
	const byCount = choices?.found.byCount ?? new Map(reached.sets().map((step) => [step.count, step]));
	const own = counts.flatMap((count) => {
		const set = byCount.get(count);
		return set ? [{ removed: set.removed, method }] : [];
	});
	const passes = choices?.passes ?? 0;
	const search = { masks: game.masks, passes, executions: game.executions, computing: Math.max(0, computing) };
	const rivals = (choices?.rivals ?? []).filter(({ removed }) => counts.includes(removed.length));
	const limits = { masks: limit - game.masks, furtherMasks: Math.floor(game.masks * furtherShare) };
	const raced = await raceWithin(session, own, rivals, limits, { ...options, effort });
	for (const note of notes) logger(options)("note", `${method}: ${note}`);
	return {
		method,
		sets: raced.sets,
		spent: { ...search, masks: search.masks + raced.masks, executions: search.executions + raced.executions },
		surrogate: choices?.surrogate,
		notes,
	};
}

/** A method that stops early, or cannot play on this architecture, is a row with what it has; anything else ends the comparison. */
function whyStopped(error: unknown, masks: number): string {
	if (error instanceof BudgetSpent) return `stopped after ${masks} masks: its next batch did not fit into the budget`;
	if (error instanceof InvalidOptionError) return error.message;
	throw error;
}

/** Losses of the full model and of every set on every text, and what they say. */
async function score(
	session: Session,
	{ counts }: Comparison,
	found: readonly Found[],
	{ texts, questions }: { readonly texts: readonly EvalText[]; readonly questions: QuestionFiles },
	options: CompareJob,
) {
	const players = session.model.facts.blocks;
	const sets = found.flatMap(({ sets }) => [...sets.values()].map(({ removed }) => Coalition.ofRemoved(players, removed)));
	const masks = distinct([Coalition.full(players), ...sets]);
	const losses: ReadonlyMap<string, Float64Array>[] = [];
	const shares: Measurement["sources"][] = [];
	for (const { name, windows } of texts) {
		const game = windows === session.calibration.folds.report ? session.texts.report : await session.gameOn(windows);
		const measured = await game.measure(masks, { phase: `scoring on ${name}`, signal: options.signal });
		shares.push(measured[0]!.sources);
		losses.push(new Map(measured.map((measurement) => [measurement.coalition.key, measurement.losses])));
	}
	const answered = await answerQuestions(session, questions, masks, options);
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
	if (!questions || !searched) return textOf(calibration.source, calibration.folds.search);
	const { sha256, questions: all } = questions.search;
	return { name: searched.name, count: all.length, sha256 };
}

function textOf(name: string, windows: TokenWindows): CompareText {
	return { name, windows: windows.count, length: windows.length, sha256: hashWindows(windows) };
}

/** What the method would have needed alone. Where this run measured nothing, its masks count with the time of earlier runs. */
function costOf(session: Session, spent: Spent, found: readonly Found[], speed: Speed): MethodCost {
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
		masks,
		tokens: masks * session.tokens.search + passes * session.calibration.folds.search.tokens.length,
		blockExecutions: executions + passes * session.model.facts.blocks,
		seconds: computing + executions * (speed.secondsPerExecution ?? earlier),
	};
}
