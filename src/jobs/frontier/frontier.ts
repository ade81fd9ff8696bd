// Block count x quantization: what each combination costs, how large it is, and the best one for a goal.
import { basename } from "node:path";
import type { FrontierCell, FrontierOptions, FrontierResult } from "../../api/index.js";
import type { BestSoFar } from "../../pipeline/methods/best-so-far.js";
import { checkBudget, choose, plannedMasks } from "../../pipeline/methods/registry.js";
import { commandLine, quoted } from "../../pipeline/preflight/command-line.js";
import { askedWork, plannedSeconds, type WorkAsked } from "../../pipeline/pruning/estimate.js";
import { weightsOf } from "../../pipeline/pruning/remains.js";
import { finalists, sizesFound } from "../../pipeline/race/finalists.js";
import { bestOf, frontierVerdict, markDominated, sorted } from "./choice.js";
import { type Grid, measureGrid } from "./grid.js";
import { type FrontierRequest, frontierRequest } from "./request.js";
import { forSpeed, secondsOfSpeed } from "./speed.js";
import { expectFrontier, gridEvaluations } from "./work.js";
import { quantizingSeconds } from "../../pipeline/quantizing/time.js";
import { healSecondsOf, withHealTimeOf } from "../../pipeline/healing/of-session.js";
import { checkHealable } from "../../pipeline/healing/memory.js";
import { checkCall } from "../../pipeline/preflight/call.js";
import { readModelHeader } from "../../pipeline/preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { checkGranularity, checkMethodOptions } from "../../pipeline/preflight/method-options.js";
import { finiteMean, pairedDifference } from "../../pipeline/session/paired-figures.js";
import { splitSources } from "../../pipeline/session/calibration-windows.js";
import { inputFiles } from "../../pipeline/preflight/metric.js";
import { openOriginal, type ModelWeights } from "../../pipeline/writing/quantize-weights.js";
import { race } from "../../pipeline/race/race.js";
import { measureResult, resultFile } from "../../pipeline/reporting/measured-result.js";
import { isQuantized } from "../../model/runtime/file-types.js";
import { Session, summarize } from "../../pipeline/session/session.js";
import { asksToHeal } from "../../pipeline/preflight/heal-options.js";
import { type FrontierJob, foundHealing, healingOf, resolveJob, settledJob } from "../../pipeline/preflight/job.js";

/**
 * Searches block count x quantization: one search finds the set of each number of blocks, then every set is measured in every type of
 * weights through the layer view, one copy of the model a type and no file a cell. Cells are chosen by the validation split; the best of
 * each type is measured on the held-out split too. With `heal` every set is measured healed too. Everything measured is kept: a run that was stopped goes on, and a type whose cells are
 * all known is not quantized again.
 * @param model path of a GGUF file (any shard of a split one)
 * @throws InvalidOptionError, UnsupportedArchitectureError, OutputExistsError, QuantizeError, NoSpaceError and the errors of loading and measuring
 * @example
 * const { best, verdict } = await findFrontier("model.gguf", { targetSize: 60e6 });
 * console.log(best?.type, best?.removed, verdict.text);
 */
export async function findFrontier(model: string, given: FrontierOptions = {}): Promise<FrontierResult> {
	const started = Date.now();
	checkCall("frontier", { model }, given);
	const options = resolveJob("frontier", given);
	const { method } = options;
	checkMethodOptions(method, options.asked);
	const header = await readModelHeader(model, options);
	checkGranularity(options, header.blocks);
	const original = options.quantizeFrom === undefined ? undefined : await openOriginal(options.quantizeFrom, header, options);
	const asked = frontierRequest(header, original ?? header, options);
	const written = await resultFile(options, [...header.file.paths, ...inputFiles(options), ...(original?.file.paths ?? [])]);
	options.progress?.plan(["Preparing text", "Searching", "Comparing finalists", "Measuring"]);
	const request = { ...asked, kmax: await forSpeed(header, asked.kmax, options) };
	const masks = plannedMasks({ method, blocks: header.blocks.blocks, kmax: request.kmax }, options);
	const session = await Session.open(header, options, { masks, weights: "auto", compared: true });
	return measureResult(session, written, options, async (best) => {
		announce(session, request, options);
		const settled = await settleHealing(session, request, options);
		const asked = await askedWork(session, { kmax: request.kmax, named: undefined, planned: masks, sizes: request.kmax }, options);
		await expectSteps(session, { ...request, original }, asked, options);
		options.progress?.begin("Searching", { total: masks, done: Math.max(1, asked.known), limit: options.maxTime });
		const sets = await setsOf(session, request, best, settled);
		const cells = gridEvaluations({ types: 1 + request.types.length, sets: sets.length, healed: asksToHeal(settled) });
		options.progress?.begin("Measuring", { total: cells.validation + cells.heldOut });
		const grid = await measureGrid(session, { original, sets, ...request }, settled);
		return { ...resultOf(session, { original, grid, request }, settled), seconds: (Date.now() - started) / 1000 };
	});
}

/** Says how long the steps take. Other weights than the model's take a time that nothing has measured. */
async function expectSteps(
	session: Session,
	{ types, kmax, goal, original }: FrontierRequest & Pick<Found, "original">,
	asked: WorkAsked,
	options: FrontierJob,
): Promise<void> {
	const { progress, onProgress, signal } = options;
	const { model, timings } = session;
	const healing = await healSecondsOf(session, { removed: kmax, every: true }, options);
	const quantized = { model, file: model.file, types };
	const quantizing = original || !onProgress ? undefined : await quantizingSeconds(quantized, { threads: model.threads, signal });
	const work = { types: 1 + types.length, sets: kmax, healed: asksToHeal(options) };
	expectFrontier(progress, work, {
		...{ planned: plannedSeconds(asked), healing, quantizing },
		validation: (asked.secondsPerMask * asked.tokens.validation) / asked.tokens.search,
		// A copy is written, and read back.
		loading: 2 * types.length * (timings.load ?? 0),
		speed: goal.targetSpeedup === undefined ? 0 : secondsOfSpeed(work.types, work.sets),
	});
}

/** The job with the healing that fits in memory and in time. */
async function settleHealing(session: Session, { kmax }: FrontierRequest, options: FrontierJob): Promise<FrontierJob> {
	const how = { alike: true, references: session.referenceBytes };
	const asked = healingOf(options);
	const healable = asksToHeal(options) ? checkHealable(session.model, kmax, asked, how) : asked;
	return settledJob(options, foundHealing((await withHealTimeOf(session, kmax, healable, true)).options));
}

function announce(session: Session, { kmax, types }: FrontierRequest, options: FrontierJob): void {
	const { blocks } = session.model.facts;
	const made = types.length > 0 ? `the model's own weights, then ${types.join(", ")}` : "the model's own weights";
	const healed = asksToHeal(options) ? "; every candidate also healed" : "";
	logger(options)("note", `${basename(session.model.path)}: ${blocks} blocks, up to ${kmax} removed; ${made}${healed}`);
}

/** The set of each number of removed blocks, decided by the race. */
async function setsOf(
	session: Session,
	{ kmax }: FrontierRequest,
	{ onStep }: Pick<BestSoFar, "onStep">,
	options: FrontierJob,
): Promise<readonly (readonly number[])[]> {
	const task = { method: options.method, blocks: session.model.blocks.blocks, kmax };
	checkBudget(task, options, session.tokens.search);
	const choices = await choose(session, task, options, { onStep });
	await session.closeSearch();
	for (const note of choices.found.notes) logger(options)("note", note);
	const sizes = sizesFound(choices);
	if (sizes.length === 0) return [];
	const field = finalists(session, choices, sizes);
	options.progress?.begin("Comparing finalists", { total: field.length + 1 });
	const { winners } = await race(session, field, options);
	return [...winners.values()].map(({ removed }) => removed).sort((a, b) => a.length - b.length);
}

/** What a result is made of, beside the session. */
interface Found {
	/** Whose weights are quantized, where they are not the model's. */
	readonly original: ModelWeights | undefined;
	readonly grid: Grid;
	readonly request: FrontierRequest;
}

function resultOf(session: Session, { original, grid, request }: Found, options: FrontierJob): Omit<FrontierResult, "seconds"> {
	const { goal, kmax } = request;
	const whole = original ?? weightsOf(session);
	const sources = splitSources(session.calibration, "heldOut");
	const cells = markDominated(grid.cells.map(({ cell }) => cell));
	const best = bestOf(goal, cells);
	const sourceQuantized = isQuantized(whole.file);
	const { validation, heldOut } = session.calibration.splits;
	const foundOf = new Map(cells.map((cell, i) => [cell, grid.cells[i]!.reported]));
	const difference = (a: FrontierCell, b: FrontierCell) => {
		const [one, other] = [foundOf.get(a), foundOf.get(b)];
		return one && other ? pairedDifference(one, other, sources) : { mean: null, standardError: null };
	};
	const verdict = frontierVerdict({ goal, cells, best, sourceQuantized }, difference, heldOut.count);
	return {
		model: summarize(session.model),
		reference: {
			name: basename(whole.path),
			sha256: whole.sha256,
			bytes: whole.file.size,
			loss: finiteMean(grid.reference.heldOut.losses, sources),
		},
		sourceQuantized,
		goal,
		computeAxis: goal.speedupOf ?? "blocks",
		text: { source: session.calibration.source, validation: validation.count, heldOut: heldOut.count, length: heldOut.length },
		cells: sorted(cells, best),
		...(best ? { best } : {}),
		verdict: { ...verdict, text: verdict.text + (best || kmax >= session.model.blocks.maxRemovable ? "" : ` ${allowMore}`) },
		commands: best ? commandsOf(session, best, options, sourceQuantized) : [],
	};
}

const allowMore = "More blocks may be removed with --max-blocks.";

/** How the best choice is written. What only quantizes is llama.cpp's own program's to do. */
function commandsOf(session: Session, { type, removed, healed }: FrontierCell, options: FrontierJob, twice: boolean): string[] {
	const model = session.model.path;
	const { quantizeFrom, healTokens, healKind, healType, healHeads } = options;
	const name = `${basename(model).replace(/\.gguf$/i, "")}${removed.length > 0 ? `-minus-${removed.length}` : ""}${type === "own" ? "" : `-${type}`}.gguf`;
	if (removed.length > 0) {
		// What its figures are of, and its fit to the same text.
		const { calibration, windows, windowLength, seed, gpuLayers, referenceBytes, allowUnknownArchitecture } = options.asked;
		const threads = Number(session.settings.threads);
		const text = { calibration, windows, windowLength, seed, threads, gpuLayers, referenceBytes, allowUnknownArchitecture };
		const quantize = type === "own" ? {} : { quantize: type, ...(quantizeFrom === undefined ? {} : { quantizeFrom }) };
		const heal = healed ? { heal: true, healTokens, healKind, healType, healHeads } : {};
		return [commandLine(model, name, { remove: [...removed], ...text, ...heal, ...quantize })];
	}
	const again = twice ? "--allow-requantize " : "";
	return type === "own" ? [] : [`llama-quantize ${again}${quoted(quantizeFrom ?? model)} ${quoted(name)} ${type}`];
}
