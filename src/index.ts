/**
 * prune-gguf: removes transformer blocks from GGUF models, measured and proven.
 * Losses are nats per token, blocks are numbered from 0 as in the tensor names `blk.N.`.
 * @packageDocumentation
 */
export type * from "./api.js";
export {
	efforts,
	estimatorFacts,
	methodFacts,
	methods,
	objectives,
	presets,
	rankingMethods,
	rankMethods,
	speedups,
	stateTypes,
	workingWeights,
} from "./api.js";
export { applyPlan } from "./apply.js";
export { type BlockPlan, describeBlocks, removeBlocks } from "./architectures/index.js";
export {
	calibrate,
	type Calibration,
	type CalibrationOptions,
	type CalibrationSource,
	type FoldCounts,
	type FoldName,
	foldNames,
	drawPositions,
	ownSamples,
} from "./calibration/index.js";
export { compareMethods } from "./compare.js";
export * from "./errors.js";
export { mcnemar } from "./evaluation/accuracy.js";
export { evaluateQuestions } from "./evaluation/multiple-choice.js";
export { evaluateModel } from "./evaluation/perplexity.js";
export { type Question, readQuestions } from "./evaluation/questions.js";
export { Coalition } from "./game/coalition.js";
export { type Game, type Measurement, meanLoss, valueOfLoss } from "./game/game.js";
export type { SourceShare } from "./game/sources.js";
export { GgufFile, writeGguf, writtenSize } from "./gguf/index.js";
export { findFrontier } from "./frontier.js";
export { inspectModel } from "./inspect.js";
export { pruneGguf } from "./prune.js";
export { rankBlocks } from "./rank.js";
export { reportCard } from "./report/card.js";
export type { Report } from "./report/report-data.js";
export { reportPage } from "./write-report.js";
export { measureSpeed } from "./speed.js";
export type { BlockVersion, ModelFacts, SweepStats } from "./runtime/addon.js";
export { type BuildOptions, type BuildResult, buildAddon } from "./runtime/build.js";
export {
	type BlockMask,
	type EvaluateOptions as EvaluateMasksOptions,
	type Evaluation,
	Evaluator,
	type EvaluatorOptions,
} from "./runtime/evaluator.js";
export { type ChatMessage, Model, type ModelOptions, type SampleOptions } from "./runtime/model.js";
export { Reference, type ScoredPositions } from "./runtime/positions.js";
export { type FileType, fileTypes, type QuantizeOptions, quantizeFile } from "./runtime/quantize.js";
export { makeWindows, type TokenWindows } from "./runtime/windows.js";
export { type Plan, parsePlan, readPlan } from "./storage/plan.js";
export { type CleanOptions, type CleanResult, cleanRuns, listRuns, type RunFolder } from "./storage/runs.js";
