// The main job, top to bottom.
import type { GranularityUsed, Method, PruneOptions, PruneResult } from "../api/index.js";
import { InvalidOptionError } from "../errors.js";
import { BestSoFar } from "../pipeline/methods/best-so-far.js";
import { checkBudget, choose, chooseBase, plannedMasks } from "../pipeline/methods/registry.js";
import { withTimed } from "../pipeline/methods/timed.js";
import { deliver, finish, healedAsAsked } from "../pipeline/pruning/deliver.js";
import { Gate } from "../pipeline/gate/gate.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { commandToRemove, outputWithout } from "../pipeline/preflight/command-line.js";
import { type GateRequest, readGate } from "../pipeline/preflight/gate-limits.js";
import { checkHealable } from "../pipeline/healing/memory.js";
import { raceHealed } from "../pipeline/healing/race.js";
import { checkEverProvable, checkProvable, type Header, readModelHeader, ReadOnce } from "../pipeline/preflight/model-header.js";
import { type Race, race, winnerOf } from "../pipeline/race/race.js";
import { standingOf } from "../pipeline/race/standing.js";
import { withSmaller } from "../pipeline/race/smaller.js";
import { checkMethodOptions, granularityOf, noteUnsearched, withGranularity } from "../pipeline/preflight/method-options.js";
import { logger } from "../api/logger.js";
import { checkSamples } from "../pipeline/pruning/measure-pair.js";
import { searchTokens } from "../pipeline/session/calibration-windows.js";
import { Session } from "../pipeline/session/session.js";
import { checkTarget } from "../storage/atomic-file.js";
import { OwnOutput } from "../pipeline/preflight/own-output.js";
import { cleanPartials } from "../pipeline/preflight/leftovers.js";
import { checkQuantizing, originalOf, type ModelWeights } from "../pipeline/writing/quantize-weights.js";
import { type Run, reportRun, runFacts, watched } from "../pipeline/reporting/run.js";
import type { TargetSpeeds } from "../pipeline/reporting/verdict.js";
import type { RunFacts } from "../pipeline/reporting/facts.js";
import { fewestOf, leastLossOf, mostThatMeet } from "../pipeline/pruning/amount.js";
import { mostHealedThatMeet } from "../pipeline/pruning/amount-healed.js";
import { checkRacing } from "../pipeline/preflight/racing.js";
import { withContext } from "../pipeline/preflight/context.js";
import type { AtContext } from "../pipeline/speed/at-context.js";
import { settledAmount } from "../pipeline/pruning/settled-amount.js";
import { checkTargets, checkWritesNothing } from "../pipeline/preflight/output-files.js";
import { planRun } from "../pipeline/pruning/planned-run.js";
import { comparingStep, stepsOf } from "../pipeline/pruning/steps.js";
import { type Amount, mostRemoved, type Removable } from "../pipeline/pruning/asked-amount.js";
import { amountOf, candidates } from "../pipeline/pruning/removable.js";
import { bytesToDeliver } from "../pipeline/pruning/write-model.js";
import { openInTime } from "../pipeline/pruning/less-text.js";
import { type JobInTime, optionsInTimeLeft, roomForSets, withinTimeLeft } from "../pipeline/pruning/within-time.js";
import type { Choices } from "../pipeline/methods/selection-context.js";
import { commandsFor, curveOf, suggest } from "../pipeline/race/curve.js";
import { asksToHeal, checkHealingOfRun } from "../pipeline/preflight/heal-options.js";
import type { Decision } from "../pipeline/pruning/decision.js";
import type { HealSettings } from "../api/options/settings.js";
import { foundHealing, healingOf, type PruneJob, resolveJob, settledJob } from "../pipeline/preflight/job.js";

/**
 * The main job: measures which blocks a model can lose, chooses a set, proves it on the held-out split, and writes the pruned
 * model. Without an amount, `limits` and `targetSize` choose how much to remove. With one, a model that does not meet them is not written.
 * Without either it measures the curve and suggests a size; an output or a plan to write is refused then. What is measured and drawn is kept in the cache in any case, also with `dryRun` (self-generated text, and
 * ledgers without a removal).
 * @param model path of a GGUF file (any shard of a split one)
 * @param output path of the file to write; without it no model is written, and the plan goes to the cache or where `plan` says
 * @throws LimitsNotMetError if a limit is not met: no model, plan or report is written then
 * @throws InvalidOptionError, UnsupportedArchitectureError, InvalidCandidateError, OutputExistsError, NoSpaceError, VerificationError and the errors of loading
 * @example
 * const result = await pruneGguf("model.gguf", "smaller.gguf", { removeBlocks: 6 });
 * console.log(result.plan?.removed);
 */
export async function pruneGguf(model: string, output: string | undefined, given: PruneOptions = {}): Promise<PruneResult> {
	const asked = await requestOf(model, output, given);
	const { session, options } = await openInTime(asked.options, (job, textSeconds) => openSession({ ...asked, options: job }, textSeconds));
	const request = { ...asked, options };
	const { run } = request;
	const best = new BestSoFar();
	try {
		await run.own?.takeOver(session.folder);
		return await pruneWith(session, request, best);
	} catch (error) {
		const command = (removed: readonly number[]) => removeCommand(session, request, removed);
		if (options.signal?.aborted) best.tell(session.metric, { onLog: options.onLog, command });
		throw error;
	} finally {
		await session.close().finally(() => run.own?.release());
	}
}

function removeCommand({ model: { path } }: Session, { output, options }: Request, removed: readonly number[]): string {
	return commandToRemove(path, output ?? outputWithout(path, removed), removed, options.asked);
}

/** What is asked for, checked against the options, the model's header and the disk. */
interface Request {
	readonly output: string | undefined;
	readonly options: PruneJob;
	readonly run: Run;
	readonly amount: Amount;
	readonly removable: Removable;
	readonly limits: GateRequest | undefined;
	readonly header: Header;
	/** Whose weights are quantized, if they are not the model's. */
	readonly original: ModelWeights | undefined;
	/** What was measured for a target speed-up. */
	readonly speeds: TargetSpeeds | undefined;
	/** What is known of the context that attention parts are weighed at. */
	readonly at: AtContext | undefined;
}

/** Checks all that can be checked before the model is measured. */
async function requestOf(model: string, output: string | undefined, given: PruneOptions): Promise<Request> {
	checkCall("prune", output === undefined ? { model } : { model, output }, given);
	const begun = { started: Date.now(), warnings: [] as string[] };
	const resolved = resolveJob("prune", watched(given, begun.warnings));
	const asked = amountOf(resolved);
	const curve = asked === "curve";
	const limits = await checkOptions(model, output, resolved, curve);
	resolved.progress?.plan(stepsOf(output, curve, resolved));
	const own = output === undefined || curve || resolved.dryRun ? undefined : await OwnOutput.of(model, output, resolved.asked);
	const header = await readModelHeader(model, resolved);
	const job = await withContext(withGranularity(resolved, header.blocks), header, ", or to the parts that --remove names");
	const originalFile = new ReadOnce(job.quantizeFrom, job);
	await checkTargets({ file: header.file, original: originalFile, output, curve, own }, job);
	if (own?.isThere)
		logger(job)("note", `${output} exists: an earlier run of this command wrote and verified it. The rest of that run is done now`);
	const settled = await settledAmount(header, asked, originalFile, job);
	const { options, amount, removable, speeds, at } = settled;
	const partly = checkEverProvable(model, header.blocks, removable.named);
	if (partly) logger(options)("warning", partly);
	const original = await originalOf(options, header, originalFile);
	const run = { ...begun, own, granularity: job.remove ? undefined : granularityOf(resolved, header.blocks) };
	const request = { output, options, run, amount, removable, limits, header, original, speeds, at };
	await checkDisk(request);
	return request;
}

/** Options that are out of range, or contradict one another. @returns the limits */
async function checkOptions(
	model: string,
	output: string | undefined,
	options: PruneJob,
	curve: boolean,
): Promise<GateRequest | undefined> {
	if (curve) await checkWritesNothing(model, output, options);
	checkMethodOptions(options.method, options.asked);
	checkRacing(options);
	noteUnsearched(options);
	checkSamples(options);
	checkQuantizing(options, output, curve);
	const limits = await readGate(options);
	checkHealingOfRun(options, curve);
	return limits;
}

/** Whether the model can be written, and there is room for it. */
async function checkDisk({ output, options, run, removable, header, original }: Request): Promise<void> {
	const { count, named } = removable;
	if (output === undefined || count === undefined || options.dryRun) return;
	checkProvable(header.path, header.blocks, named);
	// How much attention parts weigh is not looked up: the whole file is room enough.
	const expectedBytes = bytesToDeliver(original ?? header, named ?? (removable.base === undefined ? count : 0), options);
	await cleanPartials(output, options);
	if (!run.own?.isThere) await checkTarget(output, { overwrite: options.overwrite, expectedBytes });
}

async function openSession({ header, options, removable, run }: Request, textSeconds?: number): Promise<Session> {
	const { maxTime } = options;
	const task = { method: options.method, blocks: header.blocks.blocks, ...removable };
	return Session.open(header, options, {
		masks: removable.named ? 0 : plannedMasks(task, options, searchTokens(options)),
		weights: "auto",
		dry: options.dryRun,
		...(maxTime === undefined ? {} : { until: run.started + 1000 * maxTime, textSeconds }),
		...{ compared: options.maxKl !== undefined, quantized: options.quantize !== undefined },
	});
}

/** Searches, races, decides, and delivers. */
async function pruneWith(session: Session, request: Request, best: BestSoFar): Promise<PruneResult> {
	const { output, amount, removable, limits, header, original } = request;
	let { run } = request;
	const { named } = removable;
	const healable = settledJob(request.options, foundHealing(checkedToHeal(session, request)));
	const gate = limits && Gate.open(session, limits, healable);
	const method = healable.method;
	if (!named) checkBudget({ method, blocks: header.blocks.blocks, ...removable }, healable, session.tokens.search);
	const { timed: timedRun, begun, times, estimate } = await planRun(session, { ...request, started: run.started }, healable);
	if (healable.dryRun) return finish(session, { curve: [], commands: [], estimate }, run);

	const { progress, maxTime } = begun.options;
	for (const [step, time] of times) progress?.expect(step, time);
	const { masks } = begun.asked;
	progress?.begin("Searching", { total: masks + estimate.known, done: Math.max(1, estimate.known), limit: maxTime });
	const choices = named ? undefined : await search(session, removable, best, begun);
	session.endSearch();
	if (choices?.granularity) run = { ...run, granularity: choices.granularity };
	for (const note of choices?.found.notes ?? []) logger(healable)("note", note);
	const found = candidates(session, choices, removable);
	const { late, field } = withinTimeLeft(session, timedRun, begun, { limit: healable.maxTime, field: found });
	const { options: racing, noFurther } = late;
	progress?.begin(comparingStep(racing), { total: field.length + 1 });
	const raced = await race(session, field, racing, noFurther ? { furtherMasks: 0 } : {});
	await session.closeSearch();
	const taken = amount === "curve" ? undefined : await decide(session, raced, { amount, removable, gate }, racing);
	const limit = { limit: healable.maxTime, healed: taken?.healing !== undefined };
	const fits = roomForSets(session, timedRun, late, limit);
	const unhealed = taken && (await withSmaller(session, choices, taken, { signal: racing.signal, fits }));
	// Healing takes long, and it may be interrupted.
	if (unhealed && choices) best.choose(unhealed.chosen);
	const decision = unhealed && (await healedAsAsked(session, unhealed, racing));
	if (decision && choices) best.choose(decision.chosen);
	const options = decision ? optionsInTimeLeft(session, timedRun, late, healable.maxTime) : racing;
	const decided = decision ?? standingOf(raced);
	const facts = runFacts(session, { output, choices, decided, speeds: request.speeds, warnings: run.warnings, at: request.at }, options);
	if (!decision) return showCurve(session, facts, { ...request, run }, options);
	return deliver(session, decision, { output, facts, original, gate, run }, options);
}

/** How it heals, as far as that fits in memory. @throws NotEnoughMemoryError, InvalidOptionError if the model cannot be healed */
function checkedToHeal(session: Session, { options, removable }: Request): HealSettings {
	if (!asksToHeal(options)) return options;
	return checkHealable(session.model, removable.named ?? mostRemoved(removable), healingOf(options), {
		references: session.referenceBytes,
	});
}

/** The methods that take the place of a search rank whole blocks. */
const rankedInstead: GranularityUsed = { used: "block", reason: "--max-time left no time to search" };

/** The sets that a method finds. */
async function search(
	session: Session,
	{ kmax, counts, base: blocks = 0, time }: Removable,
	{ onStep }: BestSoFar,
	{ options, instead }: JobInTime,
): Promise<Choices> {
	const [method, ...others] = (instead ?? [options.method]) as [Method, ...Method[]];
	const run = async (one: Method) => {
		const base = blocks > 0 ? await chooseBase(session, { method: one, kmax, base: blocks }, options) : [];
		const sizes = counts ?? (time ? [kmax] : undefined);
		const choices = await choose(session, { method: one, kmax }, { ...options, method: one }, { onStep, base, counts: sizes });
		if (instead !== undefined) return { ...choices, granularity: rankedInstead };
		return time ? withTimed(session, choices, time, options) : choices;
	};
	return run(method).catch((error: unknown) => {
		if (others.length === 0 || !(error instanceof InvalidOptionError)) throw error;
		return run(others[0]!);
	});
}

/** What decides which set is taken. */
interface Deciding {
	readonly amount: Exclude<Amount, "curve">;
	readonly removable: Removable;
	readonly gate: Gate | undefined;
}

/** The set that is taken: sets that are healed are raced healed. */
async function decide(
	session: Session,
	raced: Race,
	{ amount, removable: { reaches, time }, gate }: Deciding,
	options: PruneJob,
): Promise<Decision> {
	if (amount === "gate")
		return asksToHeal(options) ? mostHealedThatMeet(session, raced, gate!, options) : mostThatMeet(raced, gate!, options);
	return raceHealed(
		session,
		{ ...standingOf(raced), chosen: time ? leastLossOf(raced) : reaches ? fewestOf(raced) : winnerOf(raced) },
		options,
		// Sets that save as much time differ in number.
		{ reaches, anySize: time !== undefined },
	);
}

/** The result if nothing said how much to remove: what each amount costs, and which is suggested. */
async function showCurve(session: Session, facts: RunFacts, { output, run }: Request, options: PruneJob): Promise<PruneResult> {
	const curve = curveOf(facts.decided);
	const suggestion = suggest(curve, session);
	const { disagreements } = facts.decided.race;
	return finish(
		session,
		{
			...{ curve, disagreements, suggestion },
			commands: commandsFor(session, curve, output, options),
			...(await reportRun(facts, { suggestion, timings: session.timings }, run, options)),
		},
		run,
	);
}
