// Questions that the sets of a comparison are scored on, beside texts.
import type { AccuracyReport, CompareAccuracy, QuestionFormat, ScoredQuestions } from "../../api/index.js";
import { InvalidOptionError } from "../../errors.js";
import { findEqualFiles } from "../../storage/equal-files.js";
import { accuracyOf, compareAnswers, mcnemar } from "../../model/evaluation/accuracy.js";
import { packQuestions, tokenizeQuestions } from "../../model/evaluation/choices.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import { type QuestionFile, readQuestions } from "../../model/evaluation/questions.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import type { Session } from "../../pipeline/session/session.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import type { CompareJob } from "../../pipeline/preflight/job.js";

/** The questions that are searched by, and those that only score. */
export interface QuestionFiles {
	/** Of the metric `accuracy`. */
	readonly searched: QuestionFile | undefined;
	readonly scored: readonly QuestionFile[];
}

/**
 * Read before a model is loaded, so that a wrong name fails before hours of searching.
 * @throws InvalidOptionError for questions that are searched by too, or given twice
 * @throws FileError, InvalidQuestionsError
 */
export async function readCompareQuestions(options: CompareJob): Promise<QuestionFiles> {
	const { evalQuestions = [], questions, maxQuestions } = options;
	await refuseEqualQuestions(options);
	const scored: QuestionFile[] = [];
	for (const file of evalQuestions) scored.push(await readQuestions(file));
	return { searched: questions === undefined ? undefined : await readQuestions(questions, maxQuestions), scored };
}

async function refuseEqualQuestions({ evalQuestions = [], questions, signal }: CompareJob): Promise<void> {
	const all = [...(questions === undefined ? [] : [questions]), ...evalQuestions];
	const equal = await findEqualFiles(all, signal);
	if (!equal) return;
	const [first, second] = equal.at.map((at) => all[at]!);
	if (questions !== undefined && equal.at[0] === 0)
		throw new InvalidOptionError(
			`${second} ${equal.oneFile ? "is searched by" : `has the same content as ${first}, which is searched by`}: of its questions those of the held-out split are scored in any case, leave it out`,
		);
	throw new InvalidOptionError(
		equal.oneFile
			? `${second} is named twice among the questions to score on`
			: `${first} and ${second} are questions to score on with the same content: give only one of them`,
	);
}

/** Questions ready to be scored. */
export interface QuestionScoring {
	readonly name: string;
	readonly format: QuestionFormat;
	readonly prepared: PreparedQuestions;
	readonly game: LedgerGame;
}

/** The questions of the held-out split, where they are the metric, and those of further files. */
export async function scoringsOf(session: Session, { searched, scored }: QuestionFiles): Promise<QuestionScoring[]> {
	const { model, questions, games } = session;
	const all: QuestionScoring[] = [];
	if (questions && searched)
		all.push({ name: `held-out split of ${searched.name}`, format: searched.format, prepared: questions.heldOut, game: games.heldOut });
	const known = new Map<string, string>();
	for (const file of scored) {
		const prepared = packQuestions(tokenizeQuestions(model, file), file.format);
		const other = known.get(prepared.sha256);
		if (other !== undefined)
			throw new InvalidOptionError(`${other} and ${file.name} hold the same questions to score on: give only one of them`);
		known.set(prepared.sha256, file.name);
		all.push({ name: file.name, format: file.format, prepared, game: await session.questionsOn(prepared) });
	}
	return all;
}

/** What was answered: of every set on every file. */
export interface Answered {
	readonly questions: readonly ScoredQuestions[];
	/** Rows of the sets of one size, each on every file; undefined: no set. */
	rowsOf(sets: readonly (readonly number[] | undefined)[]): (CompareAccuracy | null)[][];
}

/** Answers of the original model and of the sets. @param masks the original model among them */
export async function answerQuestions(
	scorings: readonly QuestionScoring[],
	masks: readonly Coalition[],
	{ signal }: CompareJob,
): Promise<Answered> {
	const { players } = masks[0]!;
	const scored: ScoredQuestions[] = [];
	const rowsOfFile: ((sets: readonly (readonly number[] | undefined)[]) => (CompareAccuracy | null)[])[] = [];
	for (const { name, format, prepared, game } of scorings) {
		const measured = await game.measure(masks, { phase: `questions of ${name}`, signal });
		const answers = new Map(measured.map((measurement) => [measurement.coalition.key, answersIn(measurement)]));
		const full = answers.get(Coalition.full(players).key)!;
		const { normalization, sha256 } = prepared;
		scored.push({ ...{ name, count: full.right.length, sha256, format, normalization }, ...reportOf(full) });
		rowsOfFile.push((sets) =>
			accuracyRows(
				sets.map((removed) => removed && answers.get(Coalition.ofRemoved(players, removed).key)!),
				full,
				normalization === "tokens",
			),
		);
	}
	return {
		questions: scored,
		rowsOf: (sets) => {
			const columns = rowsOfFile.map((rows) => rows(sets));
			return sets.map((_, row) => columns.map((column) => column[row]!));
		},
	};
}

/** What a model makes of the questions of one file, one entry a question. */
export interface Answers {
	readonly right: readonly boolean[];
	readonly normalizedRight: readonly boolean[];
	readonly goldLosses: ArrayLike<number>;
}

function answersIn({ losses, figures }: Measurement): Answers {
	const rightIn = (name: string) => Array.from(figures![name]!, (right) => right === 1);
	return { right: rightIn("accuracy"), normalizedRight: rightIn("normalizedAccuracy"), goldLosses: losses };
}

function reportOf({ right, normalizedRight, goldLosses }: Answers): AccuracyReport {
	return {
		accuracy: accuracyOf(right),
		normalizedAccuracy: accuracyOf(normalizedRight),
		goldLoss: Array.from(goldLosses).reduce((sum, loss) => sum + loss, 0) / goldLosses.length,
	};
}

/** Two sets are tied unless the exact McNemar test gives a chance below this. */
const TOLD_APART = 0.05;

/** Rows of sets of one size on one file; null for no set. @param normalized whether the file is judged by the normalized accuracy */
export function accuracyRows(sets: readonly (Answers | undefined)[], full: Answers, normalized: boolean): (CompareAccuracy | null)[] {
	const judged = (answers: Answers) => (normalized ? answers.normalizedRight : answers.right);
	const correct = (answers: Answers) => judged(answers).filter(Boolean).length;
	const best = sets.reduce((most, set) => (set && (!most || correct(set) > correct(most)) ? set : most), undefined);
	return sets.map((set) => {
		if (!set) return null;
		const { gained, lost } = compareAnswers(judged(best!), judged(set));
		return {
			...reportOf(set),
			difference: compareAnswers(full.right, set.right),
			normalizedDifference: compareAnswers(full.normalizedRight, set.normalizedRight),
			withinBest: mcnemar(gained, lost) >= TOLD_APART,
		};
	});
}
