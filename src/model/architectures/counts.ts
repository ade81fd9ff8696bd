import type { Check } from "./types.js";
import { possibleSet } from "./search.js";

/** A model, as far as numbers of blocks go. */
export interface Countable {
	readonly blocks: number;
	readonly frozen: ReadonlyMap<number, string>;
	readonly checks: readonly Check[];
	readonly units: readonly (readonly number[])[] | undefined;
	readonly maxRemovable: number;
}

/** Why no set of that many blocks can be removed; undefined where one may be. See `BlockPlan.countProblem`. */
export function countProblem(model: Countable, count: number, tied: boolean): string | undefined {
	const { blocks, frozen, checks, maxRemovable } = model;
	if (!Number.isInteger(count) || count < 1) return "expected a whole number of at least 1";
	if (count > maxRemovable) {
		const why = whyNoMore(model);
		return `at most ${maxRemovable} can be removed${why === undefined ? "" : ` (${why})`}`;
	}
	const rule = ruleOfNumber(model, count);
	if (rule) return rule;
	if (tied && !sizesOfGroups(model).has(count)) return "blocks go in groups, and no groups make that number";
	return possibleSet(blocks, frozen, checks, blocks - count) === "none" ? "no candidate of that size satisfies the rules" : undefined;
}

/** What keeps one block more than can go, if one rule says it. */
function whyNoMore(model: Countable): string | undefined {
	const { blocks, frozen, maxRemovable } = model;
	if (frozen.size > 0) return `${frozen.size === 1 ? "block" : "blocks"} ${[...frozen.keys()].join(", ")} must stay`;
	return maxRemovable === blocks - 1 ? "at least one block must be kept" : ruleOfNumber(model, maxRemovable + 1);
}

/** The rule that forbids a number of blocks, whichever they are. */
function ruleOfNumber({ blocks, checks }: Countable, count: number): string | undefined {
	const some = Array.from({ length: blocks - count }, (_, i) => i);
	return checks
		.filter((check) => check.countOnly)
		.map((check) => check.test(some))
		.find(Boolean);
}

/** Numbers of blocks that whole groups, and blocks in none, add up to. */
function sizesOfGroups({ blocks, frozen, units = [] }: Countable): ReadonlySet<number> {
	const tied = new Set(units.flat());
	const free = Array.from({ length: blocks }, (_, block) => block).filter((block) => !tied.has(block) && !frozen.has(block));
	const sizes = [...units.filter((unit) => !unit.some((block) => frozen.has(block))).map((unit) => unit.length), ...free.map(() => 1)];
	let sums = new Set([0]);
	for (const size of sizes) sums = new Set([...sums, ...[...sums].map((sum) => sum + size)]);
	return sums;
}
