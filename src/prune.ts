// The main job, top to bottom.
import { basename } from "node:path";
import type { Estimate, PruneOptions, PruneResult } from "./api.js";
import { type Choices, choose, plannedMasks } from "./choose.js";
import type { BlockPlan } from "./architectures/index.js";
import { bytesToDeliver, deliver, finish } from "./deliver.js";
import { checkHealingOfRun } from "./deliver-healed.js";
import { InvalidOptionError } from "./errors.js";
import { finalists } from "./finalists.js";
import { Coalition } from "./game/coalition.js";
import { raceHealed } from "./heal-race.js";
import { checkCount, checkedRemoval, checkEverProvable, checkProvable, readHeader } from "./header.js";
import { type Choice, commandsFor, curveOf, race, suggest } from "./race.js";
import { checkMethodOptions } from "./method-options.js";
import { defaultMethod, factsOf, type Method } from "./methods.js";
import { logger } from "./log.js";
import { measureOne, Session } from "./session.js";
import { checkTarget } from "./storage/atomic-file.js";
import { notePartials } from "./partials.js";
import { checkQuantizing, originalOf } from "./quantize-from.js";
import { formatDuration } from "./report/format.js";
import { type Run, reportRun, runFacts, watched } from "./run-report.js";
import type { Ledger } from "./storage/ledger.js";
import { checkTargets } from "./targets.js";
import { sharedTime } from "./working-weights.js";

/**
 * The main job: measures which blocks a model can lose, chooses a set, proves it on text that no search has seen, and writes the
 * smaller model. Without `removeBlocks`, `removeFraction` or `remove` it measures the curve, suggests a size and writes nothing.
 * @param model path of a GGUF file (any shard of a split one)
 * @param output path of the file to write; nothing is written without it
 * @throws InvalidOptionError, UnsupportedArchitectureError, InvalidMaskError, OutputExistsError, NoSpaceError, VerificationError and the errors of loading
 * @example
 * const result = await pruneGguf("model.gguf", "smaller.gguf", { removeBlocks: 6 });
 * console.log(result.plan?.removed);
 */
export async function pruneGguf(model: string, output: string | undefined, given: PruneOptions = {}): Promise<PruneResult> {
	const run: Run = { started: Date.now(), warnings: [] };
	const options = watched(given, run);
	const amount = amountOf(options);
	if (amount === "curve" && options.plan !== undefined) {
		throw new InvalidOptionError("--save-plan needs an amount: say how much to remove with --remove-blocks, --remove-fraction or --remove");
	}
	checkMethodOptions(options.method ?? defaultMethod, options);
	checkQuantizing(options, output, amount === "curve");
	checkHealingOfRun(options, amount === "curve");
	await checkTargets(model, output, options, amount === "curve");
	const header = await readHeader(model, options);
	const { blocks } = header;
	const removable = countOf(amount, model, blocks, options.method ?? defaultMethod);
	const named = options.remove && checkedRemoval(model, blocks, options.remove);
	const partly = checkEverProvable(model, blocks, named);
	if (partly) logger(options)("warning", partly);
	const original = await originalOf(options, { path: model, file: header.file });
	if (output !== undefined && removable.count !== undefined && !options.dryRun) {
		checkProvable(model, blocks, named);
		const expectedBytes = bytesToDeliver(original ?? header, named ?? removable.count, options);
		await checkTarget(output, { overwrite: options.overwrite ?? false, expectedBytes });
		await notePartials(output, options);
	}
	const masks = options.remove ? 0 : plannedMasks(options.method ?? defaultMethod, blocks.blocks, removable.kmax, options);
	const session = await Session.open(model, options, { masks, weights: "auto", dry: options.dryRun ?? false });
	try {
		const estimate = await announce(session, removable, options);
		if (options.dryRun) return finish(session, { curve: [], commands: [], estimate }, run);

		const choices = options.remove ? undefined : await choose(session, options.method ?? defaultMethod, removable.kmax, options);
		await session.closeSearch();
		if (choices) for (const note of choices.found.notes) logger(options)("note", note);
		const unhealed = await race(session, candidates(session, choices, removable, options), options);
		const decided = amount === "curve" ? unhealed : await raceHealed(session, unhealed, options);
		const curve = curveOf(decided);
		const facts = runFacts(session, output, choices, decided, run, options);
		if (amount === "curve") {
			const suggestion = suggest(curve, session);
			return finish(
				session,
				{
					...{ curve, disagreements: decided.disagreements, suggestion },
					commands: commandsFor(model, output, curve, session, options),
					...(await reportRun(facts, { suggestion, timings: session.timings }, run, options)),
				},
				run,
			);
		}
		return await deliver(session, output, facts, curve, original, options, run);
	} finally {
		await session.close();
	}
}

type Amount = "curve" | { blocks: number } | { fraction: number } | { remove: number[] };

function amountOf(options: PruneOptions): Amount {
	const given = (["removeBlocks", "removeFraction", "remove"] as const).filter((name) => options[name] !== undefined);
	if (given.length > 1) throw new InvalidOptionError(`${given.join(" and ")} say the same thing twice: give one of them`);
	const { removeBlocks, removeFraction, remove } = options;
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
	return "curve";
}

/** How many blocks to remove (undefined for the whole curve), and up to how many sets are searched. */
interface Removable {
	count: number | undefined;
	kmax: number;
}

function countOf(amount: Amount, path: string, plan: BlockPlan, method: Method): Removable {
	const { blocks, maxRemovable } = plan;
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
	checkCount(plan, count, { tied: !factsOf(method).runs });
	return { count, kmax: count };
}

/** Says what is known, what is left to measure at most, and how long that takes. */
async function announce(session: Session, { kmax }: Removable, options: PruneOptions): Promise<Estimate> {
	const { model, calibration, games, tokens } = session;
	const { blocks } = model.facts;
	const earlier = session.secondsPerMask;
	const planned = options.remove ? 1 : plannedMasks(options.method ?? defaultMethod, blocks, kmax, options, tokens.search);
	const known = Math.min(planned, usefulMasks(games.search.ledger, kmax, options));
	const full = await measureOne(games.search, Coalition.full(blocks), "the full model", options.signal);
	if (!full.every(Number.isFinite))
		throw new InvalidOptionError("the full model gives losses that are not finite on this text: nothing can be compared with it");
	const masks = planned - known;
	// The winners and the full model are measured on the other folds too.
	const otherTokens = 4 * (tokens.validation + tokens.report);
	const perMask = tokens.search;
	const secondsPerMask = earlier ?? (session.secondsPerMask ?? Number.NaN) * sharedTime;
	const estimate = {
		masks,
		known,
		tokens: masks * perMask + otherTokens,
		seconds: secondsPerMask * (masks + otherTokens / perMask),
	};
	const left = known > 0 ? `, ${known} of them known, at most ${masks} left` : "";
	const time = Number.isFinite(estimate.seconds) ? `, about ${formatDuration(estimate.seconds)}` : "";
	logger(options)(
		"note",
		`${basename(model.path)}: ${blocks} blocks; at most ${planned} masks of ${perMask} tokens${left} (${options.questions === undefined ? calibration.source : basename(options.questions)})${time}`,
	);
	return estimate;
}

/** Known masks of the kind that will be measured: the given one, of the paper's methods any, else those that remove no more blocks than asked. */
function usefulMasks(ledger: Ledger, kmax: number, { method, remove }: PruneOptions): number {
	if (remove) return ledger.get(Coalition.ofRemoved(ledger.header.players, remove)) ? 1 : 0;
	if (method === "paper" || method === "paper-repaired") return ledger.size;
	return ledger.measurements().filter(({ coalition }) => coalition.players - coalition.size <= kmax).length;
}

function candidates(session: Session, choices: Choices | undefined, removable: Removable, options: PruneOptions): Choice[] {
	if (options.remove) return [{ removed: checkedRemoval(session.model.path, session.model.blocks, options.remove), method: "given" }];
	const sets = finalists(session, choices!, removable.count === undefined ? [...choices!.found.byCount.keys()] : [removable.count]);
	if (sets.length === 0) {
		const reachable = [...choices!.found.byCount.keys()].sort((a, b) => a - b);
		throw new InvalidOptionError(
			`exactly ${removable.count} blocks cannot be removed from this architecture; possible: ${reachable.join(", ") || "none"}`,
		);
	}
	return sets;
}
