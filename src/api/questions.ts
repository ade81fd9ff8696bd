import type { Accuracy, AccuracyDifference, Answer } from "../model/evaluation/accuracy.js";
import type { Normalization } from "../model/evaluation/questions.js";
import type { QuestionFormat } from "../model/evaluation/questions.js";

// Options and results of evaluateQuestions.

export type { Accuracy, AccuracyDifference, Answer, Normalization, QuestionFormat };
export type * from "../model/evaluation/question-types.js";
