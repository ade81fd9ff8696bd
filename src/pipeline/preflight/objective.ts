import type { Objective } from "../../api/index.js";
import { type FoldName, weightedFiles } from "../../model/calibration/index.js";
import { InvalidOptionError } from "../../errors.js";
import { packQuestions, tokenizeQuestions } from "../../model/evaluation/choices.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import type { QuestionFile } from "../../model/evaluation/questions.js";
import type { Model } from "../../model/runtime/model.js";
import type { InputSettings, MetricSettings } from "../../api/options/settings.js";

/** Questions that the folds need: two to search on, two to decide by, three to report. */
const fewestQuestions = 7;

/** The objective that the options ask for. @throws InvalidOptionError where they contradict one another */
export function objectiveOf({ objective = "nll", questions, limit, scoreShare }: MetricSettings): Objective {
	if (objective === "accuracy" && questions === undefined)
		throw new InvalidOptionError("the objective accuracy needs questions: give a file with --questions");
	if (objective !== "accuracy" && questions !== undefined)
		throw new InvalidOptionError(`--questions belongs to --objective accuracy; ${objective} does not read it`);
	if (scoreShare !== undefined && objective === "accuracy")
		throw new InvalidOptionError("--score-share draws positions of a text; the objective accuracy scores its questions whole");
	if (scoreShare !== undefined && !(scoreShare > 0 && scoreShare <= 1))
		throw new InvalidOptionError(`score-share must be above 0 and at most 1, got ${scoreShare}`);
	if (limit === undefined) return objective;
	if (objective !== "accuracy") throw new InvalidOptionError(`--limit belongs to --objective accuracy; ${objective} does not read it`);
	if (!Number.isInteger(limit) || limit < fewestQuestions)
		throw new InvalidOptionError(`limit must be a whole number of at least ${fewestQuestions}, got ${limit}`);
	return objective;
}

/** Files that a run reads beside the model: nothing may be written over them. */
export function inputFiles({ calibration, questions, quantizeFrom, gateQuestions = [] }: InputSettings): string[] {
	const files = [...weightedFiles(calibration ?? []).map(({ path }) => path), questions, quantizeFrom, ...gateQuestions];
	return files.filter((path) => path !== undefined);
}

/** Questions dealt to the folds two to two to three, each fold evenly from first to last, ready to be scored. */
export function questionFolds(model: Model, file: QuestionFile): Record<FoldName, PreparedQuestions> {
	const { length } = file.questions;
	if (length < fewestQuestions) {
		throw new InvalidOptionError(
			`${file.name} holds ${length} questions: a search needs at least ${fewestQuestions}, two to search on, two to decide by and three to report`,
		);
	}
	const order: readonly FoldName[] = ["report", "search", "validation", "report", "search", "validation", "report"];
	const tokenized = tokenizeQuestions(model, file);
	const fold = (name: FoldName) =>
		packQuestions(
			tokenized.filter((_, i) => order[i % order.length] === name),
			file.format,
		);
	return { search: fold("search"), validation: fold("validation"), report: fold("report") };
}
