import { CalibrationError } from "../../errors.js";
import { hashOfBytes } from "../../storage/hash.js";

/** Windows of tokens of one length, row by row. */
export interface TokenWindows {
	/** `count` x `length` token ids, row-major. */
	readonly tokens: Int32Array;
	readonly count: number;
	/** Tokens in a window; its first `length - 1` positions predict the next token. */
	readonly length: number;
}

/** @throws CalibrationError if the tokens are not a whole number of windows, or a window has fewer than 2 tokens */
export function makeWindows(tokens: Int32Array, length: number): TokenWindows {
	if (!Number.isInteger(length) || length < 2) throw new CalibrationError(`a window needs at least 2 tokens, got a length of ${length}`);
	if (tokens.length === 0 || tokens.length % length !== 0) {
		throw new CalibrationError(`${tokens.length} tokens are not a whole number of windows of ${length}`);
	}
	return { tokens, count: tokens.length / length, length };
}

/** SHA-256 of the windows: length, then the tokens as little-endian 32-bit integers. */
export function hashWindows(windows: TokenWindows): string {
	const bytes = Buffer.alloc(4 * (windows.tokens.length + 1));
	bytes.writeInt32LE(windows.length, 0);
	windows.tokens.forEach((token, i) => {
		bytes.writeInt32LE(token, 4 * (i + 1));
	});
	return hashOfBytes(bytes);
}

/** The first `count` windows. */
export function firstWindows(windows: TokenWindows, count: number): TokenWindows {
	return makeWindows(windows.tokens.subarray(0, Math.min(count, windows.count) * windows.length), windows.length);
}

/** Windows of one length, one set after another. */
export function concatWindows(sets: readonly TokenWindows[]): TokenWindows {
	const length = sets[0]?.length ?? 0;
	const tokens = new Int32Array(sets.reduce((sum, set) => sum + set.tokens.length, 0));
	let at = 0;
	for (const set of sets) {
		if (set.length !== length) throw new CalibrationError(`windows of ${length} and of ${set.length} tokens cannot be mixed`);
		tokens.set(set.tokens, at);
		at += set.tokens.length;
	}
	return makeWindows(tokens, length);
}
