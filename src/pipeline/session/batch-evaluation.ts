// Many sets of blocks on one split: what the evaluator measures, handed to the ledger set by set, with progress.
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { answersOf } from "../../model/evaluation/accuracy.js";
import { scoreChoices } from "../../model/evaluation/choices.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import type { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { countPositions, type Reference, type ScoredPositions } from "../../model/runtime/positions.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import type { LedgerEvaluateOptions } from "../../storage/ledger-game.js";

/** Sets of blocks, and what measures them. */
export interface Batch {
	readonly evaluator: Evaluator;
	readonly coalitions: readonly Coalition[];
}

/** Text, and what is scored of it. */
export interface ScoredWindows {
	readonly windows: TokenWindows;
	/** The original model's distributions on these windows: the divergence from it and the agreement with it come as figures. */
	readonly reference?: Reference | undefined;
	/** Positions that are scored. @default all */
	readonly positions?: ScoredPositions | undefined;
	/** First position that is scored. @default 0 */
	readonly scoreFrom?: number | undefined;
}

/** Loss of each window. */
export async function sweepWindows(
	{ evaluator, coalitions }: Batch,
	{ windows, reference, positions, scoreFrom }: ScoredWindows,
	run: LedgerEvaluateOptions,
	options: JobOptions,
): Promise<void> {
	const started = Date.now();
	let done = 0;
	let before = started;
	const report = reporter(coalitions.length, run, options);
	report(0);
	await evaluator.evaluate(coalitions, windows, {
		signal: run.signal ?? options.signal,
		reference,
		positions,
		scoreFrom,
		onCandidate: (index, { losses, divergences, agreements, standardErrors }, stats) => {
			const now = Date.now();
			const coalition = coalitions[index]!;
			const compared = divergences && agreements ? { divergence: divergences, agreement: agreements } : {};
			const drawn = positions && standardErrors && coalition.isFull ? { [drawnError]: standardErrors } : {};
			if (positions && drawn[drawnError]) noteShare(positions, drawn[drawnError], windows, options);
			const figures = { ...compared, ...drawn };
			run.onMeasurement({ coalition, losses, ...(Object.keys(figures).length > 0 ? { figures } : {}) }, (now - before) / 1000);
			before = now;
			done++;
			const seconds = (now - started) / 1000;
			report(done, {
				tokensPerSecond: stats.tokensDone / seconds,
			});
		},
	});
}

/** Figure of the original model where only drawn positions are scored: the standard error of each window's loss as an estimate of that on all. */
const drawnError = "drawnError";

/** How exact the drawn positions are, as far as the original model shows. */
export interface DrawnShare {
	readonly positions: number;
	/** Positions that could have been drawn. */
	readonly of: number;
	/** Error of the original model's mean loss on them as an estimate of that on all, nats per token; missing if not measured. */
	readonly standardError?: number;
}

/** @param full the original model on the drawn positions, where it was measured */
export function drawnShare(positions: ScoredPositions, windows: TokenWindows, full: Pick<Measurement, "figures"> | undefined): DrawnShare {
	const errors = full?.figures?.[drawnError];
	return {
		positions: countPositions(positions),
		of: windows.count * (windows.length - 1 - positions.scoreFrom),
		...(errors ? { standardError: Math.sqrt(errors.reduce((sum, each) => sum + each ** 2, 0)) / errors.length } : {}),
	};
}

function noteShare(scored: ScoredPositions, errors: Float64Array, windows: TokenWindows, options: JobOptions): void {
	const { positions, of, standardError } = drawnShare(scored, windows, { figures: { [drawnError]: errors } });
	logger(options)(
		"note",
		`the search scores ${positions} of ${of} positions, the same ones for every candidate. The original model's loss on them has a standard error of ${standardError!.toFixed(3)}`,
	);
}

/** Sets of blocks that are scored on all questions before the next ones: what an interruption can lose. */
const atOnce = 24;

/** Loss of the right choice of each question; whether it was picked comes as figures, 0 or 1. */
export async function sweepQuestions(
	{ evaluator, coalitions }: Batch,
	questions: PreparedQuestions,
	run: LedgerEvaluateOptions,
	options: JobOptions,
): Promise<void> {
	const started = Date.now();
	const report = reporter(coalitions.length, run, options);
	report(0);
	// Neighbors in this order begin alike: they share work.
	const sorted = [...coalitions].sort((a, b) => (a.key < b.key ? 1 : -1));
	for (let first = 0; first < sorted.length; first += atOnce) {
		const part = sorted.slice(first, first + atOnce);
		const begun = Date.now();
		const sums = await scoreChoices(evaluator, part, questions, {
			signal: run.signal ?? options.signal,
			onProgress: (tokens) => {
				const done = first + tokens / questions.tokens;
				report(Math.floor(done), { tokensPerSecond: (done * questions.tokens * 1000) / (Date.now() - started) });
			},
		});
		const seconds = (Date.now() - begun) / 1000 / part.length;
		for (const [i, coalition] of part.entries()) {
			const answers = answersOf(questions, sums[i]!);
			const flags = (right: (answer: (typeof answers)[number]) => boolean) =>
				Float64Array.from(answers, (answer) => (right(answer) ? 1 : 0));
			const figures = {
				accuracy: flags(({ gold, pick }) => pick === gold),
				normalizedAccuracy: flags(({ gold, normalizedPick }) => normalizedPick === gold),
			};
			run.onMeasurement({ coalition, losses: Float64Array.from(answers, ({ goldLoss }) => goldLoss), figures }, seconds);
		}
	}
}

function reporter(total: number, run: LedgerEvaluateOptions, options: JobOptions) {
	return (done: number, extra: { readonly tokensPerSecond?: number } = {}) =>
		options.progress?.work({ phase: run.phase ?? "measuring", done, total, unit: "candidates", ...extra });
}
