import type { BlockPlan } from "../../src/model/architectures/index.js";

/** One set of blocks to remove, and why it is tried. */
export interface RemovalSet {
	readonly removed: readonly number[];
	readonly kind: string;
}

/** With more blocks than this, not all sets are searched for allowed ones. */
const SEARCHED_BLOCKS = 12;

/**
 * One block, two scattered ones, the first, the last, a run, the groups that a rule ties together, and the smallest set that each rule
 * refuses. Other allowed sets (of many sizes) follow until there are `atLeast` allowed ones.
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
	for (const removed of smallestRefused(plan)) add("refused by a rule", removed);
	const allowed = () => [...sets.values()].filter(({ removed }) => plan.check(removed) === undefined).length;
	const others = plan.support === "exact" ? allowedSets(plan) : [];
	// Strides through the list take sets of all sizes, the same ones each time.
	for (let i = 0; i < others.length && allowed() < atLeast; i++) add("other", others[(i * 7919) % others.length]!);
	return [...sets.values()];
}

/** All sets that the architecture allows, in the order of their bits; none for models with too many sets. */
export function allowedSets(plan: BlockPlan): number[][] {
	return allSets(plan).filter((removed) => plan.check(removed) === undefined);
}

/** For each reason of refusal, apart from block numbers, the set of fewest blocks. */
function smallestRefused(plan: BlockPlan): number[][] {
	if (plan.support === "refused") return [];
	const found = new Map<string, number[]>();
	for (const removed of allSets(plan).sort((a, b) => a.length - b.length)) {
		const reason = plan.check(removed)?.replace(/\d+/g, "N");
		if (reason !== undefined && !found.has(reason)) found.set(reason, removed);
	}
	return [...found.values()];
}

function allSets({ blocks }: BlockPlan): number[][] {
	if (blocks > SEARCHED_BLOCKS) return [];
	return Array.from({ length: 2 ** blocks - 2 }, (_, i) =>
		Array.from({ length: blocks }, (_, block) => block).filter((block) => ((i + 1) >> block) & 1),
	);
}
