// Which cell of a frontier is the best for a goal, which are dominated, and what to say of it. Pure: reads cells, measures nothing.
import type { Dominated, FrontierCell, FrontierContext, FrontierResult } from "../../api/frontier.js";
import { lossSentence } from "../../pipeline/reporting/verdict.js";
import { lower } from "../../pipeline/session/paired-figures.js";
import { frontierNote } from "../../report/context.js";
import { formatBytes, formatDifference, formatSignificant, formatSpeedup } from "../../report/format.js";
import { aboutAttention, removedText } from "../../notation.js";
import type { MeanAndError } from "../../storage/plan-quantized.js";

export type Goal = FrontierResult["goal"];
/** A cell before it is compared with the others. */
export type Cell = Omit<FrontierCell, "dominated">;

/** How many times fewer blocks are run, whatever the type of weights; not a measured speed-up, which is smaller. */
const fewerOf = ({ compute }: Pick<Cell, "compute">): number => 1 / compute;

/** The fewest blocks to remove to run so many times fewer. */
export const blocksFor = (blocks: number, times: number): number => Math.ceil(blocks - blocks / times - rounding);

/** What a quotient of block numbers may be off by. */
const rounding = 1e-9;

export function fits(
	{ targetSize, targetCompute, targetSpeedup, maxAdded }: Goal,
	cell: Pick<Cell, "bytes" | "compute" | "speedup" | "added">,
): boolean {
	if (targetSize !== undefined && cell.bytes > targetSize) return false;
	if (targetCompute !== undefined && fewerOf(cell) < targetCompute - rounding) return false;
	if (targetSpeedup !== undefined && !(cell.speedup && cell.speedup.value >= targetSpeedup)) return false;
	return cell.added.mean !== null && (maxAdded === undefined || cell.added.mean <= maxAdded);
}

const lossOf = ({ loss }: Pick<Cell, "loss">) => loss.mean ?? Number.POSITIVE_INFINITY;

/** What the best choice has least of where there is no target, and how it is said. */
const leasts = {
	bytes: { of: (cell: Cell) => cell.bytes, goal: "the smallest file", best: "smallest", none: "no smaller file" },
	time: {
		of: ({ milliseconds }: Cell) => known(milliseconds),
		goal: "the fastest at the context",
		best: "fastest",
		none: "no faster model",
	},
	kvCache: { of: ({ kvCache }: Cell) => known(kvCache), goal: "the smallest KV cache", best: "smallest", none: "no smaller KV cache" },
} as const;

const known = (cost: number | undefined) => cost ?? Number.POSITIVE_INFINITY;

const leastOf = ({ least }: Goal) => leasts[least ?? "bytes"];

/** The better one of two cells that fit first: by loss where there is a target, else by what is least. */
export function better(goal: Goal, a: Cell, b: Cell): number {
	const { of } = leastOf(goal);
	return goal.maxAdded === undefined ? lossOf(a) - lossOf(b) || a.bytes - b.bytes : of(a) - of(b) || lossOf(a) - lossOf(b);
}

/** Of the cells that fit, the best. */
export function bestOf<C extends Cell>(goal: Goal, cells: readonly C[]): C | undefined {
	return cells.filter((cell) => cell.fits).sort((a, b) => better(goal, a, b))[0];
}

/** Which cells others beat. */
export function markDominated(cells: readonly Cell[]): FrontierCell[] {
	const beaten = (cell: Cell, axes: readonly ((one: Cell) => number)[]) =>
		cells.some((other) => axes.every((axis) => axis(other) <= axis(cell)) && axes.some((axis) => axis(other) < axis(cell)));
	const bytes = (cell: Cell) => cell.bytes;
	const compute = (cell: Cell) => cell.milliseconds ?? (cell.speedup ? 1 / cell.speedup.value : (cell.kvCache ?? cell.compute));
	const kvCache = (cell: Cell) => cell.kvCache!;
	return cells.map((cell) => {
		const counts = cell.kvCache !== undefined;
		const dominated: Dominated = {
			bytes: beaten(cell, [lossOf, bytes]),
			compute: beaten(cell, [lossOf, compute]),
			...(counts ? { kvCache: beaten(cell, [lossOf, kvCache]) } : {}),
			both: beaten(cell, [lossOf, bytes, compute, ...(counts ? [kvCache] : [])]),
		};
		return { ...cell, dominated };
	});
}

/** Best choice first, then what fits, then the rest, each by loss. */
export function sorted(cells: readonly FrontierCell[], best: FrontierCell | undefined): FrontierCell[] {
	const rank = (cell: FrontierCell) => (cell === best ? 0 : cell.fits ? 1 : 2);
	return [...cells].sort((a, b) => rank(a) - rank(b) || lossOf(a) - lossOf(b) || a.bytes - b.bytes);
}

type Kind = NonNullable<FrontierResult["verdict"]["better"]>;

export function kindOf({ type, removed }: Pick<Cell, "type" | "removed">): Kind {
	if (type === "own") return removed.length === 0 ? "neither" : "pruning";
	return removed.length === 0 ? "quantizing" : "both";
}

type ShownCell = Pick<Cell, "type" | "removed" | "healed" | "bytes" | "speedup" | "milliseconds" | "kvCache">;

/** `Q4_K_M without blocks 3, 6 (58.9 MB, 1.31 times as fast)`; of attention parts `without 6-9a (58.9 MB, 12.3 ms per token, KV cache 63 MB)`. */
export function cellText({ type, removed, healed, bytes, speedup, milliseconds, kvCache }: ShownCell): string {
	const weights = type === "own" ? "the original weights" : type;
	const without = removed.length === 0 ? "" : ` without ${removedText(removed)}`;
	const figures = [
		formatBytes(bytes),
		...(speedup && (type !== "own" || removed.length > 0) ? [formatSpeedup(speedup)] : []),
		...(milliseconds === undefined ? [] : [`${formatSignificant(milliseconds)} ms per token`]),
		...(kvCache === undefined ? [] : [`KV cache ${formatBytes(kvCache)}`]),
	];
	return `${weights}${without}${healed ? ", healed" : ""} (${figures.join(", ")})`;
}

function goalText(goal: Goal): string {
	const { targetSize, targetCompute, targetSpeedup, speedupOf, maxAdded } = goal;
	const parts = [
		...(targetSize === undefined ? [] : [`at most ${formatBytes(targetSize)}`]),
		...(targetCompute === undefined ? [] : [`${targetCompute} times fewer blocks to run`]),
		...(targetSpeedup === undefined ? [] : [`${speedupOf === "prompt" ? "prompts" : "generation"} ${targetSpeedup} times as fast`]),
		...(maxAdded === undefined ? [] : [`${leastOf(goal).goal} that adds no more than ${maxAdded} nats per token`]),
	];
	return parts.join(" and ");
}

const natsText = ({ mean, standardError }: MeanAndError) => formatDifference(mean, standardError).replace(/^\+/, "");

/** What is judged. */
export interface JudgedCells {
	readonly goal: Goal;
	readonly cells: readonly FrontierCell[];
	readonly best: FrontierCell | undefined;
	/** Whether the weights were quantized already. */
	readonly sourceQuantized: boolean;
	/** Where attention parts are removed. */
	readonly context?: Pick<FrontierContext, "context" | "seen"> | undefined;
}

/**
 * What the best choice does, and whether removing blocks is worth it for this goal.
 * @param difference loss of the second less loss of the first, paired by window, on the held-out split
 * @param windows of that split
 */
export function frontierVerdict(
	judged: JudgedCells,
	difference: (first: FrontierCell, second: FrontierCell) => MeanAndError,
	windows: number,
): FrontierResult["verdict"] {
	const verdict = verdictOfBlocks(judged, difference, windows);
	if (!judged.context) return verdict;
	const timed = judged.cells.some(({ milliseconds }) => milliseconds !== undefined);
	return { ...verdict, text: `${aboutAttention(verdict.text)} ${frontierNote(judged.context, timed)}` };
}

/** The same in words for blocks. */
function verdictOfBlocks(
	{ goal, cells, best, sourceQuantized }: JudgedCells,
	difference: (first: FrontierCell, second: FrontierCell) => MeanAndError,
	windows: number,
): FrontierResult["verdict"] {
	const twice =
		sourceQuantized && cells.some(({ type }) => type !== "own")
			? ` The input was quantized already, so every other type is quantized twice, which flatters removing blocks: ${cells.some(({ healed }) => healed) ? "the original file in its place" : "--quantize-from ORIGINAL"} compares fairly.`
			: "";
	if (!best) {
		const [nearest] = [...cells].sort((a, b) => nearer(goal, a, b));
		const near = nearest ? ` The nearest is ${cellText(nearest)}, which adds ${natsText(nearest.added)} nats per token.` : "";
		return { text: `No combination meets the goal (${goalText(goal)}).${near}${twice}`, ...(nearest ? { beside: nearest } : {}) };
	}
	const kind = kindOf(best);
	const { added } = best.heldOut ?? best;
	const cost = `${natsText(added)} nats per token${best.heldOut ? " on the held-out split" : ""}`;
	const words = kind === "neither" ? "" : ` ${lossSentence(added, windows)}.`;
	const choice = `Best for the goal (${goalText(goal)}): ${cellText(best)}. It adds ${cost}.`;
	const other = bestOf(
		goal,
		cells.filter(({ removed }) => removed.length > 0 !== best.removed.length > 0),
	);
	const more = other && difference(best, other);
	const winner = more && lower(more, windows);
	const confirmed = goal.maxAdded === undefined && other ? { confirmed: winner === "first" } : {};
	const beside = besideText(goal, cells, best, other && { cell: other, more: more!, winner });
	const text = `${choice}${doubtText(goal, best)}${words} ${beside.text}${twice}`;
	return { better: kind, ...confirmed, ...(beside.cell ? { beside: beside.cell } : {}), text };
}

/** What is said of another cell, and that cell. */
interface Beside {
	readonly text: string;
	readonly cell?: FrontierCell | undefined;
}

/** Orders cells that do not fit: the one that misses the targets by less comes first. */
function nearer(
	{ targetSize = Number.POSITIVE_INFINITY, targetCompute = 0, targetSpeedup = 0 }: Goal,
	a: FrontierCell,
	b: FrontierCell,
): number {
	const misses = (cell: FrontierCell) =>
		[cell.bytes / targetSize, targetCompute / fewerOf(cell), targetSpeedup / (cell.speedup?.value ?? 1)].reduce(
			(sum, ratio) => sum + Math.max(0, ratio - 1),
			0,
		);
	return misses(a) - misses(b) || lossOf(a) - lossOf(b);
}

/** Why no cell without blocks removed fits. */
function wholeText({ targetSize = Number.POSITIVE_INFINITY, targetCompute, targetSpeedup }: Goal, cells: readonly FrontierCell[]): Beside {
	if (targetCompute !== undefined) return { text: "Quantizing alone runs all blocks." };
	const whole = cells.filter(({ removed }) => removed.length === 0).sort((a, b) => a.bytes - b.bytes);
	const [smallest] = whole;
	if (!smallest || smallest.bytes > targetSize || targetSpeedup === undefined)
		return { text: `Quantizing alone does not meet it${smallest ? `: the smallest is ${cellText(smallest)}` : ""}.`, cell: smallest };
	const small = whole.filter(({ bytes }) => bytes <= targetSize);
	const [fastest] = small.sort((a, b) => (b.speedup?.value ?? 0) - (a.speedup?.value ?? 0));
	const of = small.length < whole.length ? " of that size" : "";
	if (whole.length === 1) return { text: "No other type was tried." };
	return fastest!.type === "own"
		? { text: `Quantizing alone does not meet it: no type that was tried${of} is faster than the original weights.` }
		: { text: `Quantizing alone does not meet it: the fastest${of} is ${cellText(fastest!)}.`, cell: fastest };
}

/** What the held-out split, which took no part in the choice, has against it. */
function doubtText({ maxAdded, targetSpeedup }: Goal, { heldOut, speedup }: FrontierCell): string {
	const more = maxAdded !== undefined && (heldOut?.added.mean ?? 0) > maxAdded;
	const slow = targetSpeedup !== undefined && (speedup?.interval?.low ?? targetSpeedup) < targetSpeedup;
	return `${more ? " That is above the limit: the choice was made on the validation split, on which it is within it." : ""}${slow ? " The interval of its speed-up reaches below the target." : ""}`;
}

/** The best cell of the other kind, with its loss less that of the best choice, and which of the two is better. */
interface Other {
	readonly cell: FrontierCell;
	readonly more: MeanAndError;
	readonly winner: ReturnType<typeof lower>;
}

const computeText = "Only removing blocks also saves compute for each token and makes the KV cache smaller.";

/** The best choice beside the best of the other kind: with blocks removed, or without. */
function besideText(goal: Goal, cells: readonly FrontierCell[], best: FrontierCell, other: Other | undefined): Beside {
	const pruned = best.removed.length > 0;
	if (!other) return pruned ? wholeText(goal, cells) : { text: `Nothing with blocks removed meets it. ${computeText}` };
	return { text: otherText(goal, pruned, other), cell: other.cell };
}

/** @param pruned whether the best choice has blocks removed */
function otherText(goal: Goal, pruned: boolean, { cell, more, winner }: Other): string {
	const { best, none } = leastOf(goal);
	if (goal.maxAdded !== undefined)
		return pruned
			? `The ${best} with all blocks is ${cellText(cell)}, which adds ${natsText((cell.heldOut ?? cell).added)}.`
			: `Removing blocks gives ${none} here: the ${best} that meets it is ${cellText(cell)}. ${computeText}`;
	const beyond = `${cellText(cell)} adds ${natsText(more)} more`;
	if (winner === "second") return `On the held-out split the other way is better: ${beyond}.`;
	if (winner === undefined)
		return `The best with and the best without removed blocks are statistically tied: ${beyond}.${pruned ? "" : ` ${computeText}`}`;
	return pruned
		? `Quantizing alone costs more: ${beyond}.`
		: `Removing blocks is the worse choice for this goal: ${beyond}. ${computeText}`;
}
