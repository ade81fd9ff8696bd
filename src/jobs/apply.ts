import { basename } from "node:path";
import type { ApplyResult } from "../api/index.js";
import { deal, ownSamples } from "../model/calibration/index.js";
import { CalibrationError, InvalidOptionError, InvalidPlanError } from "../errors.js";
import { Coalition } from "../game/coalition.js";
import { Random } from "../game/random.js";
import { bytesToDeliver } from "../pipeline/pruning/deliver.js";
import { healAgain, type Healing, healModel } from "../pipeline/healing/heal-model.js";
import { checkHealable } from "../pipeline/healing/memory.js";
import { onlySet, withHealTime } from "../pipeline/healing/time-budget.js";
import { checkedRemoval, checkProvable, readHeader } from "../pipeline/preflight/model-header.js";
import { measureBeyondSliding } from "../pipeline/writing/zeroed-oracle.js";
import { applyGated } from "../pipeline/pruning/apply-gated.js";
import { readGate } from "../pipeline/preflight/gate-limits.js";
import { filesRead } from "../pipeline/preflight/output-files.js";
import { cleanPartials } from "../pipeline/preflight/leftovers.js";
import { checkQuantizing, originalOf, type Weights } from "../pipeline/writing/quantize-weights.js";
import { allowedPositions } from "../pipeline/preflight/reference-memory.js";
import { References } from "../pipeline/quantizing/reference-logits.js";
import type { Evaluator } from "../model/runtime/evaluator.js";
import { checkFiniteLosses } from "../model/runtime/finite-loss.js";
import { loadModel } from "../model/runtime/load-model.js";
import type { Model } from "../model/runtime/model.js";
import { bytesOfReference } from "../model/runtime/positions.js";
import { vocabularyOf } from "../model/runtime/ubatch.js";
import { makeWindows, type TokenWindows } from "../model/runtime/windows.js";
import { logger } from "../api/logger.js";
import { backEndOf, modelIdentity, summarize } from "../pipeline/session/session.js";
import { checkTarget } from "../storage/atomic-file.js";
import { type Plan, readPlan } from "../storage/plan.js";
import { makeRunFolder } from "../storage/runs.js";
import { writePruned } from "../pipeline/writing/write-pruned.js";
import { writeQuantized } from "../pipeline/writing/write-quantized.js";
import { asksToHeal, checkHealedWeights, checkHealing, saysHow } from "../pipeline/preflight/heal-options.js";
import { shownText } from "../storage/shown-text.js";
import type { ApplyJob } from "../pipeline/preflight/job.js";

/** Windows that a file written without measuring is verified on. */
const verification = { count: 4, length: 128 };

/** Samples of the model's own. Any tokens where it has nothing to begin one with: file and view must agree on whatever they read. */
async function verificationWindows(model: Model, { signal }: ApplyJob): Promise<TokenWindows> {
	const length = Math.min(verification.length, model.facts.contextLength);
	try {
		const own = await ownSamples(model, { count: verification.count, length, seed: 0, signal });
		return deal(own, { search: 0, validation: 0, report: own.count }).report;
	} catch (error) {
		if (!(error instanceof CalibrationError)) throw error;
		const random = new Random(0);
		const tokens = Int32Array.from({ length: verification.count * length }, () => random.integer(model.facts.vocabulary));
		return makeWindows(tokens, length);
	}
}

async function wholeLosses(evaluator: Evaluator, windows: TokenWindows, signal: AbortSignal | undefined): Promise<Float64Array> {
	const [full] = await evaluator.evaluate([Coalition.full(evaluator.model.facts.blocks)], windows, { signal });
	return full!.losses;
}

/** The whole model on the windows, to hold a quantised one against. */
async function wholeFigures(source: Weights, windows: TokenWindows, evaluator: Evaluator, options: ApplyJob) {
	const reference = await new References(source, { verification: windows }, options, evaluator).of("verification");
	const [full] = await evaluator.evaluate([Coalition.full(source.blocks.blocks)], windows, { signal: options.signal });
	return { reference, full: full! };
}

/** Windows that decide how to heal, whether it helps, and say by how much: of this fold seed. */
const judged = { search: 10, validation: 12, report: 12 };

/** Heals as the plan says, or as it is asked for; undefined where neither does. */
async function healed(
	{ loaded, evaluator, removed, sha256 }: { loaded: Model; evaluator: Evaluator; removed: readonly number[]; sha256: string },
	plan: Plan | undefined,
	options: ApplyJob,
): Promise<Healing | undefined> {
	if (options.heal === false || (!plan?.heal && !asksToHeal(options))) return undefined;
	const folder = await makeRunFolder({ name: basename(loaded.path), sha256 });
	const job = { model: loaded, evaluator, removed: [...removed].sort((a, b) => a - b), folder };
	if (plan?.heal) return healAgain(job, plan.heal, options);
	const length = Math.min(verification.length, loaded.facts.contextLength);
	const count = judged.search + judged.validation + judged.report;
	const { search: tuning, ...folds } = deal(await ownSamples(loaded, { count, length, seed: 1, signal: options.signal }), judged);
	const place = { ...job, seed: 0 };
	const work = { ...onlySet(removed), tuning: tuning.tokens.length, judged: folds.validation.tokens.length + folds.report.tokens.length };
	return healModel({ ...place, tuning, own: true, ...folds }, await withHealTime(place, work, options));
}

/**
 * Writes a model without blocks, as a plan or a list says. What is written must compute what the model computes through the layer
 * view, on samples of its own (on any tokens where it has no start token).
 * With limits they are measured first, on the report fold.
 * @throws InvalidPlanError where the plan was made for another file
 * @throws GateNotMetError where a limit is not met: no model is written then
 * @throws EvaluationError where the model itself computes no finite loss
 * @throws the errors of loading and writing
 */
export async function applyPlan(model: string, output: string, given: ApplyJob): Promise<ApplyResult> {
	if ((given.plan === undefined) === (given.remove === undefined))
		throw new InvalidOptionError("give either a plan or a list of blocks to remove");
	const plan = given.plan === undefined ? undefined : await readPlan(given.plan);
	return carryOut(model, output, plan, withThreadsOf(plan, given));
}

/** Healed matrices come out the same with the number of threads that they were made with. */
function withThreadsOf(plan: Plan | undefined, options: ApplyJob): ApplyJob {
	const threads = plan?.heal?.applied ? plan.machine.threads : undefined;
	if (options.heal === false || options.threads !== undefined || typeof threads !== "number") return options;
	logger(options)("debug", `healing again with ${threads} ${threads === 1 ? "thread" : "threads"}, as the plan was made`);
	return { ...options, threads };
}

async function carryOut(model: string, output: string, plan: Plan | undefined, options: ApplyJob): Promise<ApplyResult> {
	const started = Date.now();
	const { quantize } = options;
	checkQuantizing(options, output);
	checkHealing(options);
	const { file, blocks } = await readHeader(model, options);
	const inputs = [...(await filesRead(file, options)), ...(options.plan === undefined ? [] : [options.plan])];
	await checkTarget(output, { overwrite: options.overwrite ?? false, inputs });
	if (plan && asksToHeal(options) && !plan.heal)
		throw new InvalidOptionError(`${options.plan} says nothing of healing: heal with --remove ${plan.removed.join(",")} --heal`);
	if (plan?.heal && saysHow(options))
		throw new InvalidOptionError(
			`${options.plan} says how it is healed: leave out --heal-tokens, --heal-time, --heal-kind, --heal-type and --heal-heads, or heal anew with --remove ${plan.removed.join(",")} --heal`,
		);
	checkHealedWeights(options, options.heal !== false && (asksToHeal(options) || (plan?.heal?.applied ?? false)));
	const given = options.remove && checkedRemoval(model, blocks, options.remove);
	checkProvable(model, blocks, given ?? []);
	const sha256 = await modelIdentity(file, options);
	if (plan && plan.model.sha256 !== sha256) {
		throw new InvalidPlanError(
			`${options.plan} was made for ${shownText(plan.model.name)} with SHA-256 ${plan.model.sha256}, but ${model} has ${sha256}. Use --remove ${plan.removed.join(",")} to remove the same blocks all the same.`,
		);
	}
	const removed = given ?? checkedRemoval(model, blocks, plan?.removed ?? []);
	checkProvable(model, blocks, removed);
	const original = await originalOf(options, { path: model, file });
	const limits = await readGate(options);
	const planned = options.heal === false ? 0 : (plan?.heal?.addedBytes ?? 0);
	const expectedBytes = planned + bytesToDeliver(original ?? { file, blocks }, removed, plan ? { quantize } : options);
	await cleanPartials(output, options);
	await checkTarget(output, { overwrite: options.overwrite ?? false, inputs, expectedBytes });
	if (limits) {
		const made = await applyGated({ model, output, removed, plan, original, limits }, options);
		return { ...made, seconds: (Date.now() - started) / 1000 };
	}
	const referencePositions = quantize === undefined ? 0 : allowedPositions([verification], vocabularyOf(file), options);
	const loaded = await loadModel(model, options, {
		...{ windows: verification.count, windowLength: verification.length },
		referencePositions,
	});
	try {
		const references = bytesOfReference(referencePositions, loaded.facts.vocabulary);
		if (asksToHeal(options) && !plan) options = checkHealable(loaded, removed, options, { references, sized: false });
		const windows = await verificationWindows(loaded, options);
		const evaluator = loaded.createEvaluator();
		// Of the whole model, before any of its matrices changes.
		const whole =
			quantize === undefined ? undefined : await wholeFigures({ path: model, file, blocks, sha256 }, windows, evaluator, options);
		const healing = await healed({ loaded, evaluator, removed, sha256 }, plan, options);
		const { signal } = options;
		const mask = Coalition.ofRemoved(loaded.facts.blocks, removed);
		const [masked] = await evaluator.evaluate([mask], windows, { signal });
		// Such a file would be refused for what is not the fault of the blocks.
		if (!masked!.losses.every(Number.isFinite)) checkFiniteLosses(model, await wholeLosses(evaluator, windows, signal));
		const long = await measureBeyondSliding(loaded, evaluator, removed, windows, options);
		const summary = summarize(loaded);
		const exact = backEndOf(loaded, options) === "CPU";
		const { threads, ubatch } = evaluator;
		const expected = { windows, losses: masked!.losses, long, threads, ubatch, exact, healed: healing?.tensors };
		logger(options)("debug", `removed blocks ${removed.join(", ")}`);
		const done = <T>(rest: T) => ({
			model: summary,
			removed,
			...(healing ? { heal: healing.section } : {}),
			...rest,
			seconds: (Date.now() - started) / 1000,
		});
		if (quantize === undefined) {
			await loaded.dispose();
			return done({ output: await writePruned(loaded.file, output, removed, sha256, expected, options) });
		}
		await loaded.dispose();
		const job = {
			...{ type: quantize, removed, ...whole!, windows, threads, exact, inputs },
			...{
				weights: original ?? { path: model, file, blocks, sha256 },
				original: original !== undefined,
				expected: original ? undefined : expected,
			},
		};
		return done(await writeQuantized(job, output, options));
	} finally {
		await loaded.dispose();
	}
}
