// Block count x quantisation: what each combination costs, how large it is, and the best one for a goal.
import { basename } from "node:path";
import type { FrontierCell, FrontierResult } from "../../api/index.js";
import type { FoldName } from "../../model/calibration/index.js";
import { BestSoFar } from "../../pipeline/methods/best-so-far.js";
import { defaultMethod } from "../../api/methods.js";
import { choose, plannedMasks } from "../../pipeline/methods/registry.js";
import { commandLine, quoted } from "../../pipeline/preflight/command-line.js";
import { weightsOf } from "../../pipeline/pruning/quantized.js";
import { finalists, sizesFound } from "../../pipeline/race/finalists.js";
import { bestOf, type Cell, fits, markDominated, sorted, verdictOf } from "./choice.js";
import { HealedSets, healedCells, reportCells } from "./healed.js";
import { type FrontierRequest, frontierRequest } from "./request.js";
import { forSpeed, speedupsOf } from "./speed.js";
import type { Measurement } from "../../game/game.js";
import type { SourceShare } from "../../game/sources.js";
import { withHealTimeOf } from "../../pipeline/healing/of-session.js";
import { checkHealable } from "../../pipeline/healing/memory.js";
import { readHeader } from "../../pipeline/preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { checkMethodOptions } from "../../pipeline/preflight/method-options.js";
import { figuresOf, meanOf, pairedDifference } from "../../pipeline/session/paired-figures.js";
import { inputFiles } from "../../pipeline/preflight/objective.js";
import { openOriginal, type Weights } from "../../pipeline/writing/quantize-weights.js";
import { race } from "../../pipeline/race/race.js";
import { References } from "../../pipeline/quantizing/reference-logits.js";
import { isQuantized } from "../../model/runtime/file-types.js";
import type { FileType } from "../../model/runtime/quantize.js";
import { Session, summarize } from "../../pipeline/session/session.js";
import { SpeedComparison } from "../../pipeline/speed/comparison.js";
import { checkTarget, writeAtomically } from "../../storage/atomic-file.js";
import { Variant, type VariantSetting } from "../../pipeline/quantizing/variants.js";
import { asksToHeal } from "../../pipeline/preflight/heal-options.js";
import type { FrontierJob } from "../../pipeline/preflight/job.js";

/** Folds that cells are measured on: one to choose by, one for the figures of what was chosen. */
type Fold = "validation" | "report";

/**
 * Searches block count x quantisation: one search finds the set of each number of blocks, then every set is measured in every type of
 * weights through the layer view, one copy of the model a type and no file a cell. Cells are chosen by the validation fold; the best of
 * each type is measured on the report fold too. With `heal` every set is measured healed too. Everything measured is kept: a run that was stopped goes on, and a type whose cells are
 * all known is not quantised again.
 * @param model path of a GGUF file (any shard of a split one)
 * @throws InvalidOptionError, UnsupportedArchitectureError, OutputExistsError, QuantizeError, NoSpaceError and the errors of loading and measuring
 * @example
 * const { best, verdict } = await findFrontier("model.gguf", { targetSize: 60e6 });
 * console.log(best?.type, best?.removed, verdict.text);
 */
export async function findFrontier(model: string, options: FrontierJob = {}): Promise<FrontierResult> {
	const started = Date.now();
	const method = options.method ?? defaultMethod;
	checkMethodOptions(method, options);
	const header = await readHeader(model, options);
	const original =
		options.quantizeFrom === undefined ? undefined : await openOriginal(options.quantizeFrom, { path: model, file: header.file }, options);
	const asked = frontierRequest(header, original ?? header, options);
	const { output } = options;
	const inputs = [...header.file.paths, ...inputFiles(options), ...(original?.file.paths ?? [])];
	const target = { overwrite: options.overwrite ?? false, inputs };
	if (output !== undefined) await checkTarget(output, target);
	const request = { ...asked, kmax: await forSpeed(model, header, asked.kmax, options) };
	const masks = plannedMasks(method, header.blocks.blocks, request.kmax, options);
	const session = await Session.open(model, options, { masks, weights: "auto", compared: true });
	const best = new BestSoFar();
	try {
		announce(session, request, options);
		if (asksToHeal(options))
			options = checkHealable(session.model, request.kmax, options, { alike: true, references: session.referenceBytes });
		options = await withHealTimeOf(session, request.kmax, options, true);
		await session.measureFull(options.signal);
		const sets = await setsOf(session, request, best, options);
		const grid = await measureGrid(session, original, sets, request, options);
		const result = { ...resultOf(session, original, grid, request, options), seconds: (Date.now() - started) / 1000 };
		if (output !== undefined)
			await writeAtomically(output, target, (handle) => handle.writeFile(`${JSON.stringify(result, undefined, "\t")}\n`));
		return result;
	} catch (error) {
		if (options.signal?.aborted) best.tell(session.objective, options);
		throw error;
	} finally {
		await session.close();
	}
}

function announce(session: Session, { kmax, types }: FrontierRequest, options: FrontierJob): void {
	const { blocks } = session.model.facts;
	const made = types.length > 0 ? `the model's own weights, then ${types.join(", ")}` : "the model's own weights";
	const healed = asksToHeal(options) ? "; every set healed too" : "";
	logger(options)("note", `${basename(session.model.path)}: ${blocks} blocks, up to ${kmax} removed; ${made}${healed}`);
}

/** The set of each number of removed blocks, decided by the race. */
async function setsOf(
	session: Session,
	{ kmax }: FrontierRequest,
	{ onStep }: BestSoFar,
	options: FrontierJob,
): Promise<readonly (readonly number[])[]> {
	const choices = await choose(session, options.method ?? defaultMethod, kmax, options, { onStep });
	await session.closeSearch();
	for (const note of choices.found.notes) logger(options)("note", note);
	const sizes = sizesFound(choices);
	if (sizes.length === 0) return [];
	const { winners } = await race(session, finalists(session, choices, sizes), options);
	return [...winners.values()].map(({ removed }) => removed).sort((a, b) => a.length - b.length);
}

interface Grid {
	readonly cells: readonly Cell[];
	/** What was measured on the report fold, of the best of each type and kind. */
	readonly reported: ReadonlyMap<Cell, Measurement>;
	readonly reference: Readonly<Record<Fold, Measurement>>;
}

async function measureGrid(
	session: Session,
	original: Weights | undefined,
	sets: readonly (readonly number[])[],
	{ types, goal }: FrontierRequest,
	options: FrontierJob,
): Promise<Grid> {
	const source = weightsOf(session);
	const whole = original ?? source;
	const { validation, report } = session.calibration.folds;
	const windows = { validation, report };
	const references = new References<Fold>(whole, windows, options, original ? undefined : session);
	const setting: VariantSetting<Fold> = { folder: session.folder, windows, settings: session.settings, references, options };
	const sources = sourcesOf(session);
	const open = (type: FileType | "own", weights: Weights) =>
		Variant.open(type, weights, setting, weights === source && type === "own" ? session.evaluator : undefined);
	const reference = await using(await open("own", whole), async (variant) => {
		const [[first], [second]] = [await variant.measure("validation", [[]]), await variant.measure("report", [[]])];
		return { validation: first!, report: second! };
	});
	const comparison = goal.targetSpeedup === undefined ? undefined : await SpeedComparison.of(session.model, goal.speedupOf!, options);
	const healed = HealedSets.of(session, () => (original ? references.bytesToMake : session.referenceBytes), options);
	const against = { whole: reference.validation, sources: sources.validation, goal };
	const cells: Cell[] = [];
	const reported = new Map<Cell, Measurement>();
	const blocks = session.model.facts.blocks;
	for (const type of ["own", ...types] as const) {
		await using(await open(type, type === "own" ? source : whole), async (variant) => {
			const all: Cell[] = [];
			const speedups = comparison && (await speedupsOf(session.model, comparison, variant, sets));
			for (const [i, found] of (await variant.measure("validation", [[], ...sets])).entries()) {
				const removed = i === 0 ? [] : sets[i - 1]!;
				const figures = figuresOf(found, reference.validation, sources.validation);
				const kept = blocks - removed.length;
				const speedup = speedups ? { speedup: speedups[i]! } : {};
				const size = { blocks: kept, bytes: variant.bytes(removed), compute: kept / blocks, ...speedup };
				const cell = { type, removed, ...size, ...figures, fits: fits(goal, { ...size, ...figures }) };
				all.push(cell);
			}
			all.push(...(await healedCells(variant, healed, all, against)));
			const pruned = all.filter(({ removed }) => removed.length > 0);
			const shown = [...new Set([all[0]!, bestOf(goal, all) ?? all[0]!, bestOf(goal, pruned) ?? all[0]!])];
			const reports = await reportCells(variant, healed, shown);
			shown.forEach((cell, i) => {
				reported.set(cell, reports[i]!);
				(cell as { report?: Cell["report"] }).report = figuresOf(reports[i]!, reference.report, sources.report);
			});
			cells.push(...all);
		});
	}
	return { cells, reported, reference };
}

async function using<T>(variant: Variant<Fold>, work: (variant: Variant<Fold>) => Promise<T>): Promise<T> {
	try {
		return await work(variant);
	} finally {
		await variant.close();
	}
}

function sourcesOf({ calibration: { sources } }: Session): Record<Fold, readonly SourceShare[] | undefined> {
	const of = (fold: FoldName) =>
		sources.length < 2 ? undefined : sources.map(({ name, weight, counts }) => ({ name, weight, count: counts[fold] }));
	return { validation: of("validation"), report: of("report") };
}

function resultOf(
	session: Session,
	original: Weights | undefined,
	{ cells, reported, reference }: Grid,
	{ goal, kmax }: FrontierRequest,
	options: FrontierJob,
): Omit<FrontierResult, "seconds"> {
	const whole = original ?? weightsOf(session);
	const sources = sourcesOf(session);
	const marked = markDominated(cells);
	const foundOf = new Map(marked.map((cell, i) => [cell, reported.get(cells[i]!)]));
	const best = bestOf(goal, marked);
	const sourceQuantized = isQuantized(whole.file);
	const { validation, report } = session.calibration.folds;
	const difference = (a: FrontierCell, b: FrontierCell) => {
		const [one, other] = [foundOf.get(a), foundOf.get(b)];
		return one && other ? pairedDifference(one, other, sources.report) : { mean: null, standardError: null };
	};
	const verdict = verdictOf(goal, marked, best, difference, report.count, sourceQuantized);
	return {
		model: summarize(session.model),
		reference: {
			name: basename(whole.path),
			sha256: whole.sha256,
			bytes: whole.file.size,
			loss: meanOf(reference.report.losses, sources.report),
		},
		sourceQuantized,
		goal,
		computeAxis: goal.speedupOf ?? "blocks",
		text: { source: session.calibration.source, validation: validation.count, report: report.count, length: report.length },
		cells: sorted(marked, best),
		...(best ? { best } : {}),
		verdict: { ...verdict, text: verdict.text + (best || kmax >= session.model.blocks.maxRemovable ? "" : ` ${allowMore}`) },
		commands: best ? commandsOf(session, best, options, sourceQuantized) : [],
	};
}

const allowMore = "More blocks may be removed with --max-blocks.";

/** How the best choice is written. What only quantises is llama.cpp's own program's to do. */
function commandsOf(session: Session, { type, removed, healed }: FrontierCell, options: FrontierJob, twice: boolean): string[] {
	const model = session.model.path;
	const { quantizeFrom, healTokens, healKind, healType, healHeads } = options;
	const name = `${basename(model).replace(/\.gguf$/i, "")}${removed.length > 0 ? `-minus-${removed.length}` : ""}${type === "own" ? "" : `-${type}`}.gguf`;
	if (removed.length > 0) {
		// What its figures are of, and its fit to the same text.
		const { calibration, windows, windowLength, seed, gpuLayers, referenceBytes, allowUnknownArchitecture } = options;
		const threads = Number(session.settings.threads);
		const text = { calibration, windows, windowLength, seed, threads, gpuLayers, referenceBytes, allowUnknownArchitecture };
		const quantize = type === "own" ? {} : { quantize: type, ...(quantizeFrom === undefined ? {} : { quantizeFrom }) };
		const heal = healed ? { heal: true, healTokens, healKind, healType, healHeads } : {};
		return [commandLine(model, name, { remove: [...removed], ...text, ...heal, ...quantize })];
	}
	const again = twice ? "--allow-requantize " : "";
	return type === "own" ? [] : [`llama-quantize ${again}${quoted(quantizeFrom ?? model)} ${quoted(name)} ${type}`];
}
