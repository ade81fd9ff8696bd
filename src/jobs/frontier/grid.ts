// The cells of a frontier, measured: every set in every type of weights.
import type { FrontierTimes } from "../../api/frontier.js";
import type { Measurement } from "../../game/game.js";
import type { SourceShare } from "../../game/sources.js";
import type { FileType } from "../../model/runtime/quantize.js";
import { amountsOf } from "../../notation.js";
import { weightsOf } from "../../pipeline/pruning/remains.js";
import { References } from "../../pipeline/quantizing/reference-logits.js";
import { Variant, type VariantSetting } from "../../pipeline/quantizing/variants.js";
import { splitSources } from "../../pipeline/session/calibration-windows.js";
import { figuresOf } from "../../pipeline/session/paired-figures.js";
import type { Session } from "../../pipeline/session/session.js";
import type { AtContext } from "../../pipeline/speed/at-context.js";
import { SpeedComparison } from "../../pipeline/speed/comparison.js";
import type { ModelWeights } from "../../pipeline/writing/quantize-weights.js";
import { bestOf, type Cell, fits } from "./choice.js";
import { HealedSets, healedCells, reportCells } from "./healed.js";
import type { FrontierRequest } from "./request.js";
import { CostsAtContext } from "./at-context.js";
import { speedupsOf } from "./speed.js";
import type { FrontierJob } from "../../pipeline/preflight/job.js";

/** Splits that cells are measured on: one to choose by, one for the figures of what was chosen. */
type Split = "validation" | "heldOut";

/** A cell, and what was measured of it on the held-out split, where it is the best of its type and kind. */
export interface MeasuredCell {
	readonly cell: Cell;
	readonly reported?: Measurement | undefined;
}

export interface Grid {
	readonly cells: readonly MeasuredCell[];
	/** The original model. */
	readonly reference: Readonly<Record<Split, Measurement>>;
	/** What times at a context are derived from. */
	readonly times: readonly FrontierTimes[];
}

/** What is measured. */
export interface GridJob extends Pick<FrontierRequest, "types" | "goal"> {
	/** The context that attention parts are weighed at. */
	readonly at: AtContext | undefined;
	/** Whose weights are quantized, where they are not the model's. */
	readonly original: ModelWeights | undefined;
	readonly sets: readonly (readonly number[])[];
}

/** What every type is measured with. */
interface GridSetting extends Omit<GridJob, "original" | "types" | "at"> {
	readonly session: Session;
	readonly reference: Grid["reference"];
	readonly sources: Readonly<Record<Split, readonly SourceShare[] | undefined>>;
	/** Where speed is a target that is measured. */
	readonly comparison: SpeedComparison | undefined;
	/** Where attention parts are removed. */
	readonly costs: CostsAtContext | undefined;
	readonly healed: HealedSets | undefined;
}

/** Measures all cells, type after type. */
export async function measureGrid(session: Session, job: GridJob, options: FrontierJob): Promise<Grid> {
	const { original, types, goal, at, sets } = job;
	const source = weightsOf(session);
	const whole = original ?? source;
	const { calibration, folder, settings, evaluator } = session;
	const { validation, heldOut } = calibration.splits;
	const windows = {
		validation: { ...validation, ...session.scoredOn("validation") },
		heldOut: { ...heldOut, ...session.scoredOn("heldOut") },
	};
	const references = new References<Split>(whole, windows, options, original ? undefined : session);
	const setting: VariantSetting<Split> = { folder, windows, settings, references, options };
	const open = (type: FileType | "own", weights: ModelWeights) =>
		Variant.open(type, weights, setting, weights === source && type === "own" ? evaluator : undefined);
	const reference = await using(await open("own", whole), wholeOn);
	const isTimed = goal.targetSpeedup !== undefined && !at;
	const comparison = isTimed ? await SpeedComparison.of(session.model, goal.speedupOf!, options) : undefined;
	const healed = HealedSets.of(session, () => (original ? references.bytesToMake : session.referenceBytes), options);
	const sources = { validation: splitSources(calibration, "validation"), heldOut: splitSources(calibration, "heldOut") };
	const costs = at && new CostsAtContext(at, { weights: whole, targetSpeedup: goal.targetSpeedup }, options);
	const shared = { session, goal, sets, reference, sources, comparison, costs, healed };
	const cells: MeasuredCell[] = [];
	for (const type of ["own", ...types] as const)
		cells.push(...(await using(await open(type, type === "own" ? source : whole), (variant) => cellsOf(variant, shared))));
	return { cells, reference, times: costs?.times ?? [] };
}

async function wholeOn(variant: Variant<Split>): Promise<Grid["reference"]> {
	const [[first], [second]] = [await variant.measure("validation", [[]]), await variant.measure("heldOut", [[]])];
	return { validation: first!, heldOut: second! };
}

/** The cells of one type of weights; the best of each kind is measured on the held-out split too. */
async function cellsOf(variant: Variant<Split>, setting: GridSetting): Promise<MeasuredCell[]> {
	const { goal, reference, sources, healed } = setting;
	const plain = await plainCells(variant, setting);
	const against = { whole: reference.validation, sources: sources.validation, goal };
	const all = [...plain, ...(await healedCells(variant, healed, plain, against))];
	const pruned = all.filter(({ removed }) => removed.length > 0);
	const shown = [...new Set([all[0]!, bestOf(goal, all) ?? all[0]!, bestOf(goal, pruned) ?? all[0]!])];
	const reports = await reportCells(variant, healed, shown);
	return all.map((cell) => {
		const reported = reports[shown.indexOf(cell)];
		return reported ? { cell: { ...cell, heldOut: figuresOf(reported, reference.heldOut, sources.heldOut) }, reported } : { cell };
	});
}

/** Every set as it is, and the original model first. */
async function plainCells(variant: Variant<Split>, setting: GridSetting): Promise<Cell[]> {
	const { session, sets, goal, reference, sources, comparison, costs } = setting;
	const { model } = session;
	const { blocks } = model.facts;
	const speedups = comparison && (await speedupsOf(model, comparison, variant, sets));
	const measured = await variant.measure("validation", [[], ...sets]);
	const costOf = await costs?.of(variant);
	return measured.map((found, i) => {
		const removed = i === 0 ? [] : sets[i - 1]!;
		const figures = figuresOf(found, reference.validation, sources.validation);
		const kept = blocks - amountsOf(removed).blocks;
		const speedup = speedups ? { speedup: speedups[i]! } : {};
		const size = { blocks: kept, bytes: variant.bytes(removed), compute: kept / blocks, ...speedup, ...costOf?.(removed) };
		return { type: variant.type, removed, ...size, ...figures, fits: fits(goal, { ...size, ...figures }) };
	});
}

async function using<T>(variant: Variant<Split>, work: (variant: Variant<Split>) => Promise<T>): Promise<T> {
	try {
		return await work(variant);
	} finally {
		await variant.close();
	}
}
