// The main job, top to bottom.
import { basename } from "node:path";
import type { Estimate, PruneResult } from "../api/index.js";
import { BestSoFar } from "../pipeline/methods/best-so-far.js";
import { checkBudget, choose, plannedMasks } from "../pipeline/methods/registry.js";
import { bytesToDeliver, deliver, finish } from "../pipeline/pruning/deliver.js";
import { withHealTimeOf } from "../pipeline/healing/of-session.js";
import { InvalidOptionError } from "../errors.js";
import { finalists, sizesFound } from "../pipeline/race/finalists.js";
import { Gate } from "../pipeline/gate/gate.js";
import { readGate } from "../pipeline/preflight/gate-limits.js";
import { Coalition } from "../game/coalition.js";
import { checkHealable } from "../pipeline/healing/memory.js";
import { raceHealed } from "../pipeline/healing/race.js";
import {
	checkCount,
	checkedRemoval,
	checkEverProvable,
	checkProvable,
	type Header,
	readHeader,
} from "../pipeline/preflight/model-header.js";
import { type Race, race, winnerOf } from "../pipeline/race/race.js";
import { checkMethodOptions } from "../pipeline/preflight/method-options.js";
import { defaultMethod, factsOf } from "../api/methods.js";
import { logger } from "../api/logger.js";
import { checkSamples } from "../pipeline/pruning/measure-pair.js";
import { Session } from "../pipeline/session/session.js";
import { checkTarget } from "../storage/atomic-file.js";
import { OwnOutput } from "../pipeline/preflight/own-output.js";
import { cleanPartials } from "../pipeline/preflight/leftovers.js";
import { checkQuantizing, originalOf } from "../pipeline/writing/quantize-weights.js";
import { formatDuration } from "../report/format.js";
import { type Run, reportRun, runFacts, watched } from "../pipeline/reporting/run.js";
import { fewestOf, limitedAmount, mostForGate, mostThatMeet } from "../pipeline/pruning/amount.js";
import { mostHealedThatMeet } from "../pipeline/pruning/amount-healed.js";
import type { Ledger } from "../storage/ledger.js";
import { countsForSize, type SizeRange } from "../pipeline/preflight/target-size.js";
import { atSpeed, checkSpeedup } from "../pipeline/speed/target.js";
import { checkTargets, checkWritesNothing } from "../pipeline/preflight/output-files.js";
import { workOf } from "../pipeline/pruning/estimate.js";
import { sharedTime } from "../pipeline/session/working-weights.js";
import type { Choice, Choices } from "../pipeline/methods/selection-context.js";
import { effortOf, raceField } from "../pipeline/methods/budget.js";
import { commandsFor, curveOf, suggest } from "../pipeline/race/curve.js";
import { asksToHeal, checkHealingOfRun } from "../pipeline/preflight/heal-options.js";
import type { Decision } from "../pipeline/pruning/decision.js";
import type { PruneJob } from "../pipeline/preflight/job.js";

/**
 * The main job: measures which blocks a model can lose, chooses a set, proves it on text that no search has seen, and writes the
 * smaller model. Limits (`maxPplRatio`, `maxKl`, `minAccuracy`, `targetSize`) choose how much to remove where no amount is given, and
 * keep what misses them from being written where one is. Without either it measures the curve and suggests a size; an output or a plan
 * to write is refused then. What is measured and drawn is kept in the cache in any case, also with `dryRun` (self-generated text, and
 * ledgers without a removal).
 * @param model path of a GGUF file (any shard of a split one)
 * @param output path of the file to write; without it no model is written, and the plan goes to the cache or where `plan` says
 * @throws GateNotMetError where a limit is not met: no model, plan or report is written then
 * @throws InvalidOptionError, UnsupportedArchitectureError, InvalidMaskError, OutputExistsError, NoSpaceError, VerificationError and the errors of loading
 * @example
 * const result = await pruneGguf("model.gguf", "smaller.gguf", { removeBlocks: 6 });
 * console.log(result.plan?.removed);
 */
export async function pruneGguf(model: string, output: string | undefined, given: PruneJob = {}): Promise<PruneResult> {
	const run: Run = { started: Date.now(), warnings: [] };
	let options = watched(given, run);
	let amount = amountOf(options);
	if (amount === "curve") checkWritesNothing(output, options);
	checkMethodOptions(options.method ?? defaultMethod, options);
	checkSamples(options);
	checkQuantizing(options, output, amount === "curve");
	const limits = await readGate(options);
	checkHealingOfRun(options, amount === "curve");
	const own = output === undefined || amount === "curve" || options.dryRun ? undefined : await OwnOutput.of(model, output, given);
	run.own = own;
	const header = await readHeader(model, options);
	await checkTargets(header.file, output, options, amount === "curve", own);
	if (own?.isThere)
		logger(options)(
			"note",
			`${output} is there: an earlier run of this command wrote and verified it. What it did not come to is finished`,
		);
	const { blocks } = header;
	if (options.targetSpeedup !== undefined) {
		options = await atSpeed(model, blocks, options);
		amount = amountOf(options);
	}
	const removable = await countOf(amount as Exclude<Amount, { speedup: number }>, model, header, options);
	const named = options.remove && checkedRemoval(model, blocks, options.remove);
	const partly = checkEverProvable(model, blocks, named);
	if (partly) logger(options)("warning", partly);
	const original = await originalOf(options, { path: model, file: header.file });
	if (output !== undefined && removable.count !== undefined && !options.dryRun) {
		checkProvable(model, blocks, named);
		const expectedBytes = bytesToDeliver(original ?? header, named ?? removable.count, options);
		await cleanPartials(output, options);
		if (!own?.isThere) await checkTarget(output, { overwrite: options.overwrite ?? false, expectedBytes });
	}
	const masks = options.remove ? 0 : plannedMasks(options.method ?? defaultMethod, blocks.blocks, removable.kmax, options);
	const compared = options.maxKl !== undefined;
	const session = await Session.open(model, options, {
		masks,
		weights: "auto",
		dry: options.dryRun ?? false,
		...{ compared, quantized: options.quantize !== undefined },
	});
	const best = new BestSoFar();
	try {
		await own?.takeOver(session.folder);
		if (asksToHeal(options))
			options = checkHealable(session.model, named ?? removable.kmax, options, { references: session.referenceBytes });
		const gate = limits && Gate.open(session, limits, options);
		if (!options.remove) checkBudget(options.method ?? defaultMethod, blocks.blocks, removable.kmax, options, session.tokens.search);
		const estimate = await announce(session, removable, options);
		if (options.dryRun) return finish(session, { curve: [], commands: [], estimate }, run);

		options = await withHealTimeOf(session, named ?? removable.kmax, options);
		const { kmax, counts } = removable;
		const choices = options.remove
			? undefined
			: await choose(session, options.method ?? defaultMethod, kmax, options, { onStep: best.onStep, ...(counts ? { counts } : {}) });
		await session.closeSearch();
		if (choices) for (const note of choices.found.notes) logger(options)("note", note);
		const raced = await race(session, candidates(session, choices, removable, options), options);
		const decision = amount === "curve" ? undefined : await settle(session, raced, amount, removable, gate, options);
		const facts = runFacts(session, output, choices, decision?.race ?? raced, run, options);
		if (!decision) {
			const curve = curveOf(raced);
			const suggestion = suggest(curve, session);
			return finish(
				session,
				{
					...{ curve, disagreements: raced.disagreements, suggestion },
					commands: commandsFor(model, output, curve, session, options),
					...(await reportRun(facts, { suggestion, timings: session.timings }, run, options)),
				},
				run,
			);
		}
		return await deliver(session, output, facts, decision, original, gate, options, run);
	} catch (error) {
		if (options.signal?.aborted) best.tell(session.objective, options);
		throw error;
	} finally {
		await session.close().finally(() => own?.release());
	}
}

/** The set that is taken: sets that are healed are raced healed. */
async function settle(
	session: Session,
	raced: Race,
	amount: Exclude<Amount, "curve">,
	{ reaches }: Removable,
	gate: Gate | undefined,
	options: PruneJob,
): Promise<Decision> {
	if (amount === "gate")
		return asksToHeal(options) ? mostHealedThatMeet(session, raced, gate!, options) : mostThatMeet(raced, gate!, options);
	return raceHealed(session, { race: raced, chosen: reaches ? fewestOf(raced) : winnerOf(raced) }, options, reaches);
}

type Amount = "curve" | "gate" | { speedup: number } | { blocks: number } | { fraction: number } | { remove: number[] } | { size: number };

const amounts = ["removeBlocks", "removeFraction", "remove", "targetSize", "targetSpeedup"] as const;

function amountOf(options: PruneJob): Amount {
	const given = amounts.filter((name) => options[name] !== undefined);
	if (given.length > 1) throw new InvalidOptionError(`${given.join(" and ")} say the same thing twice: give one of them`);
	const { removeBlocks, removeFraction, remove, targetSpeedup } = options;
	checkSpeedup(options);
	if (targetSpeedup !== undefined) return { speedup: targetSpeedup };
	if (removeBlocks !== undefined) {
		if (!Number.isInteger(removeBlocks) || removeBlocks < 1)
			throw new InvalidOptionError(`remove-blocks must be a whole number of at least 1, got ${removeBlocks}`);
		return { blocks: removeBlocks };
	}
	if (removeFraction !== undefined) {
		if (!(removeFraction > 0 && removeFraction < 1))
			throw new InvalidOptionError(`remove-fraction must be between 0 and 100 %, got ${removeFraction * 100} %`);
		return { fraction: removeFraction };
	}
	if (remove !== undefined) {
		if (remove.length === 0) throw new InvalidOptionError("the list of blocks to remove is empty");
		return { remove: [...new Set(remove)].sort((a, b) => a - b) };
	}
	return limitedAmount(options) ?? "curve";
}

/** How many blocks to remove (undefined for the whole curve), and up to how many sets are searched. */
interface Removable extends Partial<SizeRange> {
	/** At least. */
	count: number | undefined;
	kmax: number;
}

async function countOf(amount: Exclude<Amount, { speedup: number }>, path: string, header: Header, options: PruneJob): Promise<Removable> {
	const { method = defaultMethod, quantizeFrom } = options;
	const plan = header.blocks;
	const { blocks, maxRemovable } = plan;
	const tied = !factsOf(method).runs;
	if (amount === "gate") {
		const kmax = mostForGate(blocks, maxRemovable);
		// Of the amount nothing is known yet: the most frees the least of the disk.
		return { count: kmax, kmax, counts: Array.from({ length: kmax }, (_, i) => i + 1) };
	}
	if (typeof amount === "object" && "size" in amount) {
		const { file } = quantizeFrom === undefined ? header : await readHeader(quantizeFrom, options);
		const range = countsForSize(header, file, amount.size, options, tied);
		return { ...range, count: range.counts[0], kmax: range.counts.at(-1)! };
	}
	if (amount === "curve") return { count: undefined, kmax: Math.max(1, Math.min(maxRemovable, Math.floor(blocks / 3))) };
	if ("remove" in amount) {
		const { length } = checkedRemoval(path, plan, amount.remove);
		return { count: length, kmax: length };
	}
	const count = "blocks" in amount ? amount.blocks : Math.round(amount.fraction * blocks);
	if (count < 1)
		throw new InvalidOptionError(
			`${((amount as { fraction: number }).fraction * 100).toFixed(1)} % of ${blocks} blocks is less than one block`,
		);
	checkCount(plan, count, { tied });
	return { count, kmax: count };
}

/** Says what is known, what is left to measure at most, and how long that takes. */
async function announce(session: Session, { kmax, count, counts }: Removable, options: PruneJob): Promise<Estimate> {
	const { model, calibration, games, tokens } = session;
	const { blocks } = model.facts;
	const earlier = session.secondsPerMask;
	const { method = defaultMethod } = options;
	const planned = options.remove ? 1 : plannedMasks(method, blocks, kmax, options, tokens.search);
	const known = Math.min(planned, usefulMasks(games.search.ledger, kmax, options));
	await session.measureFull(options.signal);
	const masks = planned - known;
	const sizes = counts?.length ?? (count === undefined ? kmax : 1);
	const effort = effortOf(options);
	const field = options.remove ? 1 : raceField(method, effort);
	const secondsPerMask = earlier ?? (session.secondsPerMask ?? Number.NaN) * sharedTime;
	const { maxTime } = options;
	const work = workOf({ masks, known, singles: blocks + 1, sizes, field, effort, tokens, secondsPerMask, maxTime });
	const estimate = { masks, known, ...work };
	const left = known > 0 ? `, ${known} of them known, at most ${masks} left` : "";
	const time = Number.isFinite(estimate.seconds) ? `, about ${formatDuration(estimate.seconds)}` : "";
	logger(options)(
		"note",
		`${basename(model.path)}: ${blocks} blocks; at most ${planned} masks of ${tokens.search} tokens${left} (${options.questions === undefined ? calibration.source : basename(options.questions)})${time}`,
	);
	return estimate;
}

/** Known masks of the kind that will be measured: the given one, of the paper's methods any, else those that remove no more blocks than asked. */
function usefulMasks(ledger: Ledger, kmax: number, { method, remove }: PruneJob): number {
	if (remove) return ledger.get(Coalition.ofRemoved(ledger.header.players, remove)) ? 1 : 0;
	if (method === "paper" || method === "paper-repaired") return ledger.size;
	return ledger.measurements().filter(({ coalition }) => coalition.players - coalition.size <= kmax).length;
}

function candidates(session: Session, choices: Choices | undefined, removable: Removable, options: PruneJob): Choice[] {
	if (options.remove) return [{ removed: checkedRemoval(session.model.path, session.model.blocks, options.remove), method: "given" }];
	const { count, counts, reaches = () => true } = removable;
	const found = finalists(session, choices!, counts ?? (count === undefined ? sizesFound(choices!) : [count]));
	const sets = found.filter(({ removed }) => reaches(removed));
	if (sets.length === 0 && found.length > 0)
		throw new InvalidOptionError(
			"no set that was found makes the file as small as --target-size says: ask for less, or say how many blocks with --remove-blocks",
		);
	if (sets.length === 0) {
		const reachable = sizesFound(choices!);
		throw new InvalidOptionError(
			`exactly ${counts?.join(" or ") ?? count} blocks cannot be removed from this architecture; possible: ${reachable.join(", ") || "none"}`,
		);
	}
	return sets;
}
