import { QuantizeError } from "../../errors.js";
import { ggmlTypeName, isWeightType } from "../gguf/ggml-types.js";
import type { NativeEquationSettings, NativeEquations, NativeRun, NativeStates } from "./addon.js";
import type { StackedBlock } from "../../game/parts.js";
import type { LoadedModel } from "./loaded-model.js";
import type { TokenWindows } from "./windows.js";

// Hidden states of windows, and least squares on the inputs or outputs of a block's matrix. The values stay in the addon.

/** Which blocks run over which windows. */
export interface BlockRun {
	readonly windows: TokenWindows;
	/**
	 * Blocks that run, ascending; those behind the last needed one are left out. A number is a block as a whole. Elsewhere a merged block goes
	 * by the number of its feed-forward part.
	 */
	readonly kept: readonly (number | StackedBlock)[];
	/** The state before the first of them, from {@link hiddenStates} for the same windows. @default the tokens */
	readonly from?: HiddenStates | undefined;
	/** Tokens that run through a block at once. */
	readonly ubatch: number;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
}

/** The residual stream after a block, one row of the model's width for each token, 32-bit numbers. */
export interface HiddenStates {
	readonly native: NativeStates;
}

/** Features of a fit: the inputs of a matrix, or its outputs. */
export type FittedTo = "inputs" | "outputs";

/** Options for one matrix: what to add to its output. */
export interface EquationOptions {
	/** Name of a matrix of one of the kept blocks. */
	readonly weight: string;
	/** Kept block after which the states are compared. */
	readonly after: number;
	/** The wanted states there. */
	readonly target: HiddenStates;
	/** Tokens are weighted by the mean square of their wanted state to the power of - `relative`. @default 0 */
	readonly relative?: number | undefined;
	/** Factor that the model multiplies the matrix's output with. @default 1 */
	readonly scale?: number | undefined;
	/** An RMS norm between the matrix and the residual stream. @default none */
	readonly norm?: RmsNorm | undefined;
}

/** weights[i] x[i] / sqrt(mean square of x + epsilon), as ggml_rms_norm computes it. */
export interface RmsNorm {
	readonly weights: Float32Array;
	readonly epsilon: number;
}

/** Sums over tokens: features are the inputs or outputs of the matrix; targets are what is missing after a block. */
export interface NormalEquations {
	/** Number of each, and of counted tokens. */
	readonly features: number;
	readonly targets: number;
	readonly rows: number;
	readonly native: NativeEquations;
}

/** Bytes that normal equations take. */
export const equationBytes = (features: number, targets: number): number => 8 * features * (features + targets);
/** Bytes that their solution takes in addition. */
export const solutionBytes = (features: number, targets: number): number => 8 * features * targets;
/** Multiplications and additions of normal equations, per token. */
export const equationFlops = (features: number, targets: number): number => features * (features + 2 * targets);
/**
 * Multiplications and additions of their solution: a factor, two triangles, and the explained share.
 * @param through values that the matrix is multiplied with, if the update of its output becomes an update of the matrix @default none
 */
export const solutionFlops = (features: number, targets: number, through = 0): number =>
	features ** 3 / 3 + 4 * features ** 2 * targets + 2 * through * targets ** 2;

/** What the addon takes for a block without attention. */
const noAttention = -1;

function nativeRun({ windows, kept, from, ubatch, threads }: BlockRun): NativeRun {
	const parts = kept.flatMap((block) => (typeof block === "number" ? [block, block] : [block.attention ?? noAttention, block.feedForward]));
	return { windowLength: windows.length, ubatch, threads, kept: Int32Array.from(parts), from: from?.native };
}

function nativeSettings(options: Omit<EquationOptions, "target">, fittedTo: readonly FittedTo[] = []): NativeEquationSettings {
	const { weight, after, relative = 0, scale = 1, norm } = options;
	const on = { onInputs: fittedTo.includes("inputs"), onOutputs: fittedTo.includes("outputs") };
	return { weight, after, relative, scale, ...on, norm: norm?.weights, normEpsilon: norm?.epsilon ?? 0 };
}

/**
 * The states after some of the kept blocks: windows x length x width x 4 bytes each.
 * @throws EvaluationError if the architecture's graph does not give them, RangeError for what is no block, DisposedError, or `signal.reason`
 */
export async function hiddenStates(model: LoadedModel, run: BlockRun, after: readonly number[]): Promise<HiddenStates[]> {
	if (!after.every(Number.isInteger)) throw new RangeError(`hidden states after ${after.join(", ")}: expected numbers of blocks`);
	const states = await model.runJob(run.signal, (native, cancel) =>
		native.hiddenStates(run.windows.tokens, nativeRun(run), Int32Array.from(after), cancel),
	);
	return states.map((native) => ({ native }));
}

/**
 * Runs the windows once and sums up the normal equations of a matrix, in double precision.
 * @throws EvaluationError if the architecture's graph does not multiply every token with the matrix, DisposedError, or `signal.reason`
 */
export async function normalEquations(
	model: LoadedModel,
	run: BlockRun,
	options: EquationOptions,
	fittedTo: readonly FittedTo[],
): Promise<Partial<Record<FittedTo, NormalEquations>>> {
	const made = await model.runJob(run.signal, (native, cancel) =>
		native.normalEquations(run.windows.tokens, nativeRun(run), nativeSettings(options, fittedTo), options.target.native, cancel),
	);
	const ordered = (["inputs", "outputs"] as const).filter((one) => fittedTo.includes(one));
	return Object.fromEntries(made.map(({ equations, ...sizes }, i) => [ordered[i]!, { ...sizes, native: equations }]));
}

/** Sums over tokens (except the first of each window) for each channel of a norm: of z t and of z z, with z the normalized value and t its target. */
export interface NormSums {
	readonly products: Float64Array;
	readonly squares: Float64Array;
}

/**
 * For other weights of the RMS norm between a matrix and the residual stream.
 * @param options with the current weights as `norm`
 * @throws EvaluationError if the architecture's graph does not multiply every token with the matrix, DisposedError, or `signal.reason`
 */
export function normSums(model: LoadedModel, run: BlockRun, options: EquationOptions): Promise<NormSums> {
	return model.runJob(run.signal, (native, cancel) =>
		native.normSums(run.windows.tokens, nativeRun(run), nativeSettings(options), options.target.native, cancel),
	);
}

/**
 * Least squares of the target after the block, channel by channel.
 * @param ridge pulls the weights towards the current ones, in units of the mean of the channels' squares
 */
export function normWeights({ products, squares }: NormSums, { weights }: RmsNorm, ridge: number): Float32Array {
	const held = (ridge * squares.reduce((sum, square) => sum + square, 0)) / squares.length;
	return weights.map((weight, i) => (squares[i]! + held > 0 ? (products[i]! + held * weight) / (squares[i]! + held) : weight));
}

/**
 * How a matrix's output reaches the state after a block: the factor, and the share of its effect that the factor does not explain (0 if the
 * matrix's product is added to the residual stream unchanged).
 */
export function outputPath(
	model: LoadedModel,
	run: BlockRun,
	options: Omit<EquationOptions, "target">,
): Promise<{ scale: number; unexplained: number }> {
	return model.runJob(run.signal, (native, cancel) =>
		native.outputPath(run.windows.tokens, nativeRun(run), nativeSettings(options), cancel),
	);
}

export interface SolveOptions {
	/**
	 * Weight of the update's squares, in units of the mean diagonal of the normal equations. There the squares of a token's features count as
	 * ten times the median token's at most.
	 */
	readonly ridge: number;
	/** Values of the matrix, row by row, if the update of its output becomes an update of the matrix. */
	readonly through?: Float32Array | undefined;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
}

/**
 * What to add, row by row (targets x features; with `through` as many values as that), and the share of the targets' squares that this
 * explains. Fitted to inputs it is dW. Fitted to outputs it is T of dW = T W, ReplaceMe's map (arXiv 2505.02819, eq. 5), and dW with W as
 * `through`.
 * @throws EvaluationError if the equations cannot be solved, or `signal.reason`
 */
export function solveEquations(
	model: LoadedModel,
	equations: NormalEquations,
	{ ridge, through, threads, signal }: SolveOptions,
): Promise<{ update: Float32Array; explained: number }> {
	return model.runWithAddon(signal, (addon, cancel) => addon.solveEquations(equations.native, { ridge, threads }, through, cancel));
}

/** Frees the memory of normal equations now, which otherwise lasts until JavaScript's garbage collection. */
export function freeEquations(model: LoadedModel, { native }: NormalEquations): Promise<void> {
	return model.runWithAddon(undefined, async (addon) => addon.freeEquations(native));
}

/** Hidden states as numbers, one row of the model's width per token. */
export function stateValues(model: LoadedModel, states: HiddenStates): Promise<Float32Array> {
	return model.runWithAddon(undefined, async (addon) => addon.stateValues(states.native));
}

/** How the numbers of a matrix lie in bytes. */
export interface RowFormat {
	/** Number of the ggml type. */
	readonly type: number;
	/** Numbers in a row. */
	readonly rowLength: number;
}

/** Values as bytes of a ggml type. @throws QuantizeError if rows of that length cannot have that type */
export async function quantizeValues(
	model: LoadedModel,
	values: Float32Array,
	{ type, rowLength }: RowFormat,
	signal?: AbortSignal,
): Promise<Uint8Array> {
	// ggml ends the process for these.
	if (!isWeightType(type)) throw new QuantizeError(`rows of ${rowLength} values cannot have the type ${ggmlTypeName(type)}`);
	return model.runWithAddon(signal, (addon, cancel) => addon.quantizeValues(values, type, rowLength, cancel));
}

/** Bytes of a ggml type as values. @throws QuantizeError for types that hold no numbers */
export function dequantizeBytes(
	model: LoadedModel,
	bytes: Uint8Array,
	{ type, rowLength }: RowFormat,
	signal?: AbortSignal,
): Promise<Float32Array> {
	return model.runWithAddon(signal, (addon, cancel) => addon.dequantizeBytes(bytes, type, rowLength, cancel));
}
