// What a plan says of the chosen set on each split: the losses of its text, and the metric where that is something else.
import type { JobOptions, Metric } from "../../api/index.js";
import { countKinds, type SplitName, splitNames } from "../../model/calibration/index.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { bySource } from "../../game/sources.js";
import { hashWindows } from "../../model/runtime/windows.js";
import type { Session } from "../session/session.js";
import { differences, finite, meanAndError } from "../../game/statistics.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import type { Plan, PlanSplit, PlanLosses, PlanMetricLosses } from "../../storage/plan.js";
import type { MetricSettings } from "../../api/options/settings.js";

/** The text of every split. */
export function splitFacts({ calibration, drawn }: Session): Record<SplitName, PlanSplit> {
	const split = (name: SplitName): PlanSplit => {
		const windows = calibration.splits[name];
		const sources = calibration.sources.map(({ counts, ...source }) => ({ ...source, count: counts[name] }));
		return {
			...{ source: calibration.source, sha256: hashWindows(windows), count: windows.count, length: windows.length },
			...(sources.length > 1 ? { sources } : {}),
			...(calibration.kinds ? { kinds: countKinds(calibration.kinds[name]) } : {}),
		};
	};
	const share = drawn();
	return {
		search: { ...split("search"), ...(share ? { drawn: { ...share } } : {}) },
		validation: split("validation"),
		heldOut: split("heldOut"),
	};
}

/** Losses of the original model and without the chosen blocks on the text of every split. Measures what is not known. */
export async function textFigures(session: Session, removed: readonly number[], options: JobOptions): Promise<Record<string, PlanLosses>> {
	const losses: Record<string, PlanLosses> = {};
	for (const name of splitNames)
		losses[name] = await session.timed("figures", async () => pairOf(...(await beforeAfter(session.texts[name], removed, options))));
	return losses;
}

/** The metric before and after on every split; undefined where it is the loss of the text. */
export async function metricFigures(
	session: Session,
	removed: readonly number[],
	options: JobOptions & Pick<MetricSettings, "questions">,
): Promise<Plan["metric"] | undefined> {
	const name: Metric = session.metric;
	if (name === "loss") return undefined;
	const splits: Partial<Record<SplitName, PlanMetricLosses>> = {};
	for (const split of splitNames) {
		const [original, after] = await session.timed("figures", () => beforeAfter(session.finals[split], removed, options));
		const figures = Object.fromEntries(Object.keys(original.figures ?? {}).map((figure) => [figure, figureOf(figure, original, after)]));
		splits[split] = { ...pairOf(original, after), figures };
	}
	return { name, ...(options.questions === undefined ? {} : { questions: options.questions }), splits };
}

async function beforeAfter(
	game: LedgerGame,
	removed: readonly number[],
	options: JobOptions,
): Promise<[original: Measurement, after: Measurement]> {
	const sets = [Coalition.full(game.players), Coalition.ofRemoved(game.players, removed)];
	const [original, after] = await game.measure(sets, { phase: "measuring the pruned model on more text", signal: options.signal });
	return [original!, after!];
}

function pairOf(original: Measurement, after: Measurement): PlanLosses {
	const { sources } = original;
	const side = ({ losses }: Measurement) => ({ mean: finite(meanAndError(losses, sources).mean), windows: Array.from(losses, finite) });
	const whole = { original: side(original), pruned: side(after), ...differenceOf(after.losses, original.losses, sources) };
	if (!sources) return whole;
	const [before, later] = [bySource(original.losses, sources), bySource(after.losses, sources)];
	const each = sources.map(({ name, weight }, i) => ({
		...{ name, weight, original: finite(meanAndError(before[i]!).mean), pruned: finite(meanAndError(later[i]!).mean) },
		...differenceOf(later[i]!, before[i]!, undefined),
	}));
	return { ...whole, sources: each };
}

function figureOf(name: string, original: Measurement, after: Measurement): NonNullable<PlanMetricLosses["figures"]>[string] {
	const [before, later] = [original.figures![name]!, after.figures![name]!];
	const mean = (values: Float64Array) => finite(meanAndError(values, original.sources).mean);
	return { original: mean(before), pruned: mean(later), ...differenceOf(later, before, original.sources) };
}

function differenceOf(after: Float64Array, before: Float64Array, sources: Measurement["sources"]) {
	const { mean, standardError } = meanAndError(differences(after, before), sources);
	return { difference: finite(mean), standardError: finite(standardError ?? Number.NaN) };
}
