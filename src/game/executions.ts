import type { Coalition } from "./coalition.js";

/**
 * Block executions of a batch: one for each kept block of each coalition, or, where coalitions that start alike share their work, one for
 * each distinct beginning that ends in a kept block.
 */
export function blockExecutions(coalitions: readonly Coalition[], shared: boolean): number {
	if (!shared) return coalitions.reduce((sum, coalition) => sum + coalition.size, 0);
	const sorted = [...new Set(coalitions.map((coalition) => coalition.key))].sort();
	let executions = 0;
	let before = "";
	for (const key of sorted) {
		let common = 0;
		while (common < before.length && before[common] === key[common]) common++;
		for (let block = common; block < key.length; block++) if (key[block] === "1") executions++;
		before = key;
	}
	return executions;
}
