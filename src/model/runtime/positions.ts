import { InvalidOptionError } from "../../errors.js";
import type { NativeReference } from "./addon.js";
import type { TokenWindows } from "./windows.js";

/** Scored positions of windows, the same for every mask. At position p (0-based) the loss of token p + 1 counts. */
export interface ScoredPositions {
	/** Windows x length, row-major: 1 if the position is scored. The last position of a window predicts nothing and must be 0. */
	readonly flags: Uint8Array;
	/** First position that could be drawn: earlier ones are context only. */
	readonly scoreFrom: number;
}

/** @throws InvalidOptionError if the flags do not fit the windows, or a window has no scored position */
export function checkPositions(windows: TokenWindows, { flags, scoreFrom }: ScoredPositions): void {
	if (flags.length !== windows.count * windows.length) {
		throw new InvalidOptionError(
			`positions are given for ${flags.length} tokens, but ${windows.count} windows of ${windows.length} have ${windows.count * windows.length}`,
		);
	}
	if (!Number.isInteger(scoreFrom) || scoreFrom < 0 || scoreFrom > windows.length - 2)
		throw new InvalidOptionError(`scoreFrom must be 0 to ${windows.length - 2}, got ${scoreFrom}`);
	for (let window = 0; window < windows.count; window++) {
		const row = flags.subarray(window * windows.length, (window + 1) * windows.length);
		if (row.at(-1) !== 0) throw new InvalidOptionError(`the last position of window ${window} predicts nothing and cannot be scored`);
		if (!row.includes(1)) throw new InvalidOptionError(`no position of window ${window} is scored`);
		const early = row.subarray(0, scoreFrom).indexOf(1);
		if (early >= 0) throw new InvalidOptionError(`position ${early} of window ${window} lies before scoreFrom = ${scoreFrom}`);
	}
}

/** The given positions, or all from `scoreFrom` on. */
export function positionsOf(windows: TokenWindows, positions: ScoredPositions | undefined, scoreFrom: number): ScoredPositions {
	if (positions) return positions;
	const flags = new Uint8Array(windows.count * windows.length);
	for (let i = 0; i < flags.length; i++) flags[i] = i % windows.length >= scoreFrom && (i + 1) % windows.length !== 0 ? 1 : 0;
	return { flags, scoreFrom };
}

/** Scored positions of all windows together. */
export function countPositions({ flags }: ScoredPositions): number {
	return flags.reduce((sum, flag) => sum + (flag === 0 ? 0 : 1), 0);
}

/** Standard error of each window's mean over the drawn positions, as an estimate of its mean over all of them. */
export function subsetErrors(tokenLosses: Float32Array, windows: TokenWindows, { flags, scoreFrom }: ScoredPositions): Float64Array {
	const all = windows.length - 1 - scoreFrom;
	const errors = new Float64Array(windows.count);
	let at = 0;
	for (let window = 0; window < windows.count; window++) {
		const count = flags
			.subarray(window * windows.length, (window + 1) * windows.length)
			.reduce((sum, flag) => sum + (flag === 0 ? 0 : 1), 0);
		const losses = tokenLosses.subarray(at, at + count);
		at += count;
		const mean = losses.reduce((sum, loss) => sum + loss, 0) / count;
		const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (count - 1);
		errors[window] = count === all ? 0 : Math.sqrt((variance / count) * (1 - count / all));
	}
	return errors;
}

/**
 * The original model's next-token distributions at the scored positions of some windows. They are log-probabilities in steps of 1/2048 nat
 * below the most likely token, down to 32 nats, normalized again when read. A divergence KL(original || mask) measured with it is off by
 * less than 5e-4 x E|log p/q| nats, with p the original model, q the mask and E the mean under p. Made by {@link Evaluator.createReference}.
 */
export class Reference {
	/** @internal */
	readonly native: NativeReference;
	/** Number of kept positions. */
	readonly positions: number;
	readonly vocabulary: number;
	readonly bytes: number;
	readonly #windows: TokenWindows;
	readonly #scored: ScoredPositions;

	/** @internal */
	constructor(native: NativeReference, windows: TokenWindows, scored: ScoredPositions, vocabulary: number) {
		this.native = native;
		this.#windows = windows;
		this.#scored = scored;
		this.positions = countPositions(scored);
		this.vocabulary = vocabulary;
		this.bytes = bytesOfReference(this.positions, vocabulary);
	}

	/**
	 * @internal
	 * @throws InvalidOptionError if the reference was made for other windows, other positions or another vocabulary
	 */
	check(windows: TokenWindows, scored: ScoredPositions, vocabulary: number): void {
		const fits =
			windows.length === this.#windows.length &&
			sameBytes(windows.tokens, this.#windows.tokens) &&
			sameBytes(scored.flags, this.#scored.flags) &&
			vocabulary === this.vocabulary;
		if (fits) return;
		throw new InvalidOptionError(
			`the reference was made for ${this.positions} positions of ${this.#windows.count} windows and a vocabulary of ${this.vocabulary}: it does not fit these windows, positions or model`,
		);
	}
}

/** Bytes that one reference may take by default. */
export const defaultReferenceBytes = 2 ** 30;

/** Bytes of a reference. */
export const bytesOfReference = (positions: number, vocabulary: number): number => 2 * positions * vocabulary;

function sameBytes(a: Int32Array | Uint8Array, b: Int32Array | Uint8Array): boolean {
	return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}
