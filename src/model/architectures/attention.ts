// Attention parts alone: whether a model can lose them, and what its file then is.
import { isAttention, type StackedBlock } from "../../game/parts.js";
import { shownText } from "../../storage/shown-text.js";
import type { GgufEntry } from "../gguf/types.js";
import type { BlockFacts } from "./block-facts.js";
import { encodeEntry } from "../gguf/value.js";
import { headSizesOf } from "./head-sizes.js";
import type { ModelKeys } from "./keys.js";
import type { RuledModel } from "./rules.js";
import { NOT_EXACT, SHARED_TENSORS, WITHOUT_ATTENTION } from "./table/attention.js";
import type { PartsAllowed } from "./types.js";

/** Whether blocks of this model can lose their attention part alone. */
export function attentionOf(model: RuledModel, refused: string | undefined): PartsAllowed {
	const reason = refused ?? attentionObstacle(model);
	return reason === undefined ? { allowed: true } : { allowed: false, reason };
}

function attentionObstacle({ keys, facts }: RuledModel): string | undefined {
	const { architecture, file } = keys;
	if (!WITHOUT_ATTENTION.has(architecture)) {
		const more = NOT_EXACT.get(architecture);
		return `llama.cpp can run blocks without attention only in the graph of ${[...WITHOUT_ATTENTION.keys()].join(" and ")}, not of ${shownText(architecture)}${more ? `: ${more}` : ""}`;
	}
	if (facts.tail > 0) return "the model has blocks for multi-token prediction";
	if ((keys.number("expert_count") ?? 0) > 0) return "the graph of blocks without attention has no experts";
	const stranger = file.tensors.find(({ name }) => !SHARED_TENSORS.test(name));
	if (stranger)
		return `it is not known that the graph of blocks without attention uses the tensor ${shownText(stranger.name)} in the same way`;
	const becomes = WITHOUT_ATTENTION.get(architecture)!.becomes;
	const taken = becomes === architecture ? undefined : file.entries.find(({ key }) => key.startsWith(`${becomes}.`));
	if (taken) return `the file would be of the architecture ${becomes}, and has the key ${shownText(taken.key)} of it already`;
	if (facts.feedForward.includes(0)) return "a block of the model has no feed-forward part";
	const sizes = new Set(Object.values(headSizesOf(keys)));
	if (sizes.size > 1) return "keys, values and rotations of an attention head differ in size";
	return undefined;
}

/** Blocks of a file that have no attention, ascending; none of an architecture that does not say so. */
export function blocksWithoutAttention({ keys, facts }: RuledModel): number[] {
	if (keys.architecture !== "deci") return [];
	return Array.from({ length: facts.trunk }, (_, block) => block).filter((block) => kindOfAttention(facts, block) === "none");
}

/**
 * What llama.cpp runs as the attention of a block (models/deci.cpp:107): a block with heads and without key/value heads has one matrix in
 * its place, which is called linear attention there.
 */
function kindOfAttention({ heads, kvHeads }: BlockFacts, block: number): "attention" | "linear" | "none" {
	if (heads[block] === 0) return "none";
	return kvHeads[block] === 0 ? "linear" : "attention";
}

/**
 * What is wrong with a set that removes attention parts alone; undefined if nothing is.
 * @param positions removed ones
 * @param stack the blocks of what is left
 */
export function attentionProblem({ facts }: RuledModel, positions: readonly number[], stack: readonly StackedBlock[]): string | undefined {
	const has = (block: number) => kindOfAttention(facts, block) === "attention";
	const lacking = positions
		.filter(isAttention)
		.map(Math.floor)
		.find((block) => !has(block));
	if (lacking !== undefined)
		return kindOfAttention(facts, lacking) === "linear"
			? `block ${lacking} has linear attention, one matrix without keys and values, which is not removed alone`
			: `block ${lacking} has no attention of its own`;
	const [first] = stack;
	if (first && (first.attention === undefined || !has(first.attention)))
		return `block ${first.feedForward} would be the first of what is left, and it must keep its attention: llama.cpp takes the size of the attention heads from the first block`;
	return undefined;
}

/** The architecture of the file without these positions. */
export function architectureWithout(architecture: string, positions: readonly number[]): string {
	return (positions.some(isAttention) && WITHOUT_ATTENTION.get(architecture)?.becomes) || architecture;
}

/** Values for each block that say which have no attention; none if all have. @param stack the blocks of what is left */
export function headEntries({ keys, facts }: RuledModel, stack: readonly StackedBlock[]): GgufEntry[] {
	if (stack.every(({ attention }) => attention !== undefined)) return [];
	const heads = (of: readonly number[]) => stack.map(({ attention }) => (attention === undefined ? 0 : of[attention]!));
	const array = (key: string, values: number[]) => encodeEntry(keys.full(key), "array", values, "uint32");
	return [
		array("attention.head_count", heads(facts.heads)),
		array("attention.head_count_kv", heads(facts.kvHeads)),
		array(
			"feed_forward_length",
			stack.map(({ feedForward }) => facts.feedForward[feedForward]!),
		),
	];
}

/** The entries of the file under its new architecture. */
export function renamedEntries({ architecture }: ModelKeys, entries: readonly GgufEntry[], becomes: string): readonly GgufEntry[] {
	if (becomes === architecture) return entries;
	const own = `${architecture}.`;
	return entries.map((entry) => {
		if (entry.key === "general.architecture") return encodeEntry(entry.key, "string", becomes);
		return entry.key.startsWith(own) ? { ...entry, key: `${becomes}.${entry.key.slice(own.length)}` } : entry;
	});
}
