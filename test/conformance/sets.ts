import type { BlockPlan } from "../../src/architectures/index.js";

/** One set of blocks to remove, and why it is tried. */
export interface RemovalSet {
	readonly removed: readonly number[];
	readonly kind: string;
}

/** Beyond this many blocks not all sets are looked through for allowed ones. */
const SEARCHED_BLOCKS = 12;

/**
 * One block, two scattered, the first, the last, a run, the groups that a rule ties together, and as many other sets that the
 * architecture allows (of many sizes) as bring the allowed ones to `atLeast`.
 */
export function removalSets(plan: BlockPlan, atLeast: number): RemovalSet[] {
	const { blocks } = plan;
	const sets = new Map<string, RemovalSet>();
	const add = (kind: string, removed: readonly number[]) => {
		const sorted = [...new Set(removed)].filter((block) => block >= 0 && block < blocks).sort((a, b) => a - b);
		const key = sorted.join(",");
		if (sorted.length > 0 && sorted.length < blocks && !sets.has(key)) sets.set(key, { kind, removed: sorted });
	};
	add("one", [Math.floor(blocks / 3)]);
	add("two scattered", [1, blocks - 2]);
	add("first", [0]);
	add("last", [blocks - 1]);
	add("run", [1, 2, 3]);
	for (const unit of plan.units ?? []) add("tied group", unit);
	if (plan.units && plan.units.length > 1) add("tied groups", [...plan.units[0]!, ...plan.units.at(-1)!]);
	const allowed = () => [...sets.values()].filter(({ removed }) => plan.check(removed) === undefined).length;
	const others = plan.support === "exact" ? allowedSets(plan) : [];
	// Strides through the list take sets of all sizes, the same ones each time.
	for (let i = 0; i < others.length && allowed() < atLeast; i++) add("other", others[(i * 7919) % others.length]!);
	return [...sets.values()];
}

/** All sets that the architecture allows, in the order of their bits; none for models too large to look through. */
export function allowedSets(plan: BlockPlan): number[][] {
	if (plan.blocks > SEARCHED_BLOCKS) return [];
	const sets: number[][] = [];
	for (let bits = 1; bits < 2 ** plan.blocks - 1; bits++) {
		const removed = Array.from({ length: plan.blocks }, (_, i) => i).filter((i) => (bits >> i) & 1);
		if (plan.check(removed) === undefined) sets.push(removed);
	}
	return sets;
}
