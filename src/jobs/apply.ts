import { basename } from "node:path";
import type { ApplyOptions, ApplyResult, StepName } from "../api/index.js";
import { deal, selfGeneratedWindows } from "../model/calibration/index.js";
import { InvalidOptionError, InvalidPlanError } from "../errors.js";
import { blocksArgument, formatBlocks } from "../notation.js";
import { type Healing, healModel } from "../pipeline/healing/heal-model.js";
import { checkHealable } from "../pipeline/healing/memory.js";
import { healAgainSeconds, healSeconds, type KnownSpeed, onlySet, withHealTime } from "../pipeline/healing/time-budget.js";
import { checkedRemoval, checkProvable, type Header, readModelHeader, ReadOnce } from "../pipeline/preflight/model-header.js";
import { type Applied, applyGated } from "../pipeline/pruning/apply-gated.js";
import { type HealAsked, healAsAsked, type HealPlan } from "../pipeline/pruning/heal-as-asked.js";
import { tellArchitecture } from "../pipeline/preflight/adapters.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { type GateRequest, hasGate, readGate } from "../pipeline/preflight/gate-limits.js";
import { runInLlama } from "../pipeline/preflight/command-line.js";
import { filesRead } from "../pipeline/preflight/output-files.js";
import { cleanPartials } from "../pipeline/preflight/leftovers.js";
import { checkQuantizing, originalOf, type ModelWeights } from "../pipeline/writing/quantize-weights.js";
import { allowedPositions } from "../pipeline/preflight/reference-memory.js";
import { restore } from "../model/fitting/standing.js";
import { loadAsRead } from "../model/runtime/load-model.js";
import type { Model } from "../model/runtime/model.js";
import { bytesOfReference } from "../model/runtime/positions.js";
import { vocabularyOf } from "../model/runtime/ubatch.js";
import { logger } from "../api/logger.js";
import { checkParity } from "../pipeline/session/parity.js";
import { modelIdentity, summarize } from "../pipeline/session/session.js";
import { timed } from "../pipeline/session/timings.js";
import { shellWord } from "../report/commands.js";
import { checkTarget } from "../storage/atomic-file.js";
import { type Plan, readPlan } from "../storage/plan.js";
import { makeRunFolder } from "../storage/runs.js";
import { bytesToDeliver, writeModel } from "../pipeline/pruning/write-model.js";
import { type OpenSource, sampledSource, verification } from "../pipeline/pruning/source.js";
import { expectApply } from "../pipeline/pruning/steps.js";
import { quantizingSeconds } from "../pipeline/quantizing/time.js";
import { asksToHeal, checkHealedWeights, checkHealing, saysHow } from "../pipeline/preflight/heal-options.js";
import { shownText } from "../storage/shown-text.js";
import { type ApplyJob, healingOf, jobWith, resolveJob } from "../pipeline/preflight/job.js";

/**
 * Writes a model without blocks, as a plan or a list says. What is written must compute what the model computes through the layer
 * view, on samples of its own (on any tokens if it has no start token).
 * With limits they are measured first, on the held-out split.
 * @throws InvalidPlanError if the plan was made for another file
 * @throws LimitsNotMetError if a limit is not met: no model is written then
 * @throws EvaluationError if the model itself computes no finite loss
 * @throws the errors of loading and writing
 */
export async function applyPlan(model: string, output: string, options: ApplyOptions): Promise<ApplyResult> {
	checkCall("apply", { model, output }, options);
	const given = resolveJob("apply", options);
	if ((given.planFile === undefined) === (given.remove === undefined))
		throw new InvalidOptionError("give either a plan or a list of blocks to remove");
	const plan = given.planFile === undefined ? undefined : await readPlan(given.planFile);
	return carryOut(model, output, plan, withThreadsOf(plan, given));
}

/** Healed matrices come out the same with the number of threads that they were made with. */
function withThreadsOf(plan: Plan | undefined, options: ApplyJob): ApplyJob {
	const threads = plan?.heal?.applied ? plan.machine.threads : undefined;
	if (options.heal === false || options.threads !== undefined || typeof threads !== "number") return options;
	logger(options)("debug", `healing again with ${threads} ${threads === 1 ? "thread" : "threads"}, as the plan was made`);
	return jobWith(options, { threads });
}

/** What is carried out, checked against the options, the model's header, the plan and the disk. */
interface Request {
	readonly header: Header;
	/** Of the model. */
	readonly sha256: string;
	readonly output: string;
	readonly removed: readonly number[];
	readonly plan: Plan | undefined;
	/** Whose weights are quantized, if they are not the model's. */
	readonly original: ModelWeights | undefined;
	readonly limits: GateRequest | undefined;
	/** Files that are read. */
	readonly inputs: readonly string[];
}

async function carryOut(model: string, output: string, plan: Plan | undefined, options: ApplyJob): Promise<ApplyResult> {
	const started = Date.now();
	const request = await requestOf(model, output, plan, options);
	const { limits } = request;
	const made = limits ? await applyGated({ ...request, limits }, options) : await applyUnmeasured(request, options);
	return { ...made, commands: commandsAfter(model, made), seconds: (Date.now() - started) / 1000 };
}

/** What runs the file and, where no limit was measured, what measures its quality. */
function commandsAfter(model: string, { output, limits }: Applied): string[] {
	const measure = `prune-gguf evaluate ${shellWord(output.path)} --text FILE --against ${shellWord(model)}`;
	return [runInLlama(output.path), ...(limits ? [] : [measure])];
}

/** Checks all that can be checked before the model is loaded. */
async function requestOf(model: string, output: string, plan: Plan | undefined, options: ApplyJob): Promise<Request> {
	checkQuantizing(options, output);
	checkHealing(options);
	options.progress?.plan(stepsOf(plan, options));
	const header = await readModelHeader(model, options);
	const { file, blocks } = header;
	const originalFile = new ReadOnce(options.quantizeFrom, options);
	const inputs = [...(await filesRead(file, originalFile, options)), ...(options.planFile === undefined ? [] : [options.planFile])];
	await checkTarget(output, { overwrite: options.overwrite ?? false, inputs });
	checkHealingOfPlan(plan, options);
	const given = options.remove && checkedRemoval(model, blocks, options.remove);
	checkProvable(model, blocks, given ?? []);
	const sha256 = await modelIdentity(file, options);
	if (plan) checkPlanOf(plan, model, sha256, options);
	const removed = given ?? checkedRemoval(model, blocks, plan?.removed ?? []);
	checkProvable(model, blocks, removed);
	tellArchitecture(header, { ...options, remove: removed });
	const original = await originalOf(options, header, originalFile);
	const limits = await readGate(options);
	const planned = options.heal === false ? 0 : (plan?.heal?.addedBytes ?? 0);
	const { quantize } = options;
	const expectedBytes = planned + bytesToDeliver(original ?? header, removed, plan ? { quantize } : options);
	await cleanPartials(output, options);
	await checkTarget(output, { overwrite: options.overwrite ?? false, inputs, expectedBytes });
	return { header, sha256, output, removed, plan, original, limits, inputs };
}

function stepsOf(plan: Plan | undefined, options: ApplyJob): StepName[] {
	const limits: StepName[] = hasGate(options) ? ["Comparing with the original"] : [];
	return ["Preparing text", ...(asksForHealing(plan, options) ? (["Healing"] as const) : limits), "Writing and verifying"];
}

function asksForHealing(plan: Plan | undefined, options: ApplyJob): boolean {
	return options.heal !== false && (asksToHeal(options) || plan?.heal?.applied === true);
}

/** @throws InvalidOptionError where what the options say of healing contradicts the plan */
function checkHealingOfPlan(plan: Plan | undefined, options: ApplyJob): void {
	if (plan && asksToHeal(options) && !plan.heal)
		throw new InvalidOptionError(`${options.planFile} says nothing of healing: heal with --remove ${blocksArgument(plan.removed)} --heal`);
	if (plan?.heal && saysHow(options))
		throw new InvalidOptionError(
			`${options.planFile} says how it is healed: leave out the value of --heal, --heal-kind, --heal-type and --heal-heads, or heal again with --remove ${blocksArgument(plan.removed)} --heal`,
		);
	checkHealedWeights(options, asksForHealing(plan, options));
}

/** @throws InvalidPlanError if the plan was made for another file */
function checkPlanOf(plan: Plan, model: string, sha256: string, options: ApplyJob): void {
	if (plan.model.sha256 === sha256) return;
	throw new InvalidPlanError(
		`${options.planFile} was made for ${shownText(plan.model.name)} with SHA-256 ${plan.model.sha256}, but ${model} has ${sha256}. Use --remove ${blocksArgument(plan.removed)} to remove the same blocks all the same.`,
	);
}

/** Writes the model without measuring what it costs: what is written is verified on samples of the model's own. */
async function applyUnmeasured(request: Request, options: ApplyJob): Promise<Applied> {
	const { header, sha256, removed, plan } = request;
	const { file } = header;
	const { quantize } = options;
	const referencePositions = quantize === undefined ? 0 : allowedPositions([verification], vocabularyOf(file), options);
	const shape = { windows: verification.count, windowLength: verification.length, referencePositions };
	const [model, load] = await timed(() => loadAsRead(header, options, shape));
	try {
		// What a device that computes wrongly fits would be written as an improvement.
		if (asksForHealing(plan, options)) await checkParity({ model, sha256, folder: await runFolder(model, sha256) }, options);
		const references = bytesOfReference(referencePositions, model.facts.vocabulary);
		const kind = asksToHeal(options) && !plan ? checkHealable(model, removed, healingOf(options), { references, sized: false }) : {};
		const healable = jobWith(options, kind);
		const source = await sampledSource(model, { ...header, sha256 }, healable);
		// Its distributions are made before anything is healed: the memory for that is counted beside them.
		if (quantize !== undefined) await source.whole();
		const place = async () => ({
			...{ model, evaluator: source.evaluator },
			folder: await runFolder(model, sha256),
		});
		await expectUnmeasured(source, { ...request, load, place }, healable);
		options.progress?.begin("Healing");
		const healing = await healAsAsked({ removed, plan, place, anew: healOnSamples }, healable);
		logger(options)("debug", `removed blocks ${formatBlocks(removed)}`);
		options.progress?.begin("Writing and verifying");
		const summary = summarize(model);
		const made = await writeModel(source, { ...request, healing }, healable);
		return { model: summary, removed, ...(healing ? { heal: healing.section } : {}), ...made };
	} finally {
		await model.dispose();
	}
}

const runFolder = ({ path }: Model, sha256: string) => makeRunFolder({ name: basename(path), sha256 });

/** Where a set is healed. */
type Place = HealAsked<ApplyJob>["place"];

/** Says how long healing and writing take, if somebody listens. What the file must compute is measured for that, if it is not healed. */
async function expectUnmeasured(
	source: OpenSource,
	{ removed, plan, original, load, place }: Request & { readonly load: number; readonly place: Place },
	options: ApplyJob,
): Promise<void> {
	const { progress, onProgress, quantize, signal } = options;
	if (!onProgress) return;
	const { model, windows, evaluator } = source;
	const [, evaluation] = await timed(() => source.losses(removed, false));
	const heals = asksForHealing(plan, options);
	const known = { pass: evaluation / windows.tokens.length };
	const healing = heals ? await secondsToHeal({ ...(await place()), removed: [...removed] }, plan, known, options) : 0;
	const types = quantize === undefined ? [] : [quantize];
	const { file } = model;
	const quantizing = original ? undefined : await quantizingSeconds({ model, file, types }, { threads: evaluator.threads, signal });
	expectApply(progress, { proof: model.blocks.proof, load, evaluation, expected: !heals, compared: 0, healing, quantizing }, options);
}

function secondsToHeal(job: HealPlan, plan: Plan | undefined, known: KnownSpeed, options: ApplyJob): Promise<number> {
	const { removed } = job;
	const place = { ...job, seed: 0 };
	if (plan?.heal) return healAgainSeconds(place, { removed, section: plan.heal }, options, known);
	const length = Math.min(verification.length, job.model.facts.contextLength);
	const work = { ...onlySet(removed), tuning: judged.search * length, judged: (judged.validation + judged.heldOut) * length };
	return options.healTime === undefined ? healSeconds(place, work, options, known) : Promise.resolve(options.healTime);
}

/** Windows that decide how to heal, whether it helps, and say by how much: of this split seed. */
const judged = { search: 10, validation: 12, heldOut: 12 };

/** Heals on samples of the model's own; the model is as it was then. */
async function healOnSamples(job: HealPlan, options: ApplyJob): Promise<Healing> {
	const { model, removed } = job;
	const length = Math.min(verification.length, model.facts.contextLength);
	const count = judged.search + judged.validation + judged.heldOut;
	const onProgress = (done: number, total: number) =>
		options.progress?.work({ phase: "generating text for healing", done, total, unit: "tokens" });
	const own = await selfGeneratedWindows(model, {
		count,
		length,
		seed: 1,
		mix: options.asked.selfText,
		signal: options.signal,
		onProgress,
	});
	const { search: tuning, ...splits } = deal(own, judged);
	const place = { ...job, seed: 0 };
	const work = {
		...onlySet(removed),
		tuning: tuning.tokens.length,
		judged: splits.validation.tokens.length + splits.heldOut.tokens.length,
	};
	const healing = await healModel(
		{ ...place, tuning, own: true, ...splits },
		jobWith(options, (await withHealTime(place, work, healingOf(options))).options),
	);
	await restore(model, healing.tensors);
	return healing;
}
