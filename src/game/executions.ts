import { type Coalition, distinct } from "./coalition.js";

/** Whether the kept blocks of a coalition from a depth (1..n) on can go on from the hidden state before them. */
export type Resumes = (coalition: Coalition, depth: number) => boolean;

/**
 * Block executions of a batch, coalitions that come twice counting once. Each goes on from the deepest beginning that it shares with
 * another one and can be resumed from; what follows runs, one execution a kept block. Counted for a batch of which all positions are
 * scored, and without the blocks that run as identities where a head or a kind of memory needs one.
 */
export function blockExecutions(coalitions: readonly Coalition[], resumes: Resumes = () => true): number {
	const sorted = distinct(coalitions).sort((a, b) => (a.key < b.key ? -1 : 1));
	let executions = 0;
	let before = "";
	for (const coalition of sorted) {
		const { key } = coalition;
		let depth = 0;
		while (depth < before.length && before[depth] === key[depth]) depth++;
		while (depth > 0 && !resumes(coalition, depth)) depth--;
		for (let block = depth; block < key.length; block++) if (key[block] === "1") executions++;
		before = key;
	}
	return executions;
}
