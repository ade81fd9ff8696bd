import { InvalidOptionError } from "../../errors.js";
import { Random } from "../../game/random.js";
import type { ScoredPositions } from "../runtime/positions.js";
import type { TokenWindows } from "../runtime/windows.js";

/** Positions drawn in each window. */
export const drawnEach = (length: number, share: number, scoreFrom = 0): number =>
	Math.max(2, Math.round(share * (length - 1 - scoreFrom)));

/**
 * Draws positions to score: the same number in every window, without replacement, by a seeded generator.
 * @param share of the positions from `scoreFrom` on, above 0 and at most 1; at least two are drawn in each window
 * @throws InvalidOptionError if the share is out of range or a window has fewer than two positions
 */
export function drawPositions(
	windows: TokenWindows,
	{ share, seed = 0, scoreFrom = 0 }: { share: number; seed?: number; scoreFrom?: number },
): ScoredPositions {
	if (!(share > 0 && share <= 1)) throw new InvalidOptionError(`the share of scored positions must be above 0 and at most 1, got ${share}`);
	const all = windows.length - 1 - scoreFrom;
	if (!(all >= 2))
		throw new InvalidOptionError(
			`windows of ${windows.length} tokens scored from position ${scoreFrom} leave fewer than two positions; take longer windows`,
		);
	const count = drawnEach(windows.length, share, scoreFrom);
	const random = new Random(seed);
	const flags = new Uint8Array(windows.count * windows.length);
	const choices = Array.from({ length: all }, (_, i) => scoreFrom + i);
	for (let window = 0; window < windows.count; window++) {
		for (const position of random.sample(choices, count)) flags[window * windows.length + position] = 1;
	}
	return { flags, scoreFrom };
}
