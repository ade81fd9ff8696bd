// Healing a pruned model: text, the maps, the proof that they help on text that none of them has seen.
import type { JobOptions } from "../../api/index.js";
import { type ComparedOptions, comparedText } from "./reference-text.js";
import { InvalidPlanError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import type { SourceShare } from "../../game/sources.js";
import { factorText, healFactors } from "./head-factors.js";
import { checkHealMemory, healableCuts, healBytes, kindsOf, shapeOf } from "./memory.js";
import { defaultHealTokens, healTextOf, healWindows } from "./text.js";
import { applyFactors } from "../../model/fitting/factors.js";
import { cutParts, placesOf, removedIn } from "../../model/fitting/cuts.js";
import { healCuts } from "../../model/fitting/heal.js";
import type { HealedCut } from "../../model/fitting/job.js";
import { orRestored, restore } from "../../model/fitting/standing.js";
import { fitKinds } from "../../model/fitting/kinds.js";
import { type HealType, healTypes } from "../../model/fitting/kinds.js";
import { addedBytes, type HealedTensor } from "../../model/fitting/tensors.js";
import { type LossText, tuningFigure } from "../../model/fitting/tuning.js";
import { logger } from "../../api/logger.js";
import { lower, pairedDifference } from "../session/paired-figures.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Model } from "../../model/runtime/model.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { finite, meanAndError } from "../../game/statistics.js";
import { formatBlocks } from "../../notation.js";
import { formatDifference } from "../../report/format.js";
import { hashOfBytes } from "../../storage/hash.js";
import type { HealComparison, PlanHeal } from "../../storage/plan-heal.js";

/** What is healed, and what it is judged on. */
export interface HealJob {
	readonly model: Model;
	readonly evaluator: Evaluator;
	/** Ascending. */
	readonly removed: readonly number[];
	/** Folder of the model's runs: the text is kept there. */
	readonly folder: string;
	readonly seed: number;
	/** Decides on kind and ridge. */
	readonly tuning: TokenWindows;
	/**
	 * Whether that text is the model's own: the loss there is an estimate of the divergence from the original model, with the chance of the
	 * drawn tokens on top, so that the divergence decides, where there is memory for the original model's distributions.
	 */
	readonly own?: boolean | undefined;
	/** Decides whether the healed model is better. */
	readonly validation: TokenWindows;
	/** First position of these windows, and of those for tuning, that counts. @default 0 */
	readonly scoreFrom?: number | undefined;
	/** Says by how much, at all positions. */
	readonly heldOut: TokenWindows;
	/** Where the text comes from, by split, where there are several sources. */
	readonly sources?: Readonly<Partial<Record<"validation" | "heldOut", readonly SourceShare[] | undefined>>> | undefined;
	/** Losses of the original model on the held-out windows, at all positions, where they are known. */
	readonly full?: Float64Array | undefined;
	/** Text to fit to. @default self-generated text */
	readonly fit?: TokenWindows | undefined;
	/** Keep the new matrices where they are not known to help, too: for studies. @default false */
	readonly keep?: boolean | undefined;
}

/** New matrices, which stand in the model, and what a plan says of them. */
export interface Healing {
	/** Empty where nothing was healed. */
	readonly tensors: readonly HealedTensor[];
	readonly section: PlanHeal;
}

/**
 * Heals the cuts of a removal, and keeps that only where the loss on the validation windows falls by more than its 95 % interval.
 * @throws NotEnoughMemoryError, EvaluationError and what sampling throws, or `signal.reason`
 */
export async function healModel(job: HealJob, options: ComparedOptions): Promise<Healing> {
	const { model, removed, evaluator, seed, scoreFrom } = job;
	const started = Date.now();
	const drawing = healTextOf(model, options.healTokens ?? defaultHealTokens, job.seed);
	const kinds = kindsOf(options.healKind);
	const shape = { ...shapeOf(model, healableCuts(removed), options), kinds };
	checkHealMemory(model.file, shape);
	const fit = job.fit ?? (await healWindows(model, job.folder, drawing, options));
	const drawn = Date.now();
	const both = async () => ({
		validation: await lossesOf(evaluator, removed, { windows: job.validation, scoreFrom }, options),
		heldOut: await lossesOf(evaluator, removed, { windows: job.heldOut }, options),
	});
	const before = await both();
	const type = options.healType ?? "auto";
	const text = options.healHeads ? await factorText(evaluator, fit, job.seed, options) : undefined;
	// What heads need of the original model is there already.
	const reserved = healBytes(model.file, { ...shape, heads: false });
	const compared = job.own ? await comparedText(evaluator, job.tuning, { seed, scoreFrom, reserved }, options) : undefined;
	const tuning = compared ?? { windows: job.tuning, scoreFrom };
	const { tensors: healed, cuts } = await healCuts(model, { ...inputOf(job, fit, type, options), tuning, kinds });
	const figure = () => tuningFigure(evaluator, Coalition.ofRemoved(model.facts.blocks, removed), tuning, options.signal);
	const heads = text && (await orRestored(model, healed, () => healFactors(evaluator, { removed, healed, text, figure }, options)));
	const tensors = [...healed, ...(heads?.tensors ?? [])];
	const after = tensors.length === 0 ? before : await orRestored(model, tensors, both);
	const sources = job.sources ?? {};
	const validation = comparisonOf(before.validation, after.validation, sources.validation);
	const applied = tensors.length > 0 && lower({ ...validation, mean: validation.difference }, job.validation.count) === "second";
	const kept = applied || job.keep === true;
	if (!kept) await restore(model, tensors);
	const section: PlanHeal = {
		...{ applied, type, fit: { ...drawing, sha256: hashWindows(fit) } },
		addedBytes: applied ? addedBytes(model.file, tensors) : 0,
		cuts: cuts.map((cut) => planCut(cut, healed)),
		...(heads?.factors.length ? { heads: heads.factors.map((head) => ({ ...head, factors: [...head.factors] })) } : {}),
		validation,
		heldOut: comparisonOf(before.heldOut, after.heldOut, sources.heldOut),
		...(job.full ? { added: pairedDifference({ losses: job.full }, { losses: after.heldOut }, sources.heldOut) } : {}),
		seconds: { text: (drawn - started) / 1000, rest: (Date.now() - drawn) / 1000 },
	};
	noteUnhealed(section, removed, options);
	return { tensors: kept ? tensors : [], section };
}

/**
 * Does again what a plan says, on the same text.
 * @throws InvalidPlanError where the text that the model gives is not the plan's: samples differ with the build and the processor
 */
export async function healAgain(
	job: Pick<HealJob, "model" | "evaluator" | "removed" | "folder">,
	plan: PlanHeal,
	options: JobOptions,
): Promise<Healing> {
	if (!plan.applied) return { tensors: [], section: plan };
	const { model, removed } = job;
	const recipes = recipesOf(plan, removed);
	const kinds = fitKinds.filter((kind) => plan.cuts.some(({ recipe }) => recipe?.kind === kind));
	const fitted = plan.cuts.filter(({ recipe }) => recipe !== undefined).length;
	checkHealMemory(model.file, { cuts: fitted, tokens: plan.fit.count * plan.fit.length, kinds });
	const fit = await healWindows(model, job.folder, plan.fit, options);
	if (hashWindows(fit) !== plan.fit.sha256) {
		throw new InvalidPlanError(
			"this build or processor does not draw the text again that the plan was healed on: heal anew with --remove LIST --heal, or write the model unhealed with --no-heal",
		);
	}
	const how = { ...inputOf(job, fit, healType(plan.type), options), parts: cutParts, recipes, mustHeal: true };
	const { tensors } = await healCuts(model, how);
	const scaled = await orRestored(model, tensors, async () => {
		checkSame(plan, tensors);
		return applyFactors(model, plan.heads ?? [], options.signal);
	});
	return { tensors: [...tensors, ...scaled], section: plan };
}

/** What the plan does at each place. @throws InvalidPlanError where it heals one that these removed blocks do not have */
function recipesOf({ cuts }: PlanHeal, removed: readonly number[]) {
	const places = placesOf(removed, cutParts);
	const isOf = (place: (typeof places)[number], { first, last, part }: PlanHeal["cuts"][number]) =>
		place.first === first && place.last === last && ("part" in place ? place.part : undefined) === part;
	const stranger = cuts.find((cut) => cut.recipe && !places.some((place) => isOf(place, cut)));
	if (stranger)
		throw new InvalidPlanError(
			`the plan heals a cut from ${formatBlocks([stranger.first])} to ${formatBlocks([stranger.last])}, which removing blocks ${formatBlocks(removed)} does not make: the plan is damaged`,
		);
	return places.map((place) => cuts.find((cut) => isOf(place, cut))?.recipe);
}

/** @throws InvalidPlanError where other matrices were found than the plan's: what is written would not be what was measured */
function checkSame(plan: PlanHeal, tensors: readonly HealedTensor[]): void {
	for (const { tensor, norm, sha256 } of plan.cuts) {
		const found = hashOfCut(tensors, [tensor, norm]);
		if (sha256 === undefined || sha256 === found) continue;
		throw new InvalidPlanError(
			`${tensor ?? norm} is healed otherwise here than the plan says (SHA-256 ${found} instead of ${sha256}): number of threads (--threads), backend or build are not those of the plan. Heal anew with --remove LIST --heal, or write the model unhealed with --no-heal`,
		);
	}
}

/** Hash of the tensors that one cut changed, in this order. */
function hashOfCut(tensors: readonly HealedTensor[], names: readonly (string | undefined)[]): string | undefined {
	const found = names.flatMap((name) => tensors.filter((tensor) => tensor.name === name));
	return found.length > 0 ? hashOfBytes(Buffer.concat(found.map(({ bytes }) => bytes))) : undefined;
}

function healType(name: string): HealType {
	const type = healTypes.find((one) => one === name);
	if (type === undefined) throw new InvalidPlanError(`heal.type: expected one of ${healTypes.join(", ")}, got ${name}`);
	return type;
}

function inputOf({ evaluator, removed }: Pick<HealJob, "evaluator" | "removed">, fit: TokenWindows, type: HealType, options: JobOptions) {
	const { ubatch, threads } = evaluator;
	return {
		...{ removed, fit, type, ubatch, threads, signal: options.signal },
		mask: (set: readonly number[]) => Coalition.ofRemoved(evaluator.model.facts.blocks, set),
		onProgress: (done: number, total: number) =>
			options.progress?.work({ phase: "healing the cuts", done: Math.round((100 * done) / total), total: 100, unit: "percent" }),
	};
}

async function lossesOf(evaluator: Evaluator, removed: readonly number[], { windows, scoreFrom }: LossText, { signal }: JobOptions) {
	const mask = Coalition.ofRemoved(evaluator.model.facts.blocks, removed);
	const [evaluation] = await evaluator.evaluate([mask], windows, { scoreFrom, signal });
	return evaluation!.losses;
}

function comparisonOf(before: Float64Array, after: Float64Array, sources: readonly SourceShare[] | undefined): HealComparison {
	const { mean, standardError } = pairedDifference({ losses: before }, { losses: after }, sources);
	const meanOf = (losses: Float64Array) => finite(meanAndError(losses, sources).mean);
	return { before: meanOf(before), after: meanOf(after), difference: mean, standardError };
}

function planCut({ before, recipe, tuning, ...cut }: HealedCut, tensors: readonly HealedTensor[]): PlanHeal["cuts"][number] {
	const sha256 = recipe && hashOfCut(tensors, [cut.tensor, cut.norm]);
	return {
		...{ ...cut, before: before ?? null },
		...(sha256 ? { sha256 } : {}),
		...(recipe ? { recipe: { ...recipe } } : {}),
		...(tuning ? { tuning: { ...tuning } } : {}),
	};
}

/** Warnings of cuts that are left alone, and of what was found and is not kept. @param removed ascending */
export function noteUnhealed({ applied, cuts, heads, validation }: PlanHeal, removed: readonly number[], options: JobOptions): void {
	const log = logger(options);
	for (const { reason, ...cut } of cuts) {
		const gone = formatBlocks(removedIn(cut, removed));
		if (reason !== undefined) log("warning", `the cut of ${/^\d+$/.test(gone) ? "block" : "blocks"} ${gone} is not healed: ${reason}`);
	}
	const found = heads !== undefined || cuts.some(({ recipe }) => recipe !== undefined);
	if (!found || applied) return;
	const { difference = null, standardError } = validation ?? {};
	const change =
		difference === null
			? "the healed model gives no finite loss on the validation text"
			: `the loss on the validation text changes by ${formatDifference(difference, standardError)}, which does not show that healing helps`;
	log("warning", `not healed: ${change}`);
}
