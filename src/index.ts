/**
 * prune-gguf: removes transformer blocks from GGUF models, measured and proven.
 * Losses are nats per token, blocks are numbered from 0 as in the tensor names `blk.N.`.
 * @packageDocumentation
 */
export type * from "./api/index.js";
export {
	efforts,
	estimatorFacts,
	methodFacts,
	methods,
	metrics,
	presets,
	rankingMethods,
	rankMethods,
	speedups,
	stateTypes,
	workingWeights,
} from "./api/index.js";
export { applyPlan } from "./jobs/apply.js";
export { type BlockPlan, describeBlocks, removeBlocks } from "./model/architectures/index.js";
export {
	calibrate,
	type Calibration,
	type CalibrationOptions,
	type CalibrationSource,
	type SplitCounts,
	type SplitName,
	splitNames,
	drawPositions,
	selfGeneratedWindows,
} from "./model/calibration/index.js";
export { compareMethods } from "./jobs/compare/compare.js";
export * from "./errors.js";
export { mcnemar } from "./model/evaluation/accuracy.js";
export { evaluateModel, evaluateQuestions } from "./jobs/evaluate.js";
export { type Question, readQuestions } from "./model/evaluation/questions.js";
export { Coalition } from "./game/coalition.js";
export { type Game, type Measurement, meanLoss, valueOfLoss } from "./game/game.js";
export type { SourceShare } from "./game/sources.js";
export { GgufFile, writeGguf, writtenSize } from "./model/gguf/index.js";
export { findFrontier } from "./jobs/frontier/frontier.js";
export { formatBlocks, type ParsedBlocks, parseBlocks } from "./notation.js";
export { inspectModel } from "./jobs/inspect.js";
export { pruneGguf } from "./jobs/prune.js";
export { rankBlocks } from "./jobs/rank.js";
export type { Report } from "./report/report-data.js";
export { reportCard, reportPage } from "./pipeline/reporting/files.js";
export { measureSpeed } from "./pipeline/speed/speed.js";
export type { BlockVersion, ModelFacts } from "./model/runtime/addon.js";
export { buildAddon } from "./jobs/build.js";
export { doctor } from "./jobs/doctor/doctor.js";
export type { DoctorBackend, DoctorBinary, DoctorFolder, DoctorMissing, DoctorOptions, DoctorResult, DoctorTool } from "./api/doctor.js";
export { cleanRuns } from "./jobs/clean.js";
export type { BuildOptions, BuildResult } from "./model/runtime/build.js";
export {
	type EvaluateCandidatesOptions,
	type Evaluation,
	type EvaluationStats,
	Evaluator,
	type EvaluatorOptions,
} from "./model/runtime/evaluator.js";
export type { ChatMessage } from "./model/runtime/chat.js";
export { Model, type ModelOptions } from "./model/runtime/model.js";
export { Reference, type ScoredPositions } from "./model/runtime/positions.js";
export { type FileType, fileTypes, type QuantizeOptions, quantizeFile } from "./model/runtime/quantize.js";
export type { SampleOptions } from "./model/runtime/text-model.js";
export { makeWindows, type TokenWindows } from "./model/runtime/windows.js";
export { type Plan, parsePlan, readPlan } from "./storage/plan.js";
export { type CleanOptions, type CleanResult, listRuns, type RunFolder } from "./storage/runs.js";
export type { BlockMask } from "./model/runtime/masks.js";
