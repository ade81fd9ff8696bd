import { EvaluationError, InvalidOptionError, NotEnoughMemoryError } from "../../errors.js";
import type { BlockVersion, MaskFigures, SweepStats } from "./addon.js";
import { checkMeasurable } from "./loadable.js";
import { sizeText } from "./memory.js";
import type { LoadedModel } from "./loaded-model.js";
import { type BlockMask, checkVersions, isInsideMerged, packMask, stackFrom } from "./masks.js";
import {
	bytesOfReference,
	checkPositions,
	countPositions,
	defaultReferenceBytes,
	positionsOf,
	Reference,
	type ScoredPositions,
	subsetErrors,
} from "./positions.js";
import { problemOfResuming, resumableDepths } from "./resuming.js";
import { defaultUbatch, mostSequences } from "./ubatch.js";
import { type StateType, stateTypes } from "./state-types.js";
import type { TokenWindows } from "./windows.js";

/** Settings of an evaluator. Those that can change bits are recorded in ledgers. */
export interface EvaluatorOptions {
	/**
	 * Tokens that run through a block at once, 1 to 65536; whole windows share a ubatch if they fit. The logits of one ubatch are held twice at
	 * a time; with `batchWindows` those of a decode and of a ubatch. @default 512, less if a large vocabulary would make the logits exceed 256 MiB
	 */
	ubatch?: number | undefined;
	/** Threads to compute with, 1 to 512. @default those of the model */
	threads?: number | undefined;
	/** Memory for hidden states kept between candidates, bytes; states beyond it are computed again. @default 2^30 */
	stateBytes?: number | undefined;
	/**
	 * Type of the hidden states kept between candidates. F16 (11 bits of mantissa, a power of two for each token) takes half the memory but changes
	 * bits. Losses then depend on where a mask was resumed, so on the batch that it is measured in. @default "F32"
	 */
	stateType?: StateType | undefined;
	/** Let candidates share the work of their common leading blocks. With F32 states the results have the same bits either way. @default true if the architecture can resume */
	sharePrefixes?: boolean | undefined;
}

/** Work of one call of {@link Evaluator.evaluate} so far; a block execution is one block over all windows. */
export interface EvaluationStats {
	/** Block executions. */
	blocksDone: number;
	/** Block executions that candidates did without, since others begin with the same blocks. */
	blocksShared: number;
	/** Tokens of finished candidates. */
	tokensDone: number;
}

/** How to measure one batch of candidates. */
export interface EvaluateCandidatesOptions {
	/** First position (0-based) of a window whose next token is scored. @default 0 */
	scoreFrom?: number | undefined;
	/**
	 * Windows in one decode; 0 for as many as share a ubatch. More windows than fit a ubatch are interleaved by llama.cpp. Candidates then share no
	 * work, and losses differ in their last bits. @default 0
	 */
	batchWindows?: number | undefined;
	/** Also compute the logits of a window's last position, which nothing uses: the shape of llama-perplexity's work. Always on if all positions are scored. @default false */
	outputLast?: boolean | undefined;
	/** Score only these positions, the same for every candidate; the LM head is not computed elsewhere. @default all from `scoreFrom` on */
	positions?: ScoredPositions | undefined;
	/** Also compare with the original model, whose distributions {@link Evaluator.createReference} kept for these windows and positions. */
	reference?: Reference | undefined;
	/** Also return the loss of every scored token. @default false */
	perToken?: boolean | undefined;
	/** Versions of blocks that masks may name, at most 252. They are measured on the loaded model, whose own matrices return afterwards. @default none */
	versions?: readonly BlockVersion[] | undefined;
	/** Also return a hash of the logits of each window, to compare two models bit for bit. @default false */
	digest?: boolean | undefined;
	signal?: AbortSignal | undefined;
	/** Called when each candidate is finished, in the order of the walk: `index` points into `masks`. */
	onCandidate?: ((index: number, evaluation: Evaluation, stats: EvaluationStats) => void) | undefined;
}

/** Results for one candidate. */
export interface Evaluation {
	/** Mean negative log-likelihood over the scored positions of each window, nats per token; NaN if the model broke down. */
	losses: Float64Array;
	/**
	 * If positions were given: standard error of each window's loss as an estimate of its loss over all positions, nats per token. It is for
	 * sampling without replacement, with the finite-population correction. 0 if all were scored, NaN with a single one.
	 */
	standardErrors?: Float64Array;
	/** Mean over the scored positions of KL(original model || mask), nats per token, one per window, with a reference. */
	divergences?: Float64Array;
	/** Share of the scored positions whose most likely token is the original model's, one per window, 0..1, with a reference. */
	agreements?: Float64Array;
	/** Loss of every scored token, window by window, if requested. */
	tokenLosses?: Float32Array;
	/** Divergence, and agreement (1 or 0), of every scored token, if requested with a reference. */
	tokenDivergences?: Float32Array;
	tokenAgreements?: Uint8Array;
	/** 64-bit FNV-1a over the bits of the scored positions' logits, one per window in hexadecimal, if requested. */
	digests?: string[];
}

/** Memory for hidden states kept between candidates by default, bytes. */
export const defaultStateBytes = 2 ** 30;

/** Measures sets of blocks on windows of tokens, in a separate thread. Made by `Model.createEvaluator`. */
export class Evaluator {
	readonly model: LoadedModel;
	readonly ubatch: number;
	readonly stateBytes: number;
	readonly stateType: StateType;
	readonly sharePrefixes: boolean;
	readonly threads: number;
	/** Whether every mask can be resumed at every depth. */
	readonly #anywhere: boolean;

	/**
	 * Whether the kept blocks of a mask from a depth (1..blocks) on can resume from a hidden state that another mask left there. Between the
	 * two parts of a merged block there is none.
	 */
	readonly resumes = (mask: BlockMask, depth: number): boolean => {
		if (!this.sharePrefixes) return false;
		const bytes = mask.toBytes();
		if (isInsideMerged(bytes, depth)) return false;
		return this.#anywhere || problemOfResuming(this.model, stackFrom(bytes, depth)) === undefined;
	};

	/** @internal */
	constructor(model: LoadedModel, options: EvaluatorOptions) {
		this.model = model;
		this.ubatch = inRange("ubatch", options.ubatch ?? defaultUbatch(model.facts.vocabulary), 1, 65536);
		this.stateBytes = inRange("stateBytes", options.stateBytes ?? defaultStateBytes, 0, Number.MAX_SAFE_INTEGER);
		this.stateType = options.stateType ?? "F32";
		if (!stateTypes.includes(this.stateType))
			throw new InvalidOptionError(`state-type must be one of ${stateTypes.join(", ")}, got ${this.stateType}`);
		this.threads = inRange("threads", options.threads ?? model.threads, 1, 512);
		const depths = resumableDepths(model);
		this.sharePrefixes = (options.sharePrefixes ?? true) && depths.includes(true);
		this.#anywhere = !depths.includes(false);
	}

	/**
	 * Losses of each candidate, in the order of `masks`. They have the same bits alone, in a batch and in any order of the batch (on a CPU, with F32
	 * states). Candidates that start alike share the work of their common blocks.
	 * @throws InvalidCandidateError for a set that the architecture cannot run (the empty set can, if a block can be made the identity)
	 * @throws UnsupportedArchitectureError if llama.cpp cannot compute a loss of the original model
	 * @throws EvaluationError, DisposedError, or `signal.reason`
	 */
	async evaluate(masks: readonly BlockMask[], windows: TokenWindows, options: EvaluateCandidatesOptions = {}): Promise<Evaluation[]> {
		const results = new Array<Evaluation | undefined>(masks.length);
		if (masks.length === 0) return [];
		const onCandidate: EvaluateCandidatesOptions["onCandidate"] = (index, evaluation, stats) => {
			results[index] = evaluation;
			options.onCandidate?.(index, evaluation, stats);
		};
		await this.#run(masks, windows, { ...options, onCandidate }, false);
		return results.map((result, i) => {
			if (!result) throw new EvaluationError(`mask ${i} was not measured`);
			return result;
		});
	}

	/**
	 * Keeps the model's own distributions at the scored positions, to compare masks (or other models of the same vocabulary) with them. They
	 * take two bytes for each position and token of the vocabulary. Results of the same pass for the mask go to `onCandidate`.
	 * @param mask the set of blocks whose distributions are kept (usually all blocks)
	 * @throws NotEnoughMemoryError if they take more than `maxBytes` (2^30 by default): score fewer positions, or allow more
	 */
	async createReference(
		mask: BlockMask,
		windows: TokenWindows,
		options: Pick<
			EvaluateCandidatesOptions,
			"scoreFrom" | "positions" | "signal" | "batchWindows" | "outputLast" | "perToken" | "onCandidate"
		> & {
			maxBytes?: number | undefined;
		} = {},
	): Promise<Reference> {
		const scored = positionsOf(windows, options.positions, options.scoreFrom ?? 0);
		const bytes = bytesOfReference(countPositions(scored), this.model.facts.vocabulary);
		const allowed = options.maxBytes ?? defaultReferenceBytes;
		if (bytes > allowed) {
			throw new NotEnoughMemoryError(
				`the original model's distributions at ${countPositions(scored)} positions take ${sizeText(bytes)}, but ${sizeText(allowed)} are allowed: score fewer positions, or raise maxBytes`,
			);
		}
		const { maxBytes: _, ...rest } = options;
		const { reference } = await this.#run([mask], windows, rest, true);
		return new Reference(reference!, windows, scored, this.model.facts.vocabulary);
	}

	/**
	 * How far the blocks turn the residual stream. State s is the hidden state before block s, state n the one after the last block.
	 * Entry a x (n + 1) + b compares state a with state b, averaged over all tokens of the windows.
	 * @returns `cosine`: mean cosine; `angular`: mean of arccos(cosine) / pi, 0..1
	 * @throws EvaluationError if the graph of the architecture gives no hidden states, InvalidOptionError for foreign windows
	 */
	async similarities(
		windows: TokenWindows,
		options: { signal?: AbortSignal | undefined } = {},
	): Promise<{ cosine: Float64Array; angular: Float64Array }> {
		checkMeasurable(this.model.path, this.model.blocks);
		this.#checkWindows(windows);
		return this.model.runJob(options.signal, (native, cancel) =>
			native.similarities(windows.tokens, { windowLength: windows.length, ubatch: this.ubatch, threads: this.threads }, cancel),
		);
	}

	async #run(masks: readonly BlockMask[], windows: TokenWindows, options: EvaluateCandidatesOptions, keepReference: boolean) {
		checkMeasurable(this.model.path, this.model.blocks);
		this.#checkWindows(windows);
		const scoreFrom = inRange("scoreFrom", options.scoreFrom ?? 0, 0, windows.length - 2);
		if (options.positions) checkPositions(windows, options.positions);
		options.reference?.check(windows, positionsOf(windows, options.positions, scoreFrom), this.model.facts.vocabulary);
		const bytes = this.#packMasks(masks);
		checkVersions(bytes, this.model, options.versions ?? []);
		const { positions } = options;
		return this.model.runJob(options.signal, (native, cancel, guard) =>
			native.evaluate(
				bytes,
				windows.tokens,
				{
					windowLength: windows.length,
					ubatch: this.ubatch,
					threads: this.threads,
					sharePrefixes: this.sharePrefixes,
					resumable: this.#resumable(masks),
					stateBytes: this.stateBytes,
					stateType: this.stateType,
					scoreFrom,
					batchWindows: inRange("batchWindows", options.batchWindows ?? 0, 0, mostSequences),
					outputLast: options.outputLast ?? false,
					perToken: (options.perToken ?? false) || positions !== undefined,
					digest: options.digest ?? false,
					versions: options.versions,
					scored: positions?.flags,
					reference: options.reference?.native,
					keepReference,
				},
				cancel,
				guard((index, figures, stats) => options.onCandidate?.(index, evaluationOf(figures, windows, options), publicStats(stats))),
			),
		);
	}

	#checkWindows(windows: TokenWindows): void {
		const { contextLength, vocabulary } = this.model.facts;
		if (!(windows.count >= 1) || !(windows.length >= 2) || windows.tokens.length !== windows.count * windows.length) {
			throw new InvalidOptionError(
				`expected at least one window of at least 2 tokens, got ${windows.count} of ${windows.length} with ${windows.tokens.length} tokens: cut them with makeWindows`,
			);
		}
		if (windows.length > contextLength) {
			throw new InvalidOptionError(
				`windows of ${windows.length} tokens exceed the model's context of ${contextLength}: give --window-length ${contextLength} or less`,
			);
		}
		const foreign = windows.tokens.find((token) => token < 0 || token >= vocabulary);
		if (foreign !== undefined) {
			throw new InvalidOptionError(
				`token ${foreign} is not in the model's vocabulary of ${vocabulary}: the windows were made with another model`,
			);
		}
	}

	/** One flag for each mask and depth, masks x (blocks + 1); undefined if every mask can resume at any depth. */
	#resumable(masks: readonly BlockMask[]): Uint8Array | undefined {
		if (!this.sharePrefixes || this.#anywhere) return undefined;
		const depths = [...Array(this.model.facts.blocks + 1).keys()];
		// At depth 0 a mask begins with its tokens.
		return Uint8Array.from(masks.flatMap((mask) => depths.map((depth) => Number(depth === 0 || this.resumes(mask, depth)))));
	}

	#packMasks(masks: readonly BlockMask[]): Uint8Array {
		const { blocks } = this.model.facts;
		const packed = new Uint8Array(masks.length * blocks);
		for (const [i, mask] of masks.entries()) packed.set(packMask(this.model, mask), i * blocks);
		return packed;
	}
}

const publicStats = ({ blocksSaved, ...stats }: SweepStats): EvaluationStats => ({ ...stats, blocksShared: blocksSaved });

function evaluationOf(figures: MaskFigures, windows: TokenWindows, { positions, perToken }: EvaluateCandidatesOptions): Evaluation {
	if (!positions) return figures;
	const { tokenLosses, tokenDivergences, tokenAgreements, ...rest } = figures;
	const standardErrors = subsetErrors(tokenLosses!, windows, positions);
	return perToken ? { ...figures, standardErrors } : { ...rest, standardErrors };
}

function inRange(name: string, value: number, min: number, max: number): number {
	if (!Number.isInteger(value) || value < min || value > max) {
		throw new InvalidOptionError(`${name} must be a whole number from ${min} to ${max}, got ${value}`);
	}
	return value;
}
