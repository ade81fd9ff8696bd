// The before/after part of a report, from a plan.
import { splitNames } from "../../model/calibration/index.js";
import { fewestWindows } from "../../game/sources.js";
import type { Report, ReportFigure } from "../../report/report-data.js";
import type { Sizes } from "../preflight/model-sizes.js";
import { studentT95 } from "../../game/statistics.js";
import type { Plan, PlanLosses } from "../../storage/plan.js";

type Quality = NonNullable<Report["quality"]>;

/** Units of further figures of a metric, by name; those that are left out say again what another figure says. */
const units = { agreement: "share", accuracy: "share", normalizedAccuracy: "share" } as const;

/** Figures of the held-out split, and the losses of every split. */
export function qualityOf(plan: Plan, { before, after }: { before: Sizes; after: Sizes }): { quality?: Quality } {
	const { heldOut } = plan.losses;
	const split = plan.calibration.heldOut;
	if (!heldOut || !split) return {};
	const windows = fewestWindows(split.count, split.sources);
	const { quantized, heal } = plan;
	// The metric's own figures were measured before healing and quantizing: they are not those of the file.
	const isChanged = quantized !== undefined || heal?.applied === true;
	const metric = plan.metric?.splits.heldOut;
	const losses = writtenLosses(plan, heldOut);
	const figures: ReportFigure[] = [
		figure("loss", "nats per token", losses, windows),
		perplexity(losses, windows),
		...(quantized ? quantizedFigures(quantized, windows) : []),
		...(metric && !isChanged ? metricFigures(plan.metric!.name, metric, windows) : []),
		{
			...{ name: "blocks", unit: "count", before: plan.model.blocks, after: plan.kept },
			...{ change: plan.kept - plan.model.blocks, isRatio: false },
		},
		ratio("parameters", "count", before.parameters, after.parameters),
		ratio("bytes", "bytes", before.bytes, after.bytes),
	];
	const sources = (metric ?? heldOut).sources?.map(({ original, pruned, ...rest }) => ({ ...rest, before: original, after: pruned }));
	return {
		quality: {
			...{ text: split.source, tokens: split.count * (split.length - 1), figures },
			...(quantized ? { quantized: { type: quantized.type, ...(quantized.from ? { from: quantized.from.name } : {}) } } : {}),
			splits: splitNames.flatMap((name) => {
				const losses = plan.losses[name];
				if (!losses) return [];
				const { original, pruned, difference, standardError } = losses;
				return [{ split: name, before: original.mean, after: pruned.mean, difference, standardError }];
			}),
			...(sources ? { sources } : {}),
		},
	};
}

interface Losses {
	readonly original: { readonly mean: number | null };
	readonly pruned: { readonly mean: number | null };
	/** Of the paired differences. */
	readonly difference: number | null;
	readonly standardError: number | null;
}

/** Losses on the held-out split of what was written: of the quantized file where it was quantized, else of the healed one. */
export function writtenLosses({ quantized, heal }: Plan, heldOut: PlanLosses): Losses {
	if (!quantized && heal?.applied && heal.heldOut && heal.added) {
		const { mean, standardError } = heal.added;
		return { original: heldOut.original, pruned: { mean: heal.heldOut.after }, difference: mean, standardError };
	}
	if (!quantized) return heldOut;
	const { loss, added } = quantized;
	return { original: heldOut.original, pruned: loss, difference: added.mean, standardError: added.standardError };
}

/** Of the file as it was written. A metric's own figures are those of the weights before, and are left to the plan. */
function quantizedFigures({ divergence, agreement }: NonNullable<Plan["quantized"]>, windows: number): ReportFigure[] {
	const beside = (whole: number, { mean, standardError }: { mean: number | null; standardError: number | null }): Losses => ({
		...{ original: { mean: whole }, pruned: { mean } },
		...{ difference: mean === null ? null : mean - whole, standardError },
	});
	return [
		...(divergence ? [figure("kl", "nats per token", beside(0, divergence), windows)] : []),
		...(agreement ? [figure("agreement", "share", beside(1, agreement), windows)] : []),
	];
}

/** @param windows that the difference was measured on: its error has one degree of freedom less */
function figure(
	name: string,
	unit: ReportFigure["unit"],
	{ original, pruned, difference, standardError }: Losses,
	windows: number,
): ReportFigure {
	return {
		name,
		unit,
		before: original.mean,
		after: pruned.mean,
		change: difference,
		isRatio: false,
		...errorOf(difference, standardError, windows),
	};
}

/** Standard error and 95 % interval, where there are any. */
export function errorOf(
	difference: number | null,
	standardError: number | null | undefined,
	windows: number,
): Pick<ReportFigure, "standardError" | "interval"> {
	if (difference === null || standardError === null || standardError === undefined || windows < 2) return {};
	const half = studentT95(windows - 1) * standardError;
	return { standardError, interval: { low: difference - half, high: difference + half } };
}

function perplexity({ original, pruned, difference, standardError }: Losses, windows: number): ReportFigure {
	const change = exponential(difference);
	const { interval } = errorOf(difference, standardError, windows);
	return {
		...{
			name: "perplexity",
			unit: "perplexity",
			before: exponential(original.mean),
			after: exponential(pruned.mean),
			change,
			isRatio: true,
		},
		...(interval && change !== null
			? { standardError: change * standardError!, interval: { low: Math.exp(interval.low), high: Math.exp(interval.high) } }
			: {}),
	};
}

/** null where a loss is so large that its perplexity is not finite. */
function exponential(loss: number | null): number | null {
	const value = loss === null ? Number.NaN : Math.exp(loss);
	return Number.isFinite(value) ? value : null;
}

function metricFigures(
	name: NonNullable<Plan["metric"]>["name"],
	metric: NonNullable<NonNullable<Plan["metric"]>["splits"]["heldOut"]>,
	windows: number,
): ReportFigure[] {
	const count = name === "accuracy" ? metric.original.windows.length : windows;
	const own = name === "kl" ? figure("kl", "nats per token", metric, count) : figure("goldLoss", "nats per question", metric, count);
	const further = Object.entries(metric.figures ?? {}).flatMap(([key, { original, pruned, difference, standardError }]) => {
		const unit = units[key as keyof typeof units];
		if (!unit) return [];
		const values = { name: key, unit, before: original, after: pruned, change: difference, isRatio: false };
		return [{ ...values, ...errorOf(difference, standardError, count) }];
	});
	return [own, ...further];
}

function ratio(name: string, unit: ReportFigure["unit"], before: number, after: number): ReportFigure {
	return { name, unit, before, after, change: after / before, isRatio: true };
}
