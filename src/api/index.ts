import type { CalibrationFile } from "../model/calibration/files.js";

import { type HealKind, healKinds } from "../model/fitting/kinds.js";
import { type HealType, healTypes } from "../model/fitting/kinds.js";
import { type StateType, stateTypes } from "../model/runtime/state-types.js";
import type { PlanHeal } from "../storage/plan-heal.js";

export type * from "./questions.js";
export type * from "./text.js";
export { presets } from "./text.js";
export type { CalibrationFile, HealKind, HealType, PlanHeal, StateType };
export type { PairInteraction } from "../game/attribution/interactions.js";
export { healKinds, healTypes, stateTypes };

// The options and results of the public functions: shared by programs and the command line.

export type * from "./gate.js";
export type * from "./compare.js";
export type * from "./frontier.js";
export type * from "./rank.js";
export type { MeasuredTimes, PartTimes, PlanContext, PlanSpeed, SpeedRatio, SpeedSideFigures } from "../storage/plan-speed.js";
export { type Speedup, speedups } from "./speed.js";
export type { SpeedOptions, SpeedResult } from "./speed.js";
export { type FileType, fileTypeNames } from "../model/runtime/file-type-names.js";
export type { MeanAndError, ModelFigures, Quantized, QuantizedAlternative, QuantizedAlternatives } from "../storage/plan-quantized.js";
export {
	comparableMethods,
	type ComparedMethod,
	comparedMethods,
	defaultMethod,
	type Estimator,
	estimatorFacts,
	factsOf,
	isEstimator,
	type Method,
	methodFacts,
	type MethodOption,
	methods,
	type RankMethod,
	rankingMethods,
	rankMethods,
} from "./methods.js";
export { STRATA_PRESETS, type StrataPresetName } from "../game/strata.js";
export type * from "./job.js";
export * from "./measure.js";
export type * from "./prune.js";
export type * from "./apply.js";
export type * from "./inspect.js";
