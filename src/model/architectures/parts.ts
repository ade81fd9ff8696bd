import { isAttention, isPosition, isWhole, partsAt, type RemovedParts, removedParts, type StackedBlock } from "../../game/parts.js";
import { formatBlocks } from "../../notation.js";
import { isKind, type RuledModel } from "./rules.js";
import type { PartsAllowed } from "./types.js";

// Halves of blocks: whether they can be removed, and which parts may become one block.

/** Whether halves of blocks can be removed from this model. */
export function partsOf({ entry, keys }: RuledModel, refused: string | undefined): PartsAllowed {
	const no = (reason: string): PartsAllowed => ({ allowed: false, reason });
	if (refused !== undefined) return no(refused);
	if (!entry.parts) return no("it is not known which tensors of an unknown architecture are of its feed-forward part");
	const { whole, unless } = entry.parts;
	if (whole !== undefined) return no(whole);
	return unless && keys.holds(unless.when, entry) ? no(unless.why) : { allowed: true };
}

/** Why the parts of these blocks cannot become one block; undefined if all can. */
export function joinProblem({ entry, facts }: RuledModel, stack: readonly StackedBlock[]): string | undefined {
	const join = entry.parts?.join;
	if (!join) return undefined;
	const [kind, alike] = "alike" in join ? [join.alike, true] : [join.both, false];
	const is = (block: number) => isKind(kind, block, facts);
	const fits = (a: number | undefined, b: number) => a === undefined || a === b || (alike ? is(a) === is(b) : is(a) && is(b));
	const fault = stack.find(({ attention, feedForward }) => !fits(attention, feedForward));
	return (
		fault && `the attention of block ${fault.attention} and the feed-forward of block ${fault.feedForward} cannot be one block: ${join.why}`
	);
}

/** What is wrong with the positions of a set, whatever the architecture: they are outside the model, or share a part. */
export function malformed(positions: readonly number[], blocks: number): string | undefined {
	const last = blocks - 1;
	const end = (position: number) => partsAt(position).first + partsAt(position).count;
	const stranger = positions.find((position) => !isPosition(position) || end(position) > 2 * blocks);
	if (stranger !== undefined) {
		const shifted = isPosition(stranger) && Number.isInteger(2 * stranger) && !Number.isInteger(stranger);
		const none = `there is no block ${isAttention(stranger) ? Math.floor(stranger) : stranger}`;
		return `${shifted ? `${formatBlocks([stranger])} reaches beyond the model` : none}: the blocks are 0 to ${last}`;
	}
	const ascending = [...positions].sort((a, b) => a - b);
	const at = ascending.findIndex((position, i) => i > 0 && partsAt(position).first < end(ascending[i - 1]!));
	if (at < 0) return undefined;
	const [one, other] = [ascending[at - 1]!, ascending[at]!];
	return one === other ? "a block is named twice" : `${formatBlocks([one])} and ${formatBlocks([other])} share a part`;
}

/** The set of whole blocks that a set with halves must satisfy by one half; `what` is the beginning of what is said about it. */
interface Half {
	readonly what: string;
	readonly removed: readonly number[];
	readonly attention: boolean;
}

/** Both halves; one if the set is of whole blocks. */
export function halvesOf(positions: readonly number[]): Half[] {
	const removed: RemovedParts = removedParts(positions);
	if (isWhole(positions)) return [{ what: "", removed: removed.attention, attention: true }];
	const halves = [
		{ what: `without the attention of ${blocksText(removed.attention)}: `, removed: removed.attention, attention: true },
		{ what: `without the feed-forward of ${blocksText(removed.feedForward)}: `, removed: removed.feedForward, attention: false },
	];
	return halves.filter((half) => half.removed.length > 0);
}

function blocksText(blocks: readonly number[]): string {
	return `${blocks.length === 1 ? "block" : "blocks"} ${formatBlocks(blocks)}`;
}
