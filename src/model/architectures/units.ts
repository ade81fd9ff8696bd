import { activeRules, indexerOf, type RuledModel, periodOf } from "./rules.js";

/**
 * The groups that a rule ties together, if one does: complete periods of an index rule (and the remainder after the last one), or a
 * block with an indexer and the blocks that share it. Groups that cannot be removed are left out. Other sets may be possible too, if
 * each kept block keeps its place in the pattern; `check` knows.
 */
export function tiedUnits(model: RuledModel, check: (removed: readonly number[]) => string | undefined): number[][] | undefined {
	const { facts, keys } = model;
	const periods = activeRules(model).flatMap((rule) => (rule.rule === "position" ? [periodOf(rule, keys)] : []));
	const period = periods.filter((length) => length > 1).reduce(leastCommonMultiple, 1);
	if (period > 1) return wholePeriods(facts.trunk, period).filter((unit) => check(unit) === undefined);
	if (facts.indexer?.some((own) => !own)) return sharers(facts.trunk, facts.indexer).filter((unit) => check(unit) === undefined);
	return undefined;
}

function wholePeriods(blocks: number, period: number): number[][] {
	const units: number[][] = [];
	for (let start = 0; start < blocks; start += period) {
		units.push(Array.from({ length: Math.min(period, blocks - start) }, (_, i) => start + i));
	}
	return units;
}

function sharers(blocks: number, indexer: readonly boolean[]): number[][] {
	const units = new Map<number, number[]>();
	for (let block = 0; block < blocks; block++) {
		const owner = indexerOf(block, indexer);
		units.set(owner, [...(units.get(owner) ?? []), block]);
	}
	return [...units.values()];
}

function leastCommonMultiple(a: number, b: number): number {
	let [x, y] = [a, b];
	while (y > 0) [x, y] = [y, x % y];
	return (a / x) * b;
}
