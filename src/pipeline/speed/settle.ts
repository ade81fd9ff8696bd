// Which number of blocks reaches a speed-up, and how sure that is. Pure: what measures is handed in.
import { InvalidOptionError } from "../../errors.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { formatSignificant } from "../../report/format.js";
import type { Speedup } from "../../api/speed.js";
import type { SpeedRatio } from "../../storage/plan-speed.js";
import { ratioOf } from "./figures.js";

/** Seconds of the repetitions of the original model, and of what took turns with it. */
export interface TurnSeconds {
	readonly before: ArrayLike<number>;
	readonly after: ArrayLike<number>;
}

/** Measures the model without so many blocks, one a count. */
export type MeasureCounts = (counts: readonly number[]) => Promise<readonly TurnSeconds[]>;

/** Comparisons that follow where the first ones do not tell how many blocks it takes. */
export const mostFurther = 6;
/** How often a number is measured again then, so that it has three times as many repetitions. */
const timesAgain = 2;

/** What is searched for, and what the errors name. */
export interface SpeedGoal {
	readonly target: number;
	readonly of: Speedup;
	readonly blocks: Pick<BlockPlan, "blocks">;
}

/** Numbers of blocks, the least and the most that it may take. */
export interface CountRange {
	readonly least: number;
	readonly most: number;
}

/** A number of blocks, what it may be as well, and what was measured without how many blocks. */
export interface SettledCount {
	readonly count: number;
	/** Undefined if no interval is known. */
	readonly range: CountRange | undefined;
	readonly ratios: ReadonlyMap<number, SpeedRatio>;
}

/**
 * The fewest blocks that reach a target. If the interval leaves more open than one block on either side, the numbers around it are
 * measured again, at most {@link mostFurther} times, and all repetitions count.
 * @param counts ascending
 * @throws InvalidOptionError where it cannot be reached
 */
export async function settleCount(counts: readonly number[], goal: SpeedGoal, measure: MeasureCounts): Promise<SettledCount> {
	const pool = new Pool(measure);
	const first = await fewest(counts, goal, (some) => pool.measure(some));
	if (!isOpen(counts, rangeOf(counts, goal.target, pool.known(first)))) return pool.settled(counts, goal.target, first);
	let left = mostFurther;
	const again = async (some: readonly number[]) => {
		// The largest number has the least error, and only says about where to look.
		if (some.length > 1 || some[0] !== counts.at(-1)) for (let i = 0; i < timesAgain && left > 0; i++, left--) await pool.measure(some);
		const unknown = some.filter((count) => !pool.has(count));
		if (unknown.length > 0) await pool.measure(unknown);
		return some.map((count) => pool.ratio(count).value);
	};
	return pool.settled(counts, goal.target, await fewest(counts, goal, again));
}

/** Whether there is more than the number and one on either side of it. */
export function isOpen(counts: readonly number[], range: CountRange | undefined): boolean {
	return range !== undefined && counts.indexOf(range.most) - counts.indexOf(range.least) > 2;
}

/** All that was measured without a number of blocks, in one measurement or more. */
class Pool {
	readonly #measure: MeasureCounts;
	readonly #seconds = new Map<number, { before: number[]; after: number[] }>();

	constructor(measure: MeasureCounts) {
		this.#measure = measure;
	}

	has(count: number): boolean {
		return this.#seconds.has(count);
	}

	async measure(counts: readonly number[]): Promise<number[]> {
		const found = await this.#measure(counts);
		for (const [i, count] of counts.entries()) {
			const { before, after } = this.#seconds.get(count) ?? { before: [], after: [] };
			this.#seconds.set(count, { before: [...before, ...Array.from(found[i]!.before)], after: [...after, ...Array.from(found[i]!.after)] });
		}
		return counts.map((count) => this.ratio(count).value);
	}

	ratio(count: number): SpeedRatio {
		const { before, after } = this.#seconds.get(count)!;
		return ratioOf(before, after);
	}

	known(count: number): { count: number; ratio: SpeedRatio } {
		return { count, ratio: this.ratio(count) };
	}

	settled(counts: readonly number[], target: number, count: number): SettledCount {
		const ratios = new Map([...this.#seconds.keys()].sort((a, b) => a - b).map((one) => [one, this.ratio(one)]));
		return { count, range: rangeOf(counts, target, this.known(count)), ratios };
	}
}

/** What a number may be as well, by the interval of its ratio: every block takes the same share of the time, nearly. */
export function rangeOf(
	counts: readonly number[],
	target: number,
	{ count, ratio }: { readonly count: number; readonly ratio: SpeedRatio },
): CountRange | undefined {
	const { interval } = ratio;
	if (!interval) return undefined;
	const needed = (ratio: number) => {
		const expected = ratio > 1 ? ((1 - 1 / target) * count) / (1 - 1 / ratio) : Number.POSITIVE_INFINITY;
		return counts.find((one) => one >= expected - 1e-9) ?? counts.at(-1)!;
	};
	return { least: Math.min(count, needed(interval.high)), most: Math.max(count, needed(interval.low)) };
}

/**
 * The fewest blocks whose ratio reaches the target: first the most that can go, which also says about where to look, then around that.
 * @param counts ascending
 * @param ratios measures how many times as fast the model is without so many blocks, one a count
 */
export async function fewest(
	counts: readonly number[],
	{ target, of, blocks }: SpeedGoal,
	ratios: (counts: readonly number[]) => Promise<readonly number[]>,
): Promise<number> {
	const last = counts.length - 1;
	const [largest] = await ratios([counts[last]!]);
	if (largest! < target) {
		throw new InvalidOptionError(
			`target-speedup ${target} cannot be reached: without ${counts[last]} of ${blocks.blocks} blocks ${of} is ${formatSignificant(largest!)} times as fast, the most that was measured. Ask for less.`,
		);
	}
	// Every block takes the same share of the time, nearly.
	const share = (1 - 1 / largest!) / counts[last]!;
	const expected = (1 - 1 / target) / share;
	let below = -1;
	let above = last;
	let guess = counts.findIndex((count) => count >= expected - 1e-9);
	while (above - below > 1) {
		const center = Math.min(Math.max(guess, below + 1), above - 1);
		const tried = [center - 1, center, center + 1].filter((i) => i > below && i < above);
		const found = await ratios(tried.map((i) => counts[i]!));
		// Neighbors may change places by chance: the fewest that reaches it counts.
		const reaching = tried.find((_, k) => found[k]! >= target);
		if (reaching !== undefined) above = reaching;
		below = Math.max(below, ...tried.filter((i) => i < above));
		guess = reaching === undefined ? below + 1 : above - 1;
	}
	return counts[above]!;
}
