// Speed in a frontier: how many blocks or attention parts a target may need, and how fast each combination is.
import { deviceChoice } from "../../model/runtime/devices.js";
import { InvalidOptionError } from "../../errors.js";
import type { Header } from "../../pipeline/preflight/model-header.js";
import { logger } from "../../api/logger.js";
import type { Model } from "../../model/runtime/model.js";
import type { SpeedComparison } from "../../pipeline/speed/comparison.js";
import type { SpeedRatio } from "../../storage/plan-speed.js";
import type { AtContext } from "../../pipeline/speed/at-context.js";
import { attentionsFor } from "../../pipeline/speed/part-times.js";
import { atSpeed } from "../../pipeline/speed/target.js";
import type { Variant } from "../../pipeline/quantizing/variants.js";
import type { FrontierJob } from "../../pipeline/preflight/job.js";

/**
 * How many blocks to remove at most: where a speed-up is asked for and `maxBlocks` is not given, as many as it takes with the weights as
 * they are, measured before anything is searched. Other types may need fewer.
 * @param kmax what it is otherwise
 */
export async function forSpeed(header: Header, kmax: number, options: FrontierJob): Promise<number> {
	const { targetSpeedup, speedupOf, maxBlocks, method, threads, allowUnknownArchitecture, signal, onLog, progress } = options;
	if (targetSpeedup === undefined || maxBlocks !== undefined) return kmax;
	const asked = { targetSpeedup, speedupOf, method, threads, ...deviceChoice(options), allowUnknownArchitecture, signal, onLog, progress };
	try {
		const { removeBlocks } = await atSpeed(header, asked);
		return Math.min(header.blocks.maxRemovable, Math.max(kmax, removeBlocks!));
	} catch (error) {
		if (!(error instanceof InvalidOptionError)) throw error;
		logger(options)("note", `with the weights as they are: ${error.message} Another type of weights may still reach it.`);
		return kmax;
	}
}

/** How many attention parts are removed at most where nothing more is asked, and how many can go. */
interface AttentionCounts {
	readonly kmax: number;
	readonly most: number;
}

/** The same of attention parts: by the times of the weights as they are. */
export function forSpeedAt({ times, kv }: AtContext, { kmax, most }: AttentionCounts, options: FrontierJob): number {
	const { targetSpeedup, maxBlocks } = options;
	if (targetSpeedup === undefined || maxBlocks !== undefined) return kmax;
	return Math.min(most, Math.max(kmax, attentionsFor(times!, targetSpeedup, { blocks: kv.filter((bytes) => bytes > 0).length })));
}

/** Seconds that the speed of one combination may take. */
const speedSeconds = 3;
/** Combinations that take turns with the model at a time: each has a context of its own, and memory for it. */
const atOnce = 3;

/** Seconds that all combinations take, without the first look at the model. @param types of weights, the model's own among them */
export function secondsOfSpeed(types: number, sets: number): number {
	const turns = (sides: number) => speedSeconds * (sides + Math.ceil(sides / atOnce));
	return turns(sets) + (types - 1) * turns(sets + 1);
}

/** How many times as fast as the model this type of it is: whole, and without each of the sets. */
export async function speedupsOf(
	own: Model,
	comparison: SpeedComparison,
	variant: Pick<Variant<string>, "type" | "model">,
	sets: readonly (readonly number[])[],
): Promise<SpeedRatio[]> {
	const model = variant.type === "own" ? own : await variant.model();
	const pruned = sets.map((removed) => ({ model, removed }));
	const sides = variant.type === "own" ? pruned : [{ model }, ...pruned];
	const measured: SpeedRatio[] = variant.type === "own" ? [{ value: 1 }] : [];
	for (let i = 0; i < sides.length; i += atOnce) {
		const some = sides.slice(i, i + atOnce);
		measured.push(...(await comparison.ratios(some, speedSeconds * (some.length + 1))));
	}
	return measured;
}
