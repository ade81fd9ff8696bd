import { type Coalition, distinct } from "./coalition.js";

/** Whether the blocks that a coalition keeps from a depth (1..n) on can resume from the hidden state before them. */
export type Resumes = (coalition: Coalition, depth: number) => boolean;

/**
 * Block executions of a batch; coalitions that occur twice count once. Each coalition resumes from the deepest prefix that it shares with
 * another one and that allows it; the rest runs, one execution per kept block. The attention part of a block and the feed-forward part of a
 * later one count as one block, inside which nothing resumes. The count is for a batch with all positions scored. It leaves
 * out blocks that run as identities because an attention head or a kind of memory needs one.
 */
export function blockExecutions(coalitions: readonly Coalition[], resumes: Resumes = () => true): number {
	const sorted = distinct(coalitions).sort((a, b) => (a.key < b.key ? -1 : 1));
	let executions = 0;
	let before = "";
	for (const coalition of sorted) {
		const { key } = coalition;
		let depth = 0;
		while (depth < before.length && before[depth] === key[depth]) depth++;
		while (depth > 0 && (/a0*$/.test(key.slice(0, depth)) || !resumes(coalition, depth))) depth--;
		for (let block = depth; block < key.length; block++) if (key[block] === "1" || key[block] === "f") executions++;
		before = key;
	}
	return executions;
}
