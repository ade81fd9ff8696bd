// How many blocks must go for a speed-up: measured through masks on the loaded model, in turns with the whole one.
import type { JobOptions, Speedup } from "../../api/index.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { InvalidOptionError } from "../../errors.js";
import { Random } from "../../game/random.js";
import { type Header, nearestCounts } from "../preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { defaultMethod, factsOf } from "../../api/methods.js";
import { formatSignificant, formatSpeedup } from "../../report/format.js";
import { loadModel } from "../../model/runtime/load-model.js";
import { speedups } from "../../api/speed.js";
import { SpeedComparison } from "./comparison.js";
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

/** What a speed-up takes, and what it is of. */
export interface SpeedAmount {
	readonly removeBlocks: number;
	readonly speedupOf: Speedup;
}

type SpeedAsked = Pick<AmountSettings, "targetSpeedup" | "speedupOf"> &
	Pick<QuantizeSettings, "quantize"> &
	Pick<MethodSettings, "method"> &
	MachineSettings &
	UnknownSettings &
	JobOptions;

/**
 * The number of blocks that a speed-up takes: the fewest whose measured one reaches it. Which blocks go is not known
 * yet: sets of that size spread over the model stand for them, which is exact where all blocks are alike.
 * The model is freed again: what a run needs of memory is judged before its weights are in it, and with them mapped they would count twice.
 * @throws InvalidOptionError where it cannot be reached, with the most that was measured
 */
export async function atSpeed({ path, file, blocks }: Header, options: SpeedAsked): Promise<SpeedAmount> {
	const { targetSpeedup: value, speedupOf: of = "generation" } = options;
	const tied = !factsOf(options.method ?? defaultMethod).runs;
	if (options.quantize !== undefined)
		logger(options)("warning", `the target speed-up is measured before quantizing: ${options.quantize} changes the speed further`);
	const sets = new Map<number, readonly number[]>();
	for (let count = 1; count <= blocks.maxRemovable; count++) {
		const set = nearestCounts(blocks, count, { tied }).includes(count) ? spreadSet(blocks, count) : undefined;
		if (set) sets.set(count, set);
	}
	if (sets.size === 0) throw new InvalidOptionError(`${path}: no blocks that can be removed were found, so no speed-up can be measured`);
	const model = await loadModel(path, { ...options, file });
	try {
		const comparison = await SpeedComparison.of(model, of, options);
		const known = new Map<number, SpeedRatio>();
		const ratios = async (counts: readonly number[]) => {
			const found = await comparison.ratios(
				counts.map((one) => ({ model, removed: sets.get(one)! })),
				comparisonSeconds,
			);
			for (const [i, one] of counts.entries()) known.set(one, found[i]!);
			return found.map((ratio) => ratio.value);
		};
		const count = await fewest([...sets.keys()], value!, ratios, { of, blocks });
		logger(options)(
			"note",
			`target speed-up ${value}: removing ${count} of ${blocks.blocks} blocks makes ${of} ${formatSpeedup(known.get(count)!)}, measured with blocks spread over the model`,
		);
		return { removeBlocks: count, speedupOf: of };
	} finally {
		await model.dispose();
	}
}

/**
 * The fewest blocks whose ratio reaches the target: first the most that can go, which also says about where to look, then around that.
 * @param counts ascending
 * @param ratios measures how many times as fast the model is without so many blocks, one a count
 */
export async function fewest(
	counts: readonly number[],
	target: number,
	ratios: (counts: readonly number[]) => Promise<readonly number[]>,
	{ of, blocks }: { of: Speedup; blocks: Pick<BlockPlan, "blocks"> },
): Promise<number> {
	const last = counts.length - 1;
	const [largest] = await ratios([counts[last]!]);
	if (largest! < target) {
		throw new InvalidOptionError(
			`target-speedup ${target} cannot be reached: without ${counts[last]} of ${blocks.blocks} blocks ${of} is ${formatSignificant(largest!)} times as fast, the most that was measured. Ask for less.`,
		);
	}
	// Every block takes the same share of the time, nearly.
	const share = (1 - 1 / largest!) / counts[last]!;
	const expected = (1 - 1 / target) / share;
	let below = -1;
	let above = last;
	let guess = counts.findIndex((count) => count >= expected - 1e-9);
	while (above - below > 1) {
		const center = Math.min(Math.max(guess, below + 1), above - 1);
		const tried = [center - 1, center, center + 1].filter((i) => i > below && i < above);
		const found = await ratios(tried.map((i) => counts[i]!));
		// Neighbors may change places by chance: the fewest that reaches it counts.
		const reaching = tried.find((_, k) => found[k]! >= target);
		if (reaching !== undefined) above = reaching;
		below = Math.max(below, ...tried.filter((i) => i < above));
		guess = reaching === undefined ? below + 1 : above - 1;
	}
	return counts[above]!;
}

/** A removable set of so many blocks spread over the model; undefined where none was found. */
export function spreadSet(plan: Pick<BlockPlan, "blocks" | "frozen" | "check" | "units">, count: number): number[] | undefined {
	const free = Array.from({ length: plan.blocks }, (_, block) => block).filter((block) => !plan.frozen.has(block));
	const spread = (from: readonly number[], n: number) =>
		Array.from({ length: n }, (_, i) => from[Math.floor(((i + 0.5) * from.length) / n)]!);
	const tries = [spread(free, count), free.slice(-count), free.slice(0, count)];
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
