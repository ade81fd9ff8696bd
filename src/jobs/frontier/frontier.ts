// Block count x quantization: what each combination costs, how large it is, and the best one for a goal.
import { basename } from "node:path";
import type { Estimate, FrontierCell, FrontierOptions, FrontierResult } from "../../api/index.js";
import type { BestSoFar } from "../../pipeline/methods/best-so-far.js";
import { checkBudget, choose, plannedMasks } from "../../pipeline/methods/registry.js";
import { askedWork } from "../../pipeline/pruning/estimate.js";
import { mostRemoved } from "../../pipeline/pruning/asked-amount.js";
import { asPrompt } from "../../pipeline/pruning/planned-run.js";
import { plannedSeconds, secondsPerTokenOf, type WorkAsked, workOf } from "../../pipeline/pruning/planned-work.js";
import { weightsOf } from "../../pipeline/pruning/remains.js";
import { estimatedSteps } from "../../pipeline/pruning/steps.js";
import { finalists, sizesFound } from "../../pipeline/race/finalists.js";
import { bestOf, frontierVerdict, markDominated, sorted } from "./choice.js";
import { frontierCommands } from "./commands.js";
import { type Grid, measureGrid } from "./grid.js";
import { type FrontierRequest, frontierRequest, namedParts } from "./request.js";
import { forSpeed, forSpeedAt, secondsOfSpeed } from "./speed.js";
import { frontierTimes, gridEvaluations, gridPasses } from "./work.js";
import { quantizingSeconds } from "../../pipeline/quantizing/time.js";
import { healSecondsOf, withHealTimeOf } from "../../pipeline/healing/of-session.js";
import { withContext } from "../../pipeline/preflight/context.js";
import { toldContext } from "../../pipeline/pruning/attention-amount.js";
import { type AtContext, secondsToTimeParts } from "../../pipeline/speed/at-context.js";
import { checkHealable } from "../../pipeline/healing/memory.js";
import { checkCall } from "../../pipeline/preflight/call.js";
import { type Header, readModelHeader } from "../../pipeline/preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { checkRacing } from "../../pipeline/preflight/racing.js";
import { checkMethodOptions, granularityOf, withGranularity } from "../../pipeline/preflight/method-options.js";
import { finiteMean, pairedDifference } from "../../pipeline/session/paired-figures.js";
import { searchTokens, splitSources } from "../../pipeline/session/calibration-windows.js";
import { inputFiles } from "../../pipeline/preflight/metric.js";
import { openOriginal, type ModelWeights } from "../../pipeline/writing/quantize-weights.js";
import { race } from "../../pipeline/race/race.js";
import { measureResult, resultFile } from "../../pipeline/reporting/measured-result.js";
import { fileTypeOf, isQuantized } from "../../model/runtime/file-types.js";
import { timesNotes } from "../../report/context.js";
import { formatDuration } from "../../report/format.js";
import type { MeanAndError } from "../../storage/plan-quantized.js";
import { Session, summarize } from "../../pipeline/session/session.js";
import { asksToHeal } from "../../pipeline/preflight/heal-options.js";
import { type FrontierJob, foundHealing, healingOf, jobWith, resolveJob, settledJob } from "../../pipeline/preflight/job.js";

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
	const resolved = resolveJob("frontier", given);
	const { method } = resolved;
	checkMethodOptions(method, resolved.asked);
	checkRacing(resolved);
	const header = await readModelHeader(model, resolved);
	// Figures of both splits are of the same positions, so that one limit holds for both.
	const job = jobWith<FrontierJob>(await withContext(withGranularity(resolved, header.blocks), header), { scoreHeldOut: true });
	const original = job.quantizeFrom === undefined ? undefined : await openOriginal(job.quantizeFrom, header, job);
	const checked = frontierRequest(header, original ?? header, job);
	const written = await resultFile(job.dryRun ? {} : job, [...header.file.paths, ...inputFiles(job), ...(original?.file.paths ?? [])]);
	job.progress?.plan(job.dryRun ? ["Preparing text"] : frontierSteps);
	const { options, ...sized } = await sizedRequest(header, checked, job);
	const request = { ...sized, granularity: granularityOf(resolved, header.blocks) };
	const masks = plannedMasks({ method, blocks: header.blocks.blocks, kmax: request.kmax }, options, searchTokens(options));
	const session = await Session.open(header, options, { masks, weights: "auto", dry: options.dryRun, compared: true });
	return measureResult(session, written, options, async (best) => {
		announce(session, request, options);
		const settled = await settleHealing(session, request, options);
		const asked = await frontierWork(session, request, options);
		const estimate = await estimateOf(session, { ...request, original }, asked, options);
		if (options.dryRun) return dryResult(session, { original, request, estimate, seconds: (Date.now() - started) / 1000 });
		logger(options)("note", estimateText(estimate));
		options.progress?.begin("Searching", { total: asked.masks + asked.known, done: Math.max(1, asked.known), limit: options.maxTime });
		const sets = await setsOf(session, request, best, settled);
		const cells = gridEvaluations({ types: 1 + request.types.length, sets: sets.length, healed: asksToHeal(settled) });
		options.progress?.begin("Measuring", { total: cells.validation + cells.heldOut });
		const grid = await measureGrid(session, { original, sets, ...request }, settled);
		return { ...resultOf(session, { original, grid, request }, settled), seconds: (Date.now() - started) / 1000 };
	});
}

/** How many can go at most, where a speed-up says it, and what is known of the context. Both may have to be measured. */
async function sizedRequest(header: Header, request: FrontierRequest, job: FrontierJob) {
	// A limit of time is one of the search alone.
	const at = await toldContext(header, jobWith(job, { maxTime: undefined }));
	if (!at) return { ...request, at, kmax: await forSpeed(header, request.kmax, job), options: job };
	const { context, windows, windowLength } = job;
	return { ...request, at, kmax: forSpeedAt(at, request, job), options: settledJob(job, { context, windows, windowLength }) };
}

const frontierSteps = ["Preparing text", "Searching", "Comparing finalists", "Measuring"] as const;

/** What the search and the final comparison measure. How many candidates a limit of tokens holds is known with the text. */
async function frontierWork(session: Session, { kmax }: FrontierRequest, options: FrontierJob): Promise<WorkAsked> {
	const { model, tokens } = session;
	const planned = plannedMasks({ method: options.method, blocks: model.blocks.blocks, kmax }, options, tokens.search);
	return { ...(await askedWork(session, { kmax, named: undefined, planned, sizes: kmax }, options)), noFigures: true };
}

/** How long the steps take, which the progress is told. Other weights than the model's take a time that nothing has measured. */
async function estimateOf(
	session: Session,
	{ types, kmax, goal, axis, at, original }: SearchedRequest & Pick<Found, "original">,
	asked: WorkAsked,
	options: FrontierJob,
): Promise<Estimate> {
	const { progress, onProgress, dryRun, signal } = options;
	const { model, timings } = session;
	const measured = dryRun || onProgress !== undefined;
	const healing = await healSecondsOf(session, { removed: mostOf(kmax, options), every: true, measured }, options);
	const quantized = { model, file: model.file, types };
	const quantizing = original || !measured ? undefined : await quantizingSeconds(quantized, { threads: model.threads, signal });
	const compared = original !== undefined || session.metric !== "kl";
	const work = { types: 1 + types.length, sets: kmax, healed: asksToHeal(options), compared };
	const times = frontierTimes(work, {
		...{ planned: plannedSeconds(asked), healing, quantizing },
		validation: asked.tokens.validation * secondsPerTokenOf(asked),
		// A copy is written, and read back.
		loading: 2 * types.length * (timings.load ?? 0),
		speed: at ? copiesTimed(types.length, at, axis) : goal.targetSpeedup === undefined ? 0 : secondsOfSpeed(work.types, work.sets),
	});
	for (const [step, time] of times) progress?.expect(step, time);
	const cells = gridPasses(work);
	const { evaluations, tokens: chosenOn } = workOf(asked);
	const tokens = chosenOn + cells.validation * asked.tokens.validation + cells.heldOut * asked.tokens.heldOut;
	const estimate = { evaluations, known: asked.known, tokens, ...estimatedSteps(frontierSteps.slice(1), times) };
	return dryRun ? asPrompt(model, estimate, options) : estimate;
}

/** Seconds that it takes to time the parts of each quantized copy; undefined if that is not known. */
function copiesTimed(types: number, { times }: AtContext, axis: FrontierRequest["axis"]): number | undefined {
	if (types === 0 || axis !== "time") return 0;
	return times && types * secondsToTimeParts(times);
}

/** What is said before the search. */
function estimateText({ seconds, steps }: Estimate): string {
	const parts = steps.map((step) => `${step.name} ${step.seconds === undefined ? "not known" : formatDuration(step.seconds)}`);
	return `This takes about ${formatDuration(seconds)}${steps.some((step) => step.seconds === undefined) ? ", and what cannot be estimated" : ""}: ${parts.join(", ")}`;
}

/** The job with the healing that fits in memory and in time. */
async function settleHealing(session: Session, { kmax }: FrontierRequest, options: FrontierJob): Promise<FrontierJob> {
	const how = { alike: true, references: session.referenceBytes };
	const asked = healingOf(options);
	const most = mostOf(kmax, options);
	const healable = asksToHeal(options) ? checkHealable(session.model, most, asked, how) : asked;
	return settledJob(options, foundHealing((await withHealTimeOf(session, most, healable, true)).options));
}

/** What the largest sets remove. */
const mostOf = (kmax: number, { granularity }: FrontierJob) => mostRemoved({ kmax, base: granularity === "attention" ? 0 : undefined });

function announce(session: Session, { kmax, types }: FrontierRequest, options: FrontierJob): void {
	const parts = options.granularity === "attention" ? `${namedParts(options)} ` : "";
	const { blocks } = session.model.facts;
	const made = types.length > 0 ? `the model's own weights, then ${types.join(", ")}` : "the model's own weights";
	const healed = asksToHeal(options) ? "; every candidate also healed" : "";
	logger(options)("note", `${basename(session.model.path)}: ${blocks} blocks, up to ${kmax} ${parts}removed; ${made}${healed}`);
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
	session.endSearch();
	for (const note of choices.found.notes) logger(options)("note", note);
	const sizes = sizesFound(choices);
	if (sizes.length === 0) {
		await session.closeSearch();
		return [];
	}
	const field = finalists(session, choices, sizes);
	options.progress?.begin("Comparing finalists", { total: field.length + 1 });
	const { winners } = await race(session, field, options);
	await session.closeSearch();
	return [...winners.values()].map(({ removed }) => removed).sort((a, b) => a.length - b.length);
}

/** What a result is made of, beside the session. */
interface Found {
	/** Whose weights are quantized, where they are not the model's. */
	readonly original: ModelWeights | undefined;
	readonly grid: Grid;
	readonly request: SearchedRequest;
}

/** What is asked for, and what is searched for it. */
type SearchedRequest = FrontierRequest & Pick<FrontierResult, "granularity"> & { readonly at: AtContext | undefined };

/** What a result says of, whatever was measured. */
interface Framed extends Pick<Found, "original" | "request">, Pick<Grid, "times"> {}

/** What a result says whatever was measured. */
function framed(session: Session, { original, request, times }: Framed, loss: MeanAndError) {
	const { goal, granularity, axis, at } = request;
	const whole = original ?? weightsOf(session);
	const { validation, heldOut } = session.calibration.splits;
	const ownType = fileTypeOf(session.model.file);
	const { context, seen } = at ?? {};
	const notes = timesNotes(times.map((one) => ({ ...one, name: one.type === "own" ? ownType : one.type })));
	return {
		model: summarize(session.model),
		reference: { name: basename(whole.path), sha256: whole.sha256, bytes: whole.file.size, loss },
		sourceQuantized: isQuantized(whole.file),
		ownType,
		goal,
		computeAxis: axis,
		granularity,
		...(context ? { context: { context, ...(times.length > 0 ? { times } : {}), ...(seen ? { seen } : {}), notes } } : {}),
		text: { source: session.calibration.source, validation: validation.count, heldOut: heldOut.count, length: heldOut.length },
	} as const;
}

/** Nothing but how long it would take. */
function dryResult(
	session: Session,
	{ estimate, seconds, ...found }: Pick<Found, "original" | "request"> & Pick<FrontierResult, "seconds"> & { readonly estimate: Estimate },
): FrontierResult {
	const verdict = { text: "Dry run: no combination was measured." };
	const { at } = found.request;
	const times = at?.times ? [{ type: "own" as const, ...at.times }] : [];
	return {
		...framed(session, { ...found, times }, { mean: null, standardError: null }),
		cells: [],
		verdict,
		commands: [],
		estimate,
		seconds,
	};
}

function resultOf(session: Session, { original, grid, request }: Found, options: FrontierJob): Omit<FrontierResult, "seconds"> {
	const { goal, kmax, most } = request;
	const sources = splitSources(session.calibration, "heldOut");
	const frame = framed(session, { original, request, times: grid.times }, finiteMean(grid.reference.heldOut.losses, sources));
	const { sourceQuantized, context } = frame;
	const cells = markDominated(grid.cells.map(({ cell }) => cell));
	const best = bestOf(goal, cells);
	const foundOf = new Map(cells.map((cell, i) => [cell, grid.cells[i]!.reported]));
	const difference = (a: FrontierCell, b: FrontierCell) => {
		const [one, other] = [foundOf.get(a), foundOf.get(b)];
		return one && other ? pairedDifference(one, other, sources) : { mean: null, standardError: null };
	};
	const verdict = frontierVerdict({ goal, cells, best, sourceQuantized, context }, difference, frame.text.heldOut);
	return {
		...frame,
		cells: sorted(cells, best),
		...(best ? { best } : {}),
		verdict: {
			...verdict,
			text: verdict.text + (best || kmax >= most ? "" : ` More ${namedParts(options)} may be removed with --max-blocks.`),
		},
		commands: best
			? frontierCommands(best, { model: session.model.path, threads: Number(session.settings.threads), goal, sourceQuantized, options })
			: [],
	};
}
