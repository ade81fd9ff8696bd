// How many blocks must go for a speed-up: measured through masks on the loaded model, in turns with the whole one.
import type { JobOptions, Speedup } from "../../api/index.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { InvalidOptionError } from "../../errors.js";
import { Random } from "../../game/random.js";
import { type Header, nearestCounts } from "../preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { defaultMethod, factsOf } from "../../api/methods.js";
import { formatSpeedup } from "../../report/format.js";
import { loadAsRead } from "../../model/runtime/load-model.js";
import { speedups } from "../../api/speed.js";
import { SpeedComparison } from "./comparison.js";
import { KeptSpeed, measuredEarlier } from "./kept.js";
import { type CountRange, isOpen, type SettledCount, settleCount, type SpeedGoal } from "./settle.js";
import type { SpeedRatio } from "../../storage/plan-speed.js";
import type { AmountSettings, MachineSettings, MethodSettings, QuantizeSettings, UnknownSettings } from "../../api/options/settings.js";

/** A target is at most so large: beyond, the number is a mistake. */
const mostSpeedup = 1000;

/** @throws InvalidOptionError for a target that is none, or a kind of speed without one */
export function checkSpeedup({ targetSpeedup, speedupOf }: Pick<AmountSettings, "targetSpeedup" | "speedupOf">): void {
	if (targetSpeedup !== undefined && !(targetSpeedup > 1 && targetSpeedup <= mostSpeedup))
		throw new InvalidOptionError(`target-speedup must be above 1 and at most ${mostSpeedup}, such as 1.3; got ${targetSpeedup}`);
	if (speedupOf !== undefined && !speedups.includes(speedupOf))
		throw new InvalidOptionError(
			`targetSpeedup is a number, { prompt: number } or { generation: number }, got { ${speedupOf}: ${targetSpeedup} }`,
		);
	if (speedupOf !== undefined && targetSpeedup === undefined)
		throw new InvalidOptionError(
			`targetSpeedup is a number, { prompt: number } or { generation: number }, got ${speedupOf} without a number`,
		);
}

/** Seconds that one comparison should take. */
const comparisonSeconds = 12;

/** What a speed-up takes, what it is of, and what was measured for it. */
export interface SpeedAmount {
	readonly removeBlocks: number;
	readonly speedupOf: Speedup;
	/** How many times as fast the model is without so many blocks, as far as it was measured; ascending. */
	readonly ratios: ReadonlyMap<number, SpeedRatio>;
}

/** Warns of a target whose file will run at another speed. */
export function warnBeforeQuantizing({ quantize, ...options }: Pick<QuantizeSettings, "quantize"> & JobOptions): void {
	if (quantize !== undefined)
		logger(options)("warning", `the target speed-up is measured before quantizing: ${quantize} changes the speed further`);
}

type SpeedAsked = Pick<AmountSettings, "targetSpeedup" | "speedupOf"> &
	Pick<MethodSettings, "method"> &
	MachineSettings &
	UnknownSettings &
	JobOptions;

/**
 * The number of blocks that a speed-up takes: the fewest whose measured one reaches it. Which blocks go is not known
 * yet: sets of that size spread over the model stand for them, which is exact where all blocks are alike.
 * What was measured is kept, so that a dry run, the run after it and one that goes on remove as many blocks.
 * @throws InvalidOptionError where it cannot be reached, with the most that was measured
 */
export async function atSpeed(header: Header, options: SpeedAsked): Promise<SpeedAmount> {
	const { path, blocks } = header;
	const { speedupOf: of = "generation" } = options;
	const target = options.targetSpeedup!;
	const tied = !factsOf(options.method ?? defaultMethod).runs;
	const sets = new Map<number, readonly number[]>();
	for (let count = 1; count <= blocks.maxRemovable; count++) {
		const set = nearestCounts(blocks, count, { tied }).includes(count) ? spreadSet(blocks, count) : undefined;
		if (set) sets.set(count, set);
	}
	if (sets.size === 0) throw new InvalidOptionError(`${path}: no blocks that can be removed were found, so no speed-up can be measured`);
	const counts = [...sets.keys()];
	const kept = await KeptSpeed.of(header, { target, of, counts }, options);
	const earlier = await kept.read();
	const goal = { target, of, blocks };
	const found = earlier ?? (await measured(header, { goal, sets }, options));
	if (!earlier) await kept.write(found);
	const note = `target speed-up ${target}: removing ${found.count} of ${blocks.blocks} blocks makes ${of} ${formatSpeedup(found.ratios.get(found.count)!)}, measured with blocks spread over the model`;
	const before = earlier && `speed ${measuredEarlier(earlier.measured, kept.path)}: `;
	logger(options)("note", `${before ?? ""}${note}`);
	if (isOpen(counts, found.range)) logger(options)("warning", openText(found, goal, kept.path));
	return { removeBlocks: found.count, speedupOf: of, ratios: found.ratios };
}

/**
 * Measures through masks of the loaded model. It is freed again: what a run needs of memory is judged before its weights are in it, and with
 * them mapped they would count twice.
 */
async function measured(
	header: Header,
	{ goal, sets }: { readonly goal: SpeedGoal; readonly sets: ReadonlyMap<number, readonly number[]> },
	options: SpeedAsked,
): Promise<SettledCount> {
	const model = await loadAsRead(header, options);
	try {
		const comparison = await SpeedComparison.of(model, goal.of, options);
		const sides = (counts: readonly number[]) => counts.map((one) => ({ model, removed: sets.get(one)! }));
		return await settleCount([...sets.keys()], goal, (counts) => comparison.turns(sides(counts), comparisonSeconds));
	} finally {
		await model.dispose();
	}
}

/** Says what was measured and what it may be as well. @param path of what is kept */
function openText({ count, range, ratios }: SettledCount, { target, of, blocks }: SpeedGoal, path: string): string {
	const speed = `without ${count} of ${blocks.blocks} blocks ${of} was ${formatSpeedup(ratios.get(count)!)}`;
	const known = `the number of blocks for target-speedup ${target} is uncertain: ${speed}`;
	return uncertainText(known, { of: "blocks", range: range!, path, option: "--remove-blocks" });
}

/** A number that a speed-up says, as far as it is known. */
interface UncertainNumber {
	/** What is counted. */
	readonly of: string;
	readonly range: CountRange;
	/** Of what is kept. */
	readonly path: string;
	/** What gives a number instead. */
	readonly option: string;
}

/** @param known that it is uncertain, and what was measured */
export const uncertainText = (known: string, { of, range, path, option }: UncertainNumber): string =>
	`${known}, so it may take from ${range.least} to ${range.most} ${of}. ` +
	`Another program may be using the processor. To measure again, close other programs and delete ${path}. Or give a number with ${option}.`;

/**
 * A removable set of so many blocks spread over the model; undefined where none was found.
 * @param kind blocks that should have the same share of the set as of the model, if the rules allow it. @default all are of a kind
 */
export function spreadSet(
	plan: Pick<BlockPlan, "blocks" | "frozen" | "check" | "units">,
	count: number,
	kind: (block: number) => boolean = () => true,
): number[] | undefined {
	const free = Array.from({ length: plan.blocks }, (_, block) => block).filter((block) => !plan.frozen.has(block));
	const spread = (from: readonly number[], n: number) =>
		Array.from({ length: n }, (_, i) => from[Math.floor(((i + 0.5) * from.length) / n)]!);
	const [some, others] = [free.filter(kind), free.filter((block) => !kind(block))];
	const ofKind = Math.max(1, Math.floor((some.length * count) / free.length));
	const tries = [
		[...spread(some, ofKind), ...spread(others, count - ofKind)],
		spread(free, count),
		free.slice(-count),
		free.slice(0, count),
	];
	for (let start = 1; start + count <= free.length; start++) tries.push(free.slice(start, start + count));
	const random = new Random(count);
	for (let i = 0; i < 500; i++) tries.push(unitsOf(plan, free, count, random));
	return tries.map((set) => [...set].sort((a, b) => a - b)).find((set) => new Set(set).size === count && plan.check(set) === undefined);
}

/** Whole groups in random order, as long as they fit. */
function unitsOf({ units }: Pick<BlockPlan, "units">, free: readonly number[], count: number, random: Random): number[] {
	const tied = new Set((units ?? []).flat());
	const groups = [
		...(units ?? []).filter((unit) => unit.every((block) => free.includes(block))),
		...free.filter((block) => !tied.has(block)).map((block) => [block]),
	];
	const set: number[] = [];
	for (const group of random.shuffle(groups)) if (set.length + group.length <= count) set.push(...group);
	return set;
}
