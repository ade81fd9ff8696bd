// How fast a model runs and what memory it takes, alone or beside another one.
import type { JobOptions } from "../../api/index.js";
import { InvalidOptionError } from "../../errors.js";
import { vocabularyDifference } from "../../model/evaluation/rival.js";
import { Coalition } from "../../game/coalition.js";
import { isAttention } from "../../game/parts.js";
import { formatBlocks } from "../../notation.js";
import { checkedRemoval } from "../preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { shellWord } from "../../report/commands.js";
import { checkCall } from "../preflight/call.js";
import { checkKeys } from "../preflight/option-keys.js";
import { RunProgress } from "../progress/run-progress.js";
import { basename } from "node:path";
import { loadModel } from "../../model/runtime/load-model.js";
import type { Model } from "../../model/runtime/model.js";
import { isFullyOffloaded, placementText } from "../../model/runtime/placement.js";
import { runSpeed, type SpeedShape, type SpeedSide } from "../../model/runtime/speed.js";
import { backendOf, summarize } from "../session/session.js";
import { sizesWithout } from "../preflight/model-sizes.js";
import type { SpeedOptions, SpeedResult } from "../../api/speed.js";
import { usualContext } from "../preflight/context.js";
import { ratioOf, sideOf, usualSpeedShape } from "./figures.js";
import { untilNarrow } from "./until-narrow.js";
import type { PlanSpeed } from "../../storage/plan-speed.js";

/**
 * Speed of prompts and of generation, memory and key-value cache of a model; with `against` or `remove` beside another file, or beside
 * itself without these blocks (a mask; no model is written). The two take turns, repetition by repetition, after one that is thrown away.
 * Attention parts alone have no mask that saves their time: write the file, and give it as `against`.
 * @param model path of a GGUF file (any shard of a split one)
 * @throws InvalidOptionError, UnsupportedArchitectureError and the errors of loading and measuring
 * @example
 * const { speed } = await measureSpeed("model.gguf", { remove: [3, 6] });
 * console.log(speed.ratio?.generation.value);
 */
export async function measureSpeed(model: string, given: SpeedOptions = {}): Promise<SpeedResult> {
	const started = Date.now();
	checkCall("speed", { model }, given);
	checkKeys("speed", given);
	const progress = new RunProgress(given, ["Loading the model", "Measuring"]);
	const options = { ...given, progress };
	const { against, remove } = options;
	if (against !== undefined && remove !== undefined)
		throw new InvalidOptionError("another file and a list of blocks to remove were given: the model is measured beside one of them");
	const first = await loadModel(model, options);
	try {
		const removed = remove ? checkedRemoval(model, first.blocks, remove) : [];
		const second = against === undefined ? undefined : await loadModel(against, options);
		try {
			const unlike = second && vocabularyDifference(first.file, second.file);
			if (unlike) logger(options)("warning", `tokens per second of the two do not compare: ${unlike}`);
			const part = second && [first, second].find(({ placement }) => !isFullyOffloaded(placement));
			if (part && [first, second].some(({ placement }) => isFullyOffloaded(placement)))
				logger(options)(
					"warning",
					`the two do not compare: only one of them fits on the device (${basename(part.path)}: ${placementText(part.placement)}). Give --gpu-layers 0 to compare both on the CPU`,
				);
			const sides: PairOfSides = second
				? { before: { model: first }, after: { model: second } }
				: removed.length > 0
					? { before: { model: first }, after: { model: first, removed } }
					: { before: { model: first } };
			const context = options.context ?? contextOf(first);
			progress.begin("Measuring");
			const speed = await speedOf(sides, { shape: shapeOf(first, second, options), context }, options);
			return {
				model: summarize(first),
				...(second ? { against: summarize(second) } : {}),
				...{ removed, speed, seconds: (Date.now() - started) / 1000 },
			};
		} finally {
			await second?.dispose();
		}
	} finally {
		await first.dispose();
	}
}

/** A model, or what is left of it without some blocks. */
export interface SideModel {
	readonly model: Model;
	readonly removed?: readonly number[] | undefined;
}

export interface PairOfSides {
	readonly before: SideModel;
	readonly after?: SideModel | undefined;
}

/** Tokens of context that memory is counted for where nothing is said. */
export function contextOf({ facts }: Model): number {
	return Math.min(usualContext, facts.contextLength);
}

/** Whether hiding these in memory saves the time that the file saves: attention parts alone still run there. */
export const isTimedInMemory = (removed: readonly number[]): boolean => !removed.some(isAttention);

/**
 * A side as the runtime takes it.
 * @throws InvalidOptionError if attention parts alone are removed: hidden ones still run, so the time would be that of the original
 */
export function speedSide({ model, removed = [] }: SideModel): SpeedSide {
	if (!isTimedInMemory(removed)) {
		const [path, set] = [shellWord(model.path), formatBlocks(removed).replaceAll(" ", "")];
		throw new InvalidOptionError(
			`the speed without ${set} cannot be measured in memory: attention parts that are hidden there still take their time. ` +
				`Write the file and compare: prune-gguf apply ${path} OUTPUT.gguf --remove ${set}, then prune-gguf speed ${path} OUTPUT.gguf`,
		);
	}
	return removed.length === 0 ? { model } : { model, mask: Coalition.ofRemoved(model.facts.blocks, removed) };
}

/** What progress says while the speed is measured. */
export const speedPhase = "measuring the speed";

/** How a pair is measured. */
export interface SpeedSettings {
	readonly shape: SpeedShape;
	readonly context: number;
	readonly threads?: number | undefined;
	/** Times at most that the repetitions are made, while the interval of a ratio is wide. @default 1 */
	readonly most?: number | undefined;
}

/** Measures a pair, or one model. @throws as `runSpeed` */
export async function speedOf({ before, after }: PairOfSides, setting: SpeedSettings, options: JobOptions): Promise<PlanSpeed> {
	const { signal, progress } = options;
	const { shape: asked, context, most = 1 } = setting;
	const threads = setting.threads ?? before.model.threads;
	const sides = after ? [before, after] : [before];
	const tell = (share: number) =>
		progress?.work({ phase: speedPhase, done: Math.round((100 * share) / most), total: 100, unit: "percent" });
	const measure = (round: number) =>
		runSpeed(sides.map(speedSide), { ...asked, context, threads, signal, onProgress: (done, total) => tell(round + done / total) });
	const found = await untilNarrow(measure, most);
	const shape = { ...asked, repetitions: found[0]!.promptSeconds.length };
	const figures = sides.map(({ model, removed = [] }, i) => sideOf(found[i]!, shape, sizesWithout(model)(removed).bytes));
	const ratio = (name: "promptSeconds" | "generationSeconds") => ratioOf(found[0]![name], found[1]![name]);
	return {
		...{ ...shape, threads, backend: backendOf(before.model), ...placesOf(sides), context, before: figures[0]! },
		...(after
			? {
					after: figures[1]!,
					through: after.model === before.model ? ("memory" as const) : ("file" as const),
					ratio: { prompt: ratio("promptSeconds"), generation: ratio("generationSeconds") },
				}
			: {}),
	};
}

/** Where the blocks of each file are, if any is on a device. */
function placesOf([before, after]: readonly SideModel[]): Pick<PlanSpeed, "placement"> {
	const models = after && after.model !== before!.model ? [before!.model, after.model] : [before!.model];
	if (models.every(({ placement }) => placement.devices.length === 0)) return {};
	const [first, second] = models.map(({ placement }) => placementText(placement));
	return { placement: { before: first!, ...(second === undefined ? {} : { after: second }) } };
}

/** What was asked for, else the usual, in what both contexts hold. */
function shapeOf(first: Model, second: Model | undefined, options: SpeedOptions): SpeedShape {
	const most = Math.min(first.facts.contextLength, second?.facts.contextLength ?? Number.POSITIVE_INFINITY);
	const generatedTokens = options.generatedTokens ?? Math.max(1, Math.min(usualSpeedShape.generatedTokens, Math.floor(most / 4)));
	const promptTokens = options.promptTokens ?? Math.max(1, Math.min(usualSpeedShape.promptTokens, most - generatedTokens));
	return { promptTokens, generatedTokens, repetitions: options.repetitions ?? usualSpeedShape.repetitions };
}
