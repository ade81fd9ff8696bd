import { Random } from "../game/random.js";
import { disjointMovesOf } from "../game/moves.js";
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
	/** Blocks that are cut together, by their mean; where one does not fit into k any more the next that does is cut. @default each alone */
	readonly units?: readonly (readonly number[])[] | undefined;
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
	const moves = movesAmong(blocks, attribution.contributions.length, options.units);
	const games = gamesOf(attribution, moves, options.seed ?? 0);
	for (const values of games) {
		for (const block of lowest(moves, values, k)) counts.set(block, (counts.get(block) as number) + 1);
	}
	return blocks
		.map((block): CutVerdict => {
			const chance = (counts.get(block) as number) / games.length;
			return { block, chance, verdict: chance >= sure ? "low" : chance <= 1 - sure ? "high" : "undecided" };
		})
		.sort((a, b) => a.block - b.block);
}

/** Single blocks, and units all of whose blocks may be cut. */
function movesAmong(blocks: readonly number[], players: number, units: CutOptions["units"]): number[][] {
	const open = new Set(blocks);
	return disjointMovesOf({ players, frozen: new Map() }, units).filter((move) => move.every((block) => open.has(block)));
}

/** Blocks of the moves of lowest contribution a block, k blocks at most. */
function lowest(moves: readonly (readonly number[])[], values: Float64Array, k: number): number[] {
	const mean = (move: readonly number[]) => move.reduce((sum, block) => sum + (values[block] as number), 0) / move.length;
	const order = moves.map((move) => ({ move, mean: mean(move) })).sort((a, b) => a.mean - b.mean || a.move[0]! - b.move[0]!);
	const cut: number[] = [];
	for (const { move } of order) if (cut.length + move.length <= k) cut.push(...move);
	return cut;
}

function gamesOf(
	attribution: Attribution & { readonly drawn?: readonly Float64Array[] },
	moves: readonly (readonly number[])[],
	seed: number | string,
): readonly Float64Array[] {
	if (attribution.drawn && attribution.drawn.length > 0) return attribution.drawn;
	const { contributions, standardErrors } = attribution;
	if (!standardErrors) return [contributions];
	const random = new Random(seed);
	return Array.from({ length: DRAWS }, () => {
		const values = contributions.slice();
		for (const move of moves) {
			// The blocks of a unit err together.
			const deviation = random.normal();
			for (const block of move) {
				const error = standardErrors[block] as number;
				values[block]! += (Number.isFinite(error) ? error : 0) * deviation;
			}
		}
		return values;
	});
}
