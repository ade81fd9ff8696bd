import { type Metric, metrics } from "../../api/measure.js";
import { type SplitName, weightedFiles } from "../../model/calibration/index.js";
import { InvalidOptionError } from "../../errors.js";
import { packQuestions, tokenizeQuestions } from "../../model/evaluation/choices.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import type { QuestionFile } from "../../model/evaluation/questions.js";
import type { Model } from "../../model/runtime/model.js";
import type { InputSettings, MetricSettings } from "../../api/options/settings.js";

/** Questions that the splits need: two to search on, two to decide by, three to report. */
const fewestQuestions = 7;

/** The metric that the options ask for. @throws InvalidOptionError where they contradict one another */
export function metricOf({ metric = "loss", questions, maxQuestions, scoreShare }: MetricSettings): Metric {
	if (!metrics.includes(metric)) {
		const hint = (metric as string) === "nll" ? ": it is now loss" : "";
		throw new InvalidOptionError(`metric must be one of ${metrics.join(", ")}, got ${JSON.stringify(metric)}${hint}`);
	}
	if (metric === "accuracy" && questions === undefined)
		throw new InvalidOptionError("the metric accuracy needs questions: give a file with --questions");
	if (metric !== "accuracy" && questions !== undefined)
		throw new InvalidOptionError(`--questions belongs to --metric accuracy; ${metric} does not read it`);
	if (scoreShare !== undefined && metric === "accuracy")
		throw new InvalidOptionError("--score-share draws positions of a text; the metric accuracy scores its questions whole");
	if (scoreShare !== undefined && !(scoreShare > 0 && scoreShare <= 1))
		throw new InvalidOptionError(`score-share must be above 0 and at most 1, got ${scoreShare}`);
	if (maxQuestions === undefined) return metric;
	if (metric !== "accuracy") throw new InvalidOptionError(`--max-questions belongs to --metric accuracy; ${metric} does not read it`);
	if (!Number.isInteger(maxQuestions) || maxQuestions < fewestQuestions)
		throw new InvalidOptionError(`max-questions must be a whole number of at least ${fewestQuestions}, got ${maxQuestions}`);
	return metric;
}

/** Files that a run reads beside the model: nothing may be written over them. */
export function inputFiles({ calibration, questions, quantizeFrom, limitQuestions = [] }: InputSettings): string[] {
	const files = [...weightedFiles(calibration ?? []).map(({ path }) => path), questions, quantizeFrom, ...limitQuestions];
	return files.filter((path) => path !== undefined);
}

/** Questions dealt to the splits two to two to three, each split evenly from first to last, ready to be scored. */
export function questionSplits(model: Model, file: QuestionFile): Record<SplitName, PreparedQuestions> {
	const { length } = file.questions;
	if (length < fewestQuestions) {
		throw new InvalidOptionError(
			`${file.name} holds ${length} questions: a search needs at least ${fewestQuestions}, two to search on, two to decide by and three to report`,
		);
	}
	const order: readonly SplitName[] = ["heldOut", "search", "validation", "heldOut", "search", "validation", "heldOut"];
	const tokenized = tokenizeQuestions(model, file);
	const split = (name: SplitName) =>
		packQuestions(
			tokenized.filter((_, i) => order[i % order.length] === name),
			file.format,
		);
	return { search: split("search"), validation: split("validation"), heldOut: split("heldOut") };
}
