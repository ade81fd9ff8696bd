// Sets of removed blocks as people write and read them: `3, 6-9a, 12f-15a, 20`.
//
// In the program a set is a list of ascending positions. Position i is block i. Position i + 0.25 is the attention part of block i alone,
// written `ia`; several in a row are written `i-ja`. Position i + 0.5 is a shifted pair: the feed-forward part of block i and the attention
// part of block i + 1. What is left of the two, the attention of block i and the feed-forward of block i + 1, is one block again. Positions
// i + 0.5 to j - 0.5 are written `if-ja`.

const LARGEST_BLOCK = 9999;

/**
 * Removed blocks for people: `3, 6-9a, 12f-15a`, or `none`.
 * @param positions ascending: i for block i, i + 0.25 for its attention part alone, i + 0.5 for a shifted pair
 */
export function formatBlocks(positions: readonly number[]): string {
	const ranges: string[] = [];
	for (let i = 0; i < positions.length; ) {
		let end = i;
		while (positions[end + 1] === positions[end]! + 1) end++;
		ranges.push(rangeText(positions[i]!, positions[end]!));
		i = end + 1;
	}
	return ranges.join(", ") || "none";
}

/** How many blocks go, and how many attention parts alone. A shifted pair takes one block away. */
export interface RemovedAmounts {
	readonly blocks: number;
	readonly attentions: number;
}

/** @param positions removed ones */
export function amountsOf(positions: readonly number[]): RemovedAmounts {
	const attentions = positions.filter((position) => kindOf(position) === "attention").length;
	return { blocks: positions.length - attentions, attentions };
}

/**
 * How much is removed, for people: `3 of 12 blocks`, `the attention of 4 of 12 blocks`, or `3 of 12 blocks and the attention of 4 others`.
 * @param positions removed ones
 * @param all blocks of the model
 */
export function amountText(positions: readonly number[], all: number): string {
	const { blocks, attentions } = amountsOf(positions);
	if (attentions === 0) return `${blocks} of ${all} blocks`;
	if (blocks === 0) return `the attention of ${attentions} of ${all} blocks`;
	return `${blocks} of ${all} blocks and the attention of ${attentions} ${attentions === 1 ? "other" : "others"}`;
}

/** A number of blocks and attention parts in words, and the options that ask for as many. */
export function askedAmount(positions: readonly number[]): { readonly words: string; readonly options: string } {
	const { blocks, attentions } = amountsOf(positions);
	const counted = (count: number, what: string) => (count > 0 ? [`${count} ${what}${count === 1 ? "" : "s"}`] : []);
	const options = [...(blocks > 0 ? [`-n ${blocks}`] : []), ...(attentions > 0 ? [`--remove-attention ${attentions}`] : [])];
	return { words: [...counted(blocks, "block"), ...counted(attentions, "attention part")].join(" and "), options: options.join(" ") };
}

/** What these are, in the plural: `blocks`, `attention parts`, or `blocks and attention parts`. */
export function kindsText(positions: readonly number[]): string {
	const { blocks, attentions } = amountsOf(positions);
	if (attentions === 0) return "blocks";
	return blocks === 0 ? "attention parts" : "blocks and attention parts";
}

/** A text about blocks, of attention parts alone. */
export const aboutAttention = (text: string): string => text.replaceAll(/\bblock(s?)\b/g, "attention part$1");

/** What is removed, within a sentence: `block 3`, `blocks 3, 12f-15a`; with attention parts only `3, 6-9a`, since these are no blocks. */
export function removedText(positions: readonly number[]): string {
	if (amountsOf(positions).attentions > 0) return formatBlocks(positions);
	return `block${positions.length === 1 ? "" : "s"} ${formatBlocks(positions)}`;
}

/** The same with how many they are: `block 3`, `3 blocks, 1, 4-5`, `1 block and 2 attention parts, 3, 6-7a`. */
export function countedText(positions: readonly number[]): string {
	return positions.length === 1 ? removedText(positions) : `${askedAmount(positions).words}, ${formatBlocks(positions)}`;
}

/** Names of sets of blocks in JSON that people read: plans, reports, and what `--json` prints. */
const sets: ReadonlySet<string> = new Set(["removed", "remove", "chosen", "better"]);

/** Names of single positions there: the ends of a cut. */
const ends: ReadonlySet<string> = new Set(["first", "last"]);

/**
 * For `JSON.stringify`: sets of blocks as people write them, `none` for the empty one, groups of blocks that go together, and
 * shifted pairs and attention parts at the ends of a cut.
 */
export function blocksAsText(key: string, value: unknown): unknown {
	if (ends.has(key))
		return typeof value === "number" && kindOf(value) !== undefined && !Number.isInteger(value) ? formatBlocks([value]) : value;
	if (sets.has(key)) return isNumbers(value) ? formatBlocks(value) : value;
	return key === "units" && Array.isArray(value) ? value.map((unit) => (isNumbers(unit) ? formatBlocks(unit) : unit)) : value;
}

function isNumbers(value: unknown): value is number[] {
	return Array.isArray(value) && value.every((item) => typeof item === "number");
}

/** The same as the command line takes them: `3,6-9a,12f-15a`. */
export function blocksArgument(positions: readonly number[]): string {
	return formatBlocks(positions).replaceAll(" ", "");
}

/** What a position stands for; undefined for a number that is none. */
function kindOf(position: number): "block" | "attention" | "shifted pair" | undefined {
	const rest = position - Math.floor(position);
	if (rest === 0) return "block";
	if (rest === 0.25) return "attention";
	return rest === 0.5 ? "shifted pair" : undefined;
}

/** Positions of one kind in a row. */
function rangeText(from: number, to: number): string {
	const kind = kindOf(from);
	if (kind === "shifted pair") return `${from - 0.5}f-${to + 0.5}a`;
	const [first, last] = [Math.floor(from), Math.floor(to)];
	return `${last > first ? `${first}-${last}` : first}${kind === "attention" ? "a" : ""}`;
}

/** The set that a text names, or what is wrong with the text. */
export type ParsedBlocks = { readonly positions: number[] } | { readonly problem: string };

/** Reads `3,6-9a,12f-15a` in any order. */
export function parseBlocks(text: string): ParsedBlocks {
	const positions: number[] = [];
	for (const range of text.split(",")) {
		const read = readRange(range.trim());
		if (typeof read === "string") return { problem: read };
		positions.push(...read);
		// Before they grow further: a short text can name many.
		if (positions.length > LARGEST_BLOCK + 1) return { problem: `${JSON.stringify(range.trim())} names blocks that were named before` };
	}
	return setOf(positions);
}

/** How many positions a text names, if it is the text of a set: each range counts with its length, without being written out. */
export function positionsNamed(text: string): number {
	let count = 0;
	for (const [, from, to] of text.matchAll(/(\d{1,4})[af]?\s*-\s*(\d{1,4})/g)) count += Math.max(0, Number(to) - Number(from));
	return count;
}

/** Reads what {@link formatBlocks} writes. */
export function parseWritten(text: string): ParsedBlocks {
	return text === formatBlocks([]) ? { positions: [] } : parseBlocks(text);
}

/**
 * A set as options give it: a text, or positions in any order.
 * @param given of any type: programs without types call this too
 */
export function readBlocks(given: unknown): ParsedBlocks {
	if (typeof given === "string") return parseBlocks(given);
	if (!Array.isArray(given))
		return { problem: `expected block numbers such as [3, 7] or a text such as "3, 12f-15a", got ${shown(given)}` };
	const stranger = given.find((position) => !(typeof position === "number" && kindOf(position) && position >= 0));
	if (stranger !== undefined)
		return { problem: `expected block numbers from 0, such as 3, 3.25 for 3a, or 3.5 for 3f-4a, got ${shown(stranger)}` };
	return setOf([...new Set<number>(given)]);
}

/** Positions of any order as a set, in the one form that a set has. */
function setOf(unordered: readonly number[]): ParsedBlocks {
	const positions = [...unordered].sort((a, b) => a - b);
	const problem = overlap(positions);
	if (problem !== undefined) return { problem };
	for (let i = 0; i + 1 < positions.length; i++) {
		const [one, next] = [positions[i]!, positions[i + 1]!];
		// The attention part of a block and the shifted pair after it are the block and the next attention part.
		if (kindOf(one) === "attention" && next === one + 0.25) positions.splice(i, 2, one - 0.25, one + 1);
	}
	return { positions };
}

const shown = (value: unknown) => (typeof value === "number" ? `${value}` : (JSON.stringify(value) ?? String(value)));

/**
 * That a set goes beyond the end of a model, with the nearest range that does not; undefined if it does not.
 * @param positions ascending
 * @param blocks of the model
 */
export function beyondBlocks(positions: readonly number[], blocks: number): string | undefined {
	const lastOf = { block: blocks - 1, attention: blocks - 0.75, "shifted pair": blocks - 1.5 };
	const ends = (position: number) => lastOf[kindOf(position) ?? "block"];
	const at = positions.findIndex((position) => position > ends(position));
	if (at < 0) return undefined;
	const wrong = positions[at]!;
	const end = ends(wrong);
	let first = at;
	while (first > 0 && positions[first - 1] === positions[first]! - 1) first--;
	const none = end < 0 || (kindOf(wrong) !== "shifted pair" && positions[first]! > end);
	const nearest = none ? "" : `; the nearest range is ${rangeText(Math.min(positions[first]!, end), end)}`;
	return `there is no block ${kindOf(wrong) === "attention" ? Math.floor(wrong) : Math.ceil(wrong)}: the blocks are 0 to ${blocks - 1}${nearest}`;
}

const SHIFTED = "a shifted pair goes from a feed-forward part (f) to the attention part (a) of a later block";

function readRange(range: string): number[] | string {
	const match = /^(\d{1,4})([af]?)(?:\s*-\s*(\d{1,4})([af]?))?$/.exec(range);
	if (!match) return `expected block numbers from 0, such as 3,6-9a or 12f-15a, got ${JSON.stringify(range)}`;
	const [, start, startPart = "", end, endPart = ""] = match;
	const from = Number(start);
	const to = Number(end ?? start);
	if (from > to)
		return `${range} ends before it begins: write ${nearest({ from: to, to: from, parts: `${endPart || "-"}${startPart || "-"}` })}`;
	if (to > LARGEST_BLOCK) return `there is no block ${to}`;
	if (startPart === "" && endPart === "") return row(from, to);
	if (startPart === "a" && end === undefined) return [from + 0.25];
	if (startPart === "" && endPart === "a") return row(from + 0.25, to + 0.25);
	return shiftedRange(range, { from, to, parts: `${startPart || "-"}${end === undefined ? "" : endPart || "-"}` });
}

/** `parts`: of the first block and the last, as written; `-` where none is named. */
interface Ends {
	readonly from: number;
	readonly to: number;
	readonly parts: string;
}

function shiftedRange(range: string, ends: Ends): number[] | string {
	const { from, to, parts } = ends;
	if (parts === "fa" && to > from) return row(from + 0.5, to - 0.5);
	if (isWholeBlocks(ends)) return `${range} is blocks as a whole: write ${rangeText(from, to)}`;
	if (parts.startsWith("a")) return `${range} names more than attention parts: write ${nearest(ends)} for the attention parts alone`;
	return `${range} names an odd number of parts, or parts in the wrong order: ${SHIFTED}. The nearest is ${nearest(ends)}${ofLast(ends)}`;
}

/** The nearest range of the last block: how many there are is not known where a text is read. */
function ofLast({ from, to, parts }: Ends): string {
	const beyond = from === to && parts !== "fa" && from > 0;
	return beyond ? `, or ${rangeText(from - 0.5, from - 0.5)} if block ${from} is the last` : "";
}

/** From an attention part, or from a block that is named without a part, to the feed-forward part of a block, named or not. */
const isWholeBlocks = ({ parts }: Ends) => ["af", "a-", "-f"].includes(parts);

/** The nearest range that can be removed: the range itself if it can. */
function nearest(ends: Ends): string {
	const { from, to, parts } = ends;
	// Both parts of one block, in the wrong order.
	const whole = isWholeBlocks(ends) || parts === "--" || (parts === "fa" && to === from);
	if (whole) return rangeText(from, to);
	if (parts === "-a" || parts.startsWith("a")) return rangeText(from + 0.25, to + 0.25);
	return rangeText(from + 0.5, Math.max(from + 0.5, to - 0.5));
}

function row(from: number, to: number): number[] {
	return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function overlap(positions: readonly number[]): string | undefined {
	// An attention part is half of what a block or a shifted pair is.
	const end = (position: number) => (kindOf(position) === "attention" ? position + 0.25 : position + 1);
	const at = positions.findIndex((position, i) => i > 0 && position < end(positions[i - 1]!));
	if (at < 0) return undefined;
	const [one, other] = [positions[at - 1]!, positions[at]!];
	if (one === other) return `${kindOf(one) === "block" ? `block ${one}` : rangeText(one, one)} is named twice`;
	return `${rangeText(one, one)} and ${rangeText(other, other)} share a part`;
}
