import { Random } from "../game/random.js";
import { type Attribution, ranking } from "./attribution.js";

/** Where a block stands when the k least needed ones are cut. */
export interface CutVerdict {
	readonly block: number;
	/** Chance that it is among the k of lowest contribution. */
	readonly chance: number;
	/** `low`: surely among them, `high`: surely not, else `undecided`. */
	readonly verdict: "low" | "high" | "undecided";
}

export interface CutOptions {
	/** Chance from which a block counts as sure, in (0.5, 1). @default 0.95 */
	readonly sure?: number;
	/** Blocks that are not cut whatever they contribute. @default none */
	readonly keep?: Iterable<number>;
	/** For contributions that come with standard errors instead of draws: they are drawn independently. @default 0 */
	readonly seed?: number | string;
}

const DRAWS = 400;

/**
 * Which blocks are surely among the k least needed, surely not, or undecided.
 * @param attribution with `drawn` games, or standard errors; with neither the ranking is taken as certain
 * @throws RangeError for k beyond the blocks that may be cut
 */
export function cutVerdicts(
	attribution: Attribution & { readonly drawn?: readonly Float64Array[] },
	k: number,
	options: CutOptions = {},
): CutVerdict[] {
	const { sure = 0.95 } = options;
	if (!(sure > 0.5 && sure < 1)) throw new RangeError(`sure must be in (0.5, 1), got ${sure}`);
	const keep = new Set(options.keep);
	const blocks = ranking(attribution.contributions).filter((block) => !keep.has(block));
	if (!Number.isInteger(k) || k < 1 || k > blocks.length) throw new RangeError(`k must be an integer in 1..${blocks.length}, got ${k}`);
	const counts = new Map(blocks.map((block) => [block, 0]));
	const games = gamesOf(attribution, options.seed ?? 0);
	for (const values of games) {
		const order = blocks.slice().sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
		for (const block of order.slice(0, k)) counts.set(block, (counts.get(block) as number) + 1);
	}
	return blocks
		.map((block): CutVerdict => {
			const chance = (counts.get(block) as number) / games.length;
			return { block, chance, verdict: chance >= sure ? "low" : chance <= 1 - sure ? "high" : "undecided" };
		})
		.sort((a, b) => a.block - b.block);
}

function gamesOf(attribution: Attribution & { readonly drawn?: readonly Float64Array[] }, seed: number | string): readonly Float64Array[] {
	if (attribution.drawn && attribution.drawn.length > 0) return attribution.drawn;
	const { contributions, standardErrors } = attribution;
	if (!standardErrors) return [contributions];
	const random = new Random(seed);
	return Array.from({ length: DRAWS }, () =>
		contributions.map((value, i) => {
			const error = standardErrors[i] as number;
			return value + (Number.isFinite(error) ? error : 0) * random.normal();
		}),
	);
}
