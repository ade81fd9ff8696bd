import { Random } from "../random.js";
import { disjointMovesOf } from "../moves.js";
import { type Attribution, ranking } from "./attribution.js";

/** Where a block stands when the k least important ones are cut. */
export interface CutVerdict {
	readonly block: number;
	/**
	 * Probability that it is among the k of lowest contribution; null if its error is unknown. If another block's error is unknown, it is
	 * halfway between the probabilities with all such blocks below it and above it.
	 */
	readonly chance: number | null;
	/** `low`: surely among them, `high`: surely not, whatever the place of blocks with unknown error; else `undecided`. */
	readonly verdict: "low" | "high" | "undecided";
}

export interface CutVerdictOptions {
	/** Probability from which a block counts as sure, in (0.5, 1). @default 0.95 */
	readonly sure?: number;
	/** Blocks that are never cut, whatever they contribute. @default none */
	readonly keep?: Iterable<number>;
	/** Blocks that are cut together, by their mean. If a unit no longer fits into k, the next one that fits is cut. @default each alone */
	readonly units?: readonly (readonly number[])[] | undefined;
	/** Blocks that may be cut and that the estimator says nothing about: their error is unknown. @default none */
	readonly unseen?: Iterable<number>;
	/** @default 0 */
	readonly seed?: number | string;
}

const DRAWS = 400;
/** Degrees of freedom from which Student's t is as good as normal. */
const MANY = 200;

/**
 * Which blocks are surely among the k least important, surely not, or undecided. Contributions are drawn from Student's t. If there are
 * `drawn` games, blocks that err together are drawn together along these; otherwise each move is drawn by its own standard error.
 * @param attribution with standard errors; without any the ranking is taken as certain
 * @returns one per block, in order; none if no error is known, or if the errors cover only the sampling of a surrogate
 * @throws RangeError for k beyond the blocks that may be cut
 */
export function cutVerdicts(attribution: Attribution, k: number, options: CutVerdictOptions = {}): CutVerdict[] {
	const { sure = 0.95 } = options;
	if (!(sure > 0.5 && sure < 1)) throw new RangeError(`sure must be in (0.5, 1), got ${sure}`);
	const keep = new Set(options.keep);
	const open = [...ranking(attribution.contributions), ...(options.unseen ?? [])];
	const blocks = [...new Set(open)].filter((block) => !keep.has(block)).sort((a, b) => a - b);
	if (!Number.isInteger(k) || k < 1 || k > blocks.length) throw new RangeError(`k must be an integer in 1..${blocks.length}, got ${k}`);
	if (attribution.errorsOf === "asking") return [];
	const moves = movesAmong(blocks, attribution.contributions.length, options.units);
	const unknown = new Set(moves.filter((move) => !isKnown(attribution, move)).flat());
	if (moves.length > 0 && moves.every(([block]) => unknown.has(block!))) return [];
	const games = gamesOf(attribution, moves, options.seed ?? 0);
	// Their place is unknown: what holds with them at both ends holds wherever they are.
	const chancesWith = (place: number) => chancesOf(k, moves, games, { blocks: unknown, place });
	const below = chancesWith(Number.NEGATIVE_INFINITY);
	const above = unknown.size > 0 ? chancesWith(Number.POSITIVE_INFINITY) : below;
	return blocks.map((block): CutVerdict => {
		if (unknown.has(block)) return { block, chance: null, verdict: "undecided" };
		const [least, most] = [below.get(block) ?? 0, above.get(block) ?? 0];
		const verdict = Math.min(least, most) >= sure ? "low" : Math.max(least, most) <= 1 - sure ? "high" : "undecided";
		return { block, chance: (least + most) / 2, verdict };
	});
}

/** Single blocks, and units all of whose blocks may be cut. */
function movesAmong(blocks: readonly number[], players: number, units: CutVerdictOptions["units"]): number[][] {
	const open = new Set(blocks);
	return disjointMovesOf({ players, frozen: new Map() }, units).filter((move) => move.every((block) => open.has(block)));
}

function isKnown({ contributions, standardErrors, degrees }: Attribution, move: readonly number[]): boolean {
	return move.every((block) => {
		// A block whose removal breaks the model is surely important, whatever its error.
		if (contributions[block] === Number.POSITIVE_INFINITY) return true;
		if (!Number.isFinite(contributions[block])) return false;
		if (!standardErrors) return true;
		const error = standardErrors[block] as number;
		return error === 0 || (Number.isFinite(error) && (degrees?.[block] ?? MANY) >= 1);
	});
}

/** Share of the games in which each block is among the k of lowest contribution, with the blocks of unknown error at their `place`. */
function chancesOf(
	k: number,
	moves: readonly (readonly number[])[],
	games: readonly Float64Array[],
	unknown: { readonly blocks: ReadonlySet<number>; readonly place: number },
): Map<number, number> {
	const counts = new Map<number, number>();
	for (const values of games) {
		const mean = (move: readonly number[]) =>
			unknown.blocks.has(move[0] as number) ? unknown.place : move.reduce((sum, block) => sum + (values[block] as number), 0) / move.length;
		for (const block of lowest(moves, mean, k)) counts.set(block, (counts.get(block) ?? 0) + 1);
	}
	return new Map([...counts].map(([block, count]) => [block, count / games.length]));
}

/** Blocks of the moves with the lowest contribution per block, k blocks at most. */
function lowest(moves: readonly (readonly number[])[], mean: (move: readonly number[]) => number, k: number): number[] {
	const order = moves.map((move) => ({ move, mean: mean(move) }));
	order.sort((a, b) => (a.mean === b.mean ? a.move[0]! - b.move[0]! : a.mean - b.mean));
	const cut: number[] = [];
	for (const { move } of order) if (cut.length + move.length <= k) cut.push(...move);
	return cut;
}

function gamesOf(attribution: Attribution, moves: readonly (readonly number[])[], seed: number | string): readonly Float64Array[] {
	const { contributions, standardErrors, degrees, drawn = [] } = attribution;
	if (!standardErrors && drawn.length === 0) return [contributions];
	const random = new Random(seed);
	const own = ownErrors(attribution);
	// A move whose removal breaks the model stays where it is.
	const finite = moves.flat().filter((block) => Number.isFinite(contributions[block]));
	return Array.from({ length: DRAWS }, () => {
		const values = contributions.slice();
		// One scale for all: few games make every deviation uncertain at once.
		const scale = drawn.length > 0 ? studentScale(random, drawn.length) / Math.sqrt(drawn.length) : 0;
		for (const game of drawn) {
			const weight = scale * random.normal();
			for (const block of finite) values[block]! += weight * ((game[block] as number) - contributions[block]!);
		}
		for (const move of moves) {
			// The blocks of a unit err together.
			const deviation = random.normal() * studentScale(random, degrees?.[move[0] as number] ?? MANY);
			for (const block of move) if (own[block] !== 0) values[block]! += (own[block] as number) * deviation;
		}
		return values;
	});
}

/** The part of each standard error that the drawn games do not show: all of it if there are none. */
function ownErrors({ contributions, standardErrors, drawn = [] }: Attribution): Float64Array {
	return contributions.map((center, block) => {
		if (!standardErrors || center === Number.POSITIVE_INFINITY) return 0;
		const spread = drawn.reduce((sum, game) => sum + ((game[block] as number) - center) ** 2, 0) / Math.max(1, drawn.length);
		return Math.sqrt(Math.max(0, (standardErrors[block] as number) ** 2 - spread));
	});
}

/** Factor that turns a normal deviation into one of Student's t. */
function studentScale(random: Random, degrees: number): number {
	if (!(degrees < MANY)) return 1;
	const count = Math.max(1, Math.floor(degrees));
	let squares = 0;
	for (let i = 0; i < count; i++) squares += random.normal() ** 2;
	return Math.sqrt(count / squares);
}
