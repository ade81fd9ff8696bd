import * as v from "valibot";
import { blockSet, finiteNumber, finiteOrNull, positiveWhole, sha256Hex, someText, wholeNumber } from "./plan-values.js";
import { isAttention } from "../game/parts.js";
import { amountsOf, amountText, formatBlocks } from "../notation.js";
import { healFaults, healSchema, type PlanHeal } from "./plan-heal.js";
import { limitsSchema } from "./plan-limits.js";
import { quantizedAlternativesSchema, quantizedSchema } from "./plan-quantized.js";
import { contextSchema, speedSchema } from "./plan-speed.js";

/** `format` of every plan. */
export const PLAN_FORMAT = "prune-gguf-plan";
/** Version that this program writes. */
export const PLAN_VERSION = 2;
/** Versions that it reads: those before are converted. */
export const PLAN_VERSIONS = [1, PLAN_VERSION] as const;

const setting = v.union([v.string(), v.number(), v.boolean(), v.null()], "expected text, a number, true, false or null");
const settings = v.record(
	v.string(),
	v.union([setting, v.array(setting)], "expected text, a number, true, false, null or a list of these"),
);
/** Groups of options, and shares by name within a group. */
const shares = v.record(v.string(), v.number());
const option = v.union([setting, v.array(setting)]);
const options = v.record(
	v.string(),
	v.union(
		[option, v.record(v.string(), v.union([option, shares]))],
		"expected text, a number, true, false, null, or a list or group of these",
	),
);

/** Units of the importance of blocks. */
export const importanceUnits = ["nats", "value", "log-nats", "score"] as const;
export type ImportanceUnit = (typeof importanceUnits)[number];

/** Losses of one model over the windows of one split, nats per token. */
const measured = v.strictObject({
	/** Mean over the windows; null if the model broke down. */
	mean: finiteOrNull,
	/** One a window, in order; null if not finite. */
	windows: v.array(finiteOrNull),
});

const source = {
	/** Name of a calibration text. */
	name: someText,
	/** How much it counts; only the ratios matter. */
	weight: v.pipe(v.number(), v.gtValue(0, "expected a number above 0")),
};

const split = v.strictObject({
	/** Where the text came from: file names, or "self-generated text". */
	source: someText,
	/** SHA-256 over the tokens of the windows. */
	sha256: sha256Hex,
	/** Number of windows. */
	count: positiveWhole,
	/** Tokens in each window. */
	length: positiveWhole,
	/** If there are several calibration texts: theirs, in the order of the windows. */
	sources: v.optional(v.array(v.strictObject({ ...source, count: positiveWhole }))),
	/** If the text is self-generated: windows of each kind, such as `document`, `chat` and `news`. Missing if an earlier version drew it. */
	kinds: v.optional(v.array(v.strictObject({ kind: someText, count: positiveWhole }))),
	/** If the search scored drawn positions only: how many of how many, and the standard error of the original model's mean loss on them, nats per token. */
	drawn: v.optional(v.strictObject({ positions: positiveWhole, of: positiveWhole, standardError: v.optional(finiteOrNull) })),
});

const difference = {
	/** After - before: mean over the windows, paired; null if not finite. */
	difference: finiteOrNull,
	/** Standard error of the difference; null with fewer than two windows. */
	standardError: finiteOrNull,
};

const splitLosses = v.strictObject({
	original: measured,
	pruned: measured,
	...difference,
	/** If there are several calibration texts: the mean of each. The means above are then weighted ones over them. */
	sources: v.optional(v.array(v.strictObject({ ...source, original: finiteOrNull, pruned: finiteOrNull, ...difference }))),
});

/** The metric of one split, in its own nats: a window is a question if it is `accuracy`. */
const metricLosses = v.strictObject({
	...splitLosses.entries,
	/** Further means by name: `loss`; shares from 0 to 1: `agreement`, `accuracy`, `normalizedAccuracy`. */
	figures: v.optional(v.record(v.string(), v.strictObject({ original: finiteOrNull, pruned: finiteOrNull, ...difference }))),
});

/** A calibration text on which another candidate is better, on the validation split. */
const disagreement = v.strictObject({
	source: someText,
	chosen: blockSet,
	better: blockSet,
	/** By how much on this text, its standard error, and how much worse on all texts as weighted. */
	by: finiteNumber,
	standardError: finiteNumber,
	worseOverall: finiteNumber,
});

const importance = v.strictObject({
	/** 0-based, as in the tensor names. */
	block: wholeNumber,
	/** Higher is more needed. */
	value: finiteNumber,
	/**
	 * Unit of the value. `nats`: per token that removing the block alone adds to the loss. `value`: its share in v = PPL(original) /
	 * PPL(kept blocks). `log-nats`: its share in log(1 + added nats). `score`: what a baseline gives it, on a scale of its own.
	 */
	unit: v.picklist(importanceUnits, `expected one of ${importanceUnits.join(", ")}`),
	/** Standard error or posterior deviation of the value, if the estimator has one; in the same unit. */
	standardError: v.optional(finiteNumber),
	/** How it was estimated. */
	estimator: someText,
});

const shiftedPair = v.strictObject({
	/** The feed-forward part of a block and the attention part of the next. */
	removed: blockSet,
	/** Loss that its removal alone adds on the search split, nats per token, with its standard error, paired by window. */
	added: finiteNumber,
	standardError: v.optional(finiteNumber),
});

const surrogate = v.strictObject({
	name: someText,
	/** Candidates it was fitted on, and other candidates it was judged on. */
	trainCandidates: wholeNumber,
	heldOutCandidates: wholeNumber,
	/** Coefficient of determination on the held-out candidates. */
	r2: finiteOrNull,
	/** Rank correlation on the held-out candidates. */
	spearman: finiteOrNull,
	/** Further figures by name. */
	details: v.optional(v.record(v.string(), finiteOrNull)),
});

const reasoned = v.strictObject({ block: wholeNumber, reason: someText });

const curvePoint = v.strictObject({
	/** Number of blocks removed. */
	count: wholeNumber,
	removed: blockSet,
	/** Mean losses, nats per token; left out or null if not measured or not finite. */
	searchLoss: v.optional(finiteOrNull),
	validationLoss: v.optional(finiteOrNull),
	/** Standard error of the validation loss's difference to the original model. */
	validationStandardError: v.optional(finiteOrNull),
});

/** A candidate that the final comparison did not tell from the chosen one. */
const tied = v.strictObject({
	removed: blockSet,
	/** Who proposed it. */
	method: someText,
	/** Loss above that of the chosen set, in the metric's nats, and its standard error, paired by window. */
	above: finiteNumber,
	standardError: finiteNumber,
	/** Windows, or questions, on which both were measured; those of the validation split if it does not say. */
	windows: v.optional(wholeNumber),
	/** If `above` is of their divergence from the original model. */
	by: v.optional(v.literal("divergence")),
});

/** What decided between candidates of the same size, beyond the validation split. */
const finalComparison = v.strictObject({
	/** By what sets were compared: the metric, or their divergence from the original model. */
	by: v.picklist(["metric", "divergence"], "expected metric or divergence"),
	/** Parts of further text in their order, each of as many windows as the validation split: SHA-256 over its tokens, and how many sets were measured on it. */
	further: v.array(v.strictObject({ sha256: sha256Hex, sets: positiveWhole })),
});

const perSplit = <Schema extends v.GenericSchema>(schema: Schema) =>
	v.strictObject({ search: v.optional(schema), validation: v.optional(schema), heldOut: v.optional(schema) });

export const planSchema = v.pipe(
	v.strictObject({
		format: v.literal(PLAN_FORMAT),
		version: v.literal(PLAN_VERSION),
		/** When the plan was made, ISO 8601. */
		created: someText,
		model: v.strictObject({
			/** File name, without folders. */
			name: someText,
			sha256: sha256Hex,
			architecture: someText,
			/** Number of blocks before removal. */
			blocks: positiveWhole,
		}),
		/** Blocks to remove, 0-based as in the tensor names, ascending; i + 0.25 is an attention part alone, i + 0.5 a shifted pair. A file has them as text: `3, 6-9a, 12f-15a`. */
		removed: blockSet,
		/** Number of blocks kept. */
		kept: positiveWhole,
		/** How the set was chosen. */
		method: someText,
		/** Options of `pruneGguf`, nested as there, that decide on the result: those that were given, and what was found for them. */
		options,
		seed: v.nullable(wholeNumber),
		calibration: perSplit(split),
		losses: perSplit(splitLosses),
		/** What was searched for, if that was not the loss. */
		metric: v.optional(
			v.strictObject({
				name: v.picklist(["kl", "accuracy"], "expected kl or accuracy"),
				/** File of the questions. */
				questions: v.optional(someText),
				splits: perSplit(metricLosses),
			}),
		),
		disagreements: v.optional(v.array(disagreement)),
		importance: v.optional(v.array(importance)),
		/** With half-block cuts: the shifted pairs that were measured alone. */
		shiftedPairs: v.optional(v.array(shiftedPair)),
		surrogate: v.optional(surrogate),
		/** Blocks whose removal alone costs too much. */
		critical: v.array(reasoned),
		/** Blocks that were never candidates. */
		frozen: v.array(reasoned),
		/** The best sets found for every size: the curve of loss against blocks removed. */
		alternatives: v.array(curvePoint),
		/** Missing if no size had two sets to decide between. */
		finalComparison: v.optional(finalComparison),
		/** Sets of the chosen size that are as good as far as the final comparison can tell: 0 is in the 95 % interval of the difference. */
		tied: v.optional(v.array(tied)),
		limits: v.optional(limitsSchema),
		heal: v.optional(healSchema),
		quantized: v.optional(quantizedSchema),
		quantizedAlternatives: v.optional(quantizedAlternativesSchema),
		/** Speed and memory before and after. */
		speed: v.optional(speedSchema),
		/** Time and keys and values at the context that the model is used at, if one was asked for. */
		context: v.optional(contextSchema),
		versions: v.strictObject({ "prune-gguf": someText, "llama.cpp": someText }),
		/** Backend that computed the losses. */
		backend: someText,
		/** Settings of the machine that can change bits. */
		machine: settings,
		/** Seconds by phase. */
		timings: v.record(v.string(), finiteNumber),
		/** Command or call that made the plan. */
		command: someText,
	}),
	v.rawCheck(({ dataset, config, addIssue }) => {
		if (!dataset.typed) return;
		for (const issue of contradictions(dataset.value)) {
			addIssue({ message: issue });
			if (config.abortEarly) return;
		}
	}),
);

type Shape = {
	readonly model: { readonly blocks: number };
	readonly removed: readonly number[];
	readonly kept: number;
	readonly alternatives: readonly { readonly count: number; readonly removed: readonly number[] }[];
	readonly tied?: readonly { readonly removed: readonly number[] }[] | undefined;
	readonly importance?: readonly { readonly block: number }[] | undefined;
	readonly shiftedPairs?: readonly { readonly removed: readonly number[] }[] | undefined;
	readonly critical: readonly { readonly block: number }[];
	readonly frozen: readonly { readonly block: number }[];
	readonly heal?: PlanHeal | undefined;
};

/** What a shape cannot say; each with the place in the document. */
function* contradictions(plan: Shape): Generator<string> {
	const { blocks } = plan.model;
	yield* blockListFaults("removed", plan.removed, blocks);
	const left = blocks - amountsOf(plan.removed).blocks;
	if (plan.kept !== left) yield `kept: ${plan.kept}, but removing ${amountText(plan.removed, blocks)} keeps ${left}`;
	for (const [index, point] of plan.alternatives.entries()) {
		const place = `alternatives[${index}]`;
		yield* blockListFaults(`${place}.removed`, point.removed, blocks);
		if (point.count !== point.removed.length) yield `${place}.count: ${point.count}, but ${point.removed.length} blocks are named`;
	}
	for (const [index, set] of (plan.tied ?? []).entries()) {
		yield* blockListFaults(`tied[${index}].removed`, set.removed, blocks);
		if (set.removed.length !== plan.removed.length)
			yield `tied[${index}].removed: ${set.removed.length} blocks, but ${plan.removed.length} are removed`;
	}
	for (const [index, { removed }] of (plan.shiftedPairs ?? []).entries())
		yield* blockListFaults(`shiftedPairs[${index}].removed`, removed, blocks);
	if (plan.heal) yield* healFaults(plan.heal);
	for (const name of ["importance", "critical", "frozen"] as const) {
		for (const [index, { block }] of (plan[name] ?? []).entries()) yield* rangeFault(`${name}[${index}].block`, block, blocks);
	}
}

function* blockListFaults(place: string, list: readonly number[], blocks: number): Generator<string> {
	for (const [index, block] of list.entries()) {
		yield* rangeFault(`${place}[${index}]`, block, blocks);
		const before = list[index - 1];
		if (before === undefined || before + (isAttention(before) ? 0.25 : 1) <= block) continue;
		if (before >= block) yield `${place}[${index}]: blocks are listed once each, ascending; ${block} follows ${before}`;
		else yield `${place}[${index}]: ${formatBlocks([before])} and ${formatBlocks([block])} share a part`;
	}
}

function* rangeFault(place: string, block: number, blocks: number): Generator<string> {
	const last = isAttention(block) ? Math.floor(block) : Math.ceil(block);
	if (last >= blocks) yield `${place}: block ${last} is not one of 0..${blocks - 1} (block numbers are 0-based)`;
}
