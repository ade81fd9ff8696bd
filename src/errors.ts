/** Stable codes of every error this package throws on purpose. */
export type PruneGgufErrorCode =
	| "INVALID_GGUF"
	| "UNSUPPORTED_ARCHITECTURE"
	| "INVALID_CANDIDATE"
	| "INVALID_OPTION"
	| "MODEL_LOAD_FAILED"
	| "EVALUATION_FAILED"
	| "QUANTIZE_FAILED"
	| "DISPOSED"
	| "OUTPUT_EXISTS"
	| "NO_SPACE"
	| "NOT_ENOUGH_MEMORY"
	| "VERIFICATION_FAILED"
	| "BUILD_FAILED"
	| "ADDON_NOT_FOUND"
	| "DEVICE_FAILED"
	| "INVALID_LEDGER"
	| "INVALID_PLAN"
	| "LIMITS_NOT_MET"
	| "CALIBRATION_FAILED"
	| "INVALID_QUESTIONS"
	| "FILE_ERROR";

/** Base of every error thrown on purpose: a stable `code`, a message that says what was expected and what to do, and the `cause`. */
export class PruneGgufError extends Error {
	readonly code: PruneGgufErrorCode;

	constructor(code: PruneGgufErrorCode, message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = new.target.name;
		this.code = code;
	}
}

/** Without the static members of Error, whose types would need those of Node.js. */
type Subclass = new (message: string, options?: ErrorOptions) => PruneGgufError;

const subclass = (code: PruneGgufErrorCode): Subclass =>
	class extends PruneGgufError {
		constructor(message: string, options?: ErrorOptions) {
			super(code, message, options);
		}
	};

/** A file is not a GGUF file, is cut short, or contradicts itself. */
export class InvalidGgufError extends subclass("INVALID_GGUF") {}
/** Blocks of this architecture cannot be removed exactly; the message gives the reason. */
export class UnsupportedArchitectureError extends subclass("UNSUPPORTED_ARCHITECTURE") {}
/** A candidate that the architecture cannot run, or that names blocks the model lacks. */
export class InvalidCandidateError extends subclass("INVALID_CANDIDATE") {}
/** An option is missing, misspelled, out of range or contradicts another. The command line exits with 2. */
export class InvalidOptionError extends subclass("INVALID_OPTION") {}
/** llama.cpp could not load the model; `cause` holds its own log lines. */
export class ModelLoadError extends subclass("MODEL_LOAD_FAILED") {}
/** llama.cpp failed while a candidate was measured; `cause` holds its own log lines. */
export class EvaluationError extends subclass("EVALUATION_FAILED") {}
/** llama.cpp could not write a model with weights of another type; `cause` holds its own log lines. */
export class QuantizeError extends subclass("QUANTIZE_FAILED") {}
/** A model or evaluator was used after `dispose()`. */
export class DisposedError extends subclass("DISPOSED") {}
/** The output exists (and `overwrite` was not given), or it is the input. */
export class OutputExistsError extends subclass("OUTPUT_EXISTS") {}
/** The disk has too little space for the output. */
export class NoSpaceError extends subclass("NO_SPACE") {}
/** The model does not fit into memory. */
export class NotEnoughMemoryError extends subclass("NOT_ENOUGH_MEMORY") {}
/** The written file does not compute what was measured; it was not left under its name. */
export class VerificationError extends subclass("VERIFICATION_FAILED") {}
/** The native addon could not be built; the message says what is missing or in the way, and what to do. */
export class BuildError extends subclass("BUILD_FAILED") {}
/** The native addon is not there; the message lists what was tried and the command that builds it. */
export class AddonNotFoundError extends subclass("ADDON_NOT_FOUND") {}
/**
 * A graphics device was asked for and none can be used, or it computes something else than the CPU. Or it has no memory left to measure in, or its
 * driver ended the process. The message names the device and what to do.
 */
export class DeviceError extends subclass("DEVICE_FAILED") {}
/** A cache file belongs to other windows, another model or another version, or is damaged before its last line. */
export class InvalidLedgerError extends subclass("INVALID_LEDGER") {}
/** A plan is malformed, or was made for another model. */
export class InvalidPlanError extends subclass("INVALID_PLAN") {}
/** Calibration text is missing, unreadable or too short. */
export class CalibrationError extends subclass("CALIBRATION_FAILED") {}
/** Multiple-choice questions are malformed, or cannot be scored with this model. */
export class InvalidQuestionsError extends subclass("INVALID_QUESTIONS") {}
/** One quality limit, and what was measured: as in a plan. */
export interface LimitFacts {
	readonly name: string;
	readonly limit: number;
	/** null if not finite. */
	readonly value: number | null;
	readonly standardError: number | null;
	readonly met: boolean;
}

/** A candidate of fewer blocks that meets every limit. */
export interface ClosestPlan {
	readonly removed: readonly number[];
	/** On the held-out split; of a run that quantizes estimated from what quantizing added to the candidate that was asked for. */
	readonly figures: readonly LimitFacts[];
	readonly estimated: boolean;
	/** The command that writes it. */
	readonly command: string;
}

/** What was measured falls short of a limit that was given; no model was written. The command line exits with 3. */
export class LimitsNotMetError extends PruneGgufError {
	/** Every limit, met or not. */
	readonly figures: readonly LimitFacts[];
	/** The candidate of most blocks that meets them; undefined if the run knows none. */
	readonly closest: ClosestPlan | undefined;

	constructor(message: string, facts: { figures: readonly LimitFacts[]; closest?: ClosestPlan | undefined }) {
		super("LIMITS_NOT_MET", message);
		this.figures = facts.figures;
		this.closest = facts.closest;
	}
}
/** A file cannot be read or written. */
export class FileError extends subclass("FILE_ERROR") {}
