import { InvalidOptionError } from "../../errors.js";
import { formatBlocks } from "../../notation.js";

/** A run of removed blocks, and the kept block that comes before it. */
export interface Cut {
	/** Missing if the run is at the very start: no block before it could be refitted. */
	readonly before: number | undefined;
	/** First and last removed block. */
	readonly first: number;
	readonly last: number;
}

/**
 * The cuts that removing these blocks makes, from the first to the last.
 * @param removed ascending
 * @throws InvalidOptionError if they are not blocks as a whole
 */
export function cutsOf(removed: readonly number[]): Cut[] {
	const half = removed.find((position) => !Number.isInteger(position));
	if (half !== undefined)
		throw new InvalidOptionError(
			`healing at a half-block cut (${formatBlocks(removed)}) is not supported yet: leave out --heal, or remove whole blocks`,
		);
	const cuts: Cut[] = [];
	for (const block of removed) {
		const cut = cuts.at(-1);
		if (cut?.last === block - 1) cuts[cuts.length - 1] = { ...cut, last: block };
		else cuts.push({ before: block === 0 ? undefined : block - 1, first: block, last: block });
	}
	return cuts;
}
