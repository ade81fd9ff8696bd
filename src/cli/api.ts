import type {
	ApplyOptions,
	ApplyResult,
	CompareOptions,
	CompareResult,
	EvaluateOptions,
	EvaluateResult,
	FrontierOptions,
	FrontierResult,
	InspectResult,
	PruneOptions,
	PruneResult,
	QuestionsOptions,
	QuestionsResult,
	RankOptions,
	RankResult,
	SpeedOptions,
	SpeedResult,
} from "../api/index.js";
import type { BuildOptions, BuildResult } from "../api/build.js";
import type { DoctorOptions, DoctorResult } from "../api/doctor.js";
import type { CleanOptions, CleanResult, RunFolder, RunsOptions } from "../api/runs.js";

// The command line's only door to the rest: what it expects of the public API.
export * from "../api/index.js";
export type { CommandOptions, NumberRange, OptionCommand, OptionGroup, OptionValue } from "../api/options/row.js";
export { groupTitles } from "../api/options/row.js";
export type { Settings } from "../api/options/settings.js";
export { methodOptions } from "../api/methods.js";
export { closest, closestOf } from "../api/options/closest.js";
export { optionsFrom, shareOf } from "../api/options/shape.js";
export { type CommandRow, exclusiveFlags, rowsOf } from "../api/options/table.js";
export { LimitsNotMetError, InvalidCandidateError, InvalidOptionError, PruneGgufError } from "../errors.js";
export { readInput } from "../api/input.js";
export { llamaPin, packageVersion } from "../api/build.js";
export type { BuildResult } from "../api/build.js";
export type { DoctorBackend, DoctorBinary, DoctorFolder, DoctorResult } from "../api/doctor.js";
export type { CleanResult, Plan, RunFolder } from "../api/runs.js";

/** The public functions that the commands call. */
export interface Api {
	pruneGguf(model: string, output: string | undefined, options: PruneOptions): Promise<PruneResult>;
	rankBlocks(model: string, options: RankOptions): Promise<RankResult>;
	compareMethods(model: string, options: CompareOptions): Promise<CompareResult>;
	findFrontier(model: string, options: FrontierOptions): Promise<FrontierResult>;
	applyPlan(model: string, output: string, options: ApplyOptions): Promise<ApplyResult>;
	evaluateModel(model: string, options: EvaluateOptions): Promise<EvaluateResult>;
	evaluateQuestions(model: string, options: QuestionsOptions): Promise<QuestionsResult>;
	measureSpeed(model: string, options: SpeedOptions): Promise<SpeedResult>;
	inspectModel(path: string): Promise<InspectResult>;
	buildAddon(options: BuildOptions): Promise<BuildResult>;
	doctor(options?: DoctorOptions): Promise<DoctorResult>;
	listRuns(options?: RunsOptions): Promise<RunFolder[]>;
	cleanRuns(options: CleanOptions): Promise<CleanResult>;
}
