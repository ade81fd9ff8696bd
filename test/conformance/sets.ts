import type { BlockPlan } from "../../src/model/architectures/index.js";

/** One set of blocks to remove, and why it is tried. */
export interface RemovalSet {
	readonly removed: readonly number[];
	readonly kind: string;
}

/** Whether halves of blocks are removed. */
export function hasHalves(removed: readonly number[]): boolean {
	return !removed.every(Number.isInteger);
}

/** With more blocks than this, not all sets are searched for allowed ones, and not all halves are removed. */
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
	return [...sets.values(), ...halfSets(plan)];
}

/**
 * Sets without attention parts alone. If the architecture allows them: one at each place, the last, several in a row, scattered ones, all but
 * the first, and beside whole blocks, half-block cuts and both. The first block's is refused, and the next one's without the first block.
 * Blocks without attention are left out of these; one that is asked for is refused. If the architecture does not allow it, one set, which is
 * refused.
 */
export function attentionSets(plan: BlockPlan): RemovalSet[] {
	const { blocks } = plan;
	if (blocks < 6) return [];
	const middle = Math.floor(blocks / 2);
	if (!plan.attention.allowed) return [{ kind: "attention", removed: [middle + 0.25] }];
	const attends = (position: number) => !plan.withoutAttention.includes(Math.floor(position));
	/** Those of the sets below that this model has attentions for. */
	const kept = ({ removed }: RemovalSet) => removed.every((position) => Number.isInteger(2 * position) || attends(position));
	const attentions = (from: number, to: number, step = 1) =>
		Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step + 0.25).filter(attends);
	const places = blocks > SEARCHED_BLOCKS ? [1.25, middle + 0.25, blocks - 0.75] : attentions(1, blocks - 1);
	return [
		...places.map((place) => ({ kind: "attention", removed: [place] })),
		{ kind: "attentions in a row", removed: attentions(1, 3) },
		{ kind: "scattered attentions", removed: attentions(1, blocks - 1, 2) },
		{ kind: "all attentions but the first", removed: attentions(1, blocks - 1) },
		{ kind: "attentions and blocks", removed: [0, 2.25, blocks - 2] },
		{ kind: "attentions and blocks", removed: [1.25, 2, 3.25, blocks - 1] },
		{ kind: "attention beside half-block cuts", removed: [1.5, 3.25, blocks - 1.5] },
		{ kind: "attention after a half-block cut", removed: [0.5, 2.25, 3.25] },
		{ kind: "attentions, blocks and half-block cuts", removed: [1, 2.25, 3.5, blocks - 0.75] },
		{ kind: "attention of the first block", removed: [0.25] },
		{ kind: "attention of the new first block", removed: [0, 1.25] },
		...plan.withoutAttention.slice(0, 1).map((block) => ({ kind: "attention that is not there", removed: [block + 0.25] })),
	].filter((set) => set.kind === "attention that is not there" || kept(set));
}

/**
 * Sets with halves of blocks. If the architecture allows them: a shifted pair at each place (so beside each change from sliding windows to
 * full attention too), two pairs, runs of pairs (a merge of what a merge left), pairs beside whole blocks, and every run that a rule allows
 * if it refuses most. Otherwise one pair, to see what is refused.
 */
export function halfSets(plan: BlockPlan): RemovalSet[] {
	const { blocks } = plan;
	const middle = Math.floor(blocks / 2) - 0.5;
	if (blocks < 3) return [];
	if (!plan.parts.allowed) return [{ kind: "shifted pair", removed: [middle] }];
	const sets = new Map<string, RemovalSet>();
	const add = (kind: string, removed: readonly number[]) => {
		const fits = removed.every((position, i) => position >= (removed[i - 1] ?? -1) + 1 && position <= blocks - 1);
		if (fits && removed.length < blocks && !sets.has(removed.join())) sets.set(removed.join(), { kind, removed });
	};
	const run = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);
	const places = blocks > SEARCHED_BLOCKS ? [0.5, middle, blocks - 1.5] : run(0.5, blocks - 1);
	for (const place of places) add("shifted pair", [place]);
	add("two merges", [0.5, blocks - 1.5]);
	add("two merges", [0.5, 2.5]);
	add("merge of a merge", run(middle - 1, 2));
	add("merge of a merge", run(0.5, Math.min(3, blocks - 1)));
	add("pair after a block", [0, 1.5]);
	add("pair before a block", [blocks - 2.5, blocks - 1]);
	for (const unit of plan.units ?? []) add("shifted group", run(unit[0]! + 0.5, unit.length));
	if (blocks > SEARCHED_BLOCKS) return [...sets.values()];
	const allowed = () => [...sets.values()].filter(({ removed }) => plan.check(removed) === undefined).length;
	for (let length = 2; length < blocks && allowed() < 3; length++)
		for (const place of places) {
			const removed = run(place, length);
			if (removed.at(-1)! <= blocks - 1 && plan.check(removed) === undefined) add("run of pairs", removed);
		}
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
