// The main job, top to bottom.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { CurvePoint, Estimate, PruneOptions, PruneResult } from "./api.js";
import { type Choices, choose, plannedMasks } from "./choose.js";
import { quoted } from "./command.js";
import type { BlockPlan } from "./architectures/index.js";
import { FileError, InvalidOptionError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { bytesToWrite, checkCount, checkedRemoval, checkEverProvable, checkProvable, readHeader } from "./header.js";
import { textFiles } from "./objective.js";
import { type Choice, chosenOf, commandsFor, curveOf, race, suggest } from "./race.js";
import { makePlan } from "./make-plan.js";
import type { RunFacts } from "./make-report.js";
import { checkMethodOptions } from "./method-options.js";
import { defaultMethod, factsOf, type Method } from "./methods.js";
import { logger } from "./log.js";
import { measureOne, Session, summarize } from "./session.js";
import { bestBySource } from "./source-rivals.js";
import { keptPlanPath } from "./storage/runs.js";
import { type Plan, writePlan } from "./storage/plan.js";
import { checkTarget } from "./storage/atomic-file.js";
import { measureBeyondSliding } from "./oracle.js";
import { nearBest } from "./near-best.js";
import { notePartials } from "./partials.js";
import { formatDuration } from "./report/format.js";
import { type Run, reportRun, runFacts, watched } from "./run-report.js";
import type { Ledger } from "./storage/ledger.js";
import { checkTargets } from "./targets.js";
import { sharedTime } from "./working-weights.js";
import { writePruned } from "./write.js";

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
	await checkTargets(model, output, options, amount === "curve");
	const header = await readHeader(model, options);
	const { blocks } = header;
	const removable = countOf(amount, model, blocks, options.method ?? defaultMethod);
	const named = options.remove && checkedRemoval(model, blocks, options.remove);
	const partly = checkEverProvable(model, blocks, named);
	if (partly) logger(options)("warning", partly);
	if (output !== undefined && removable.count !== undefined && !options.dryRun) {
		checkProvable(model, blocks, named);
		await checkTarget(output, { overwrite: options.overwrite ?? false, expectedBytes: bytesToWrite(header, named ?? removable.count) });
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
		const decided = await race(session, candidates(session, choices, removable, options), options);
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
		return await deliver(session, output, facts, curve, options, run);
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
	const sizes = removable.count === undefined ? [...choices!.found.byCount.keys()] : [removable.count];
	const own = [...choices!.found.byCount].map(([, { removed }]) => ({ removed, method: choices!.found.method }));
	const rivals = [...choices!.rivals, ...bestBySource(session, sizes), ...nearBest(session, sizes)];
	const sets = [...own, ...rivals].filter(({ removed }) => sizes.includes(removed.length));
	if (sets.length === 0) {
		const reachable = [...choices!.found.byCount.keys()].sort((a, b) => a - b);
		throw new InvalidOptionError(
			`exactly ${removable.count} blocks cannot be removed from this architecture; possible: ${reachable.join(", ") || "none"}`,
		);
	}
	return sets;
}

async function deliver(
	session: Session,
	output: string | undefined,
	facts: RunFacts,
	curve: CurvePoint[],
	options: PruneOptions,
	run: Run,
): Promise<PruneResult> {
	const { choices, decided } = facts;
	const chosen = chosenOf(decided);
	const plan = await makePlan(session, output, chosen, choices, decided, options);
	const planPath = options.plan ?? (output === undefined ? keptPlanPath(session.folder, keptName(plan)) : `${output}.plan.json`);
	const keptAmongRuns = options.plan === undefined && output === undefined;
	const { report } = session.texts;
	const losses = await measureOne(report, Coalition.ofRemoved(report.players, chosen.removed), "figures", options.signal);
	let written: PruneResult["output"];
	if (output !== undefined) {
		const { file } = session.model;
		const expected = {
			windows: session.calibration.folds.report,
			losses,
			long: await measureBeyondSliding(session.model, session.evaluator, chosen.removed, session.calibration.folds.report, options),
			threads: session.evaluator.threads,
			ubatch: session.evaluator.ubatch,
			exact: session.settings.backend === "CPU",
		};
		// One model in memory at a time: the written one is loaded to be verified.
		await session.close();
		written = await session.timed("write", () => writePruned(file, output, chosen.removed, session.sha256, expected, options));
		const { timings } = session;
		await writePlanOf(session, output, { ...plan, timings: { ...timings } }, planPath, options);
		return {
			...{ model: facts.model, plan, planPath, output: written, curve, objective: session.objective, disagreements: decided.disagreements },
			...(await reportRun(facts, { plan, output: written, timings }, run, options)),
			...{ commands: [], seconds: (Date.now() - run.started) / 1000 },
		};
	}
	await writePlan(planPath, plan, {
		overwrite: keptAmongRuns || (options.overwrite ?? false),
		inputs: [...session.model.file.paths, ...textFiles(options)],
	});
	return finish(
		session,
		{
			plan,
			planPath,
			curve,
			disagreements: decided.disagreements,
			commands: [`prune-gguf apply ${quoted(session.model.path)} OUTPUT.gguf --plan ${quoted(planPath)}`],
			...(await reportRun(facts, { plan, timings: session.timings }, run, options)),
		},
		run,
	);
}

/** The plan beside a model that is written: it is not lost where its own name cannot be written. */
async function writePlanOf(session: Session, output: string, plan: Plan, path: string, options: PruneOptions): Promise<void> {
	const inputs = [...session.model.file.paths, ...textFiles(options)];
	try {
		await writePlan(path, plan, { overwrite: options.overwrite ?? false, inputs });
	} catch (cause) {
		const kept = keptPlanPath(session.folder, keptName(plan));
		await writePlan(kept, plan, { overwrite: true }).catch(() => {
			throw cause;
		});
		throw new FileError(
			`${output} is written and verified, but its plan is not: ${(cause as Error).message} The plan is kept in ${kept}.`,
			{ cause },
		);
	}
}

/** Differs where the plan removes other blocks or was decided on other text. */
function keptName({ method, removed, calibration, options, machine }: Plan): string {
	const { objective, scoreShare, stateType } = options;
	const decided = createHash("sha256")
		.update(JSON.stringify([removed, calibration, objective, scoreShare, stateType, machine.weights]))
		.digest("hex")
		.slice(0, 8);
	return `${method}-${removed.length}-${decided}`;
}

type Finished = Omit<PruneResult, "model" | "objective" | "disagreements" | "seconds"> & Partial<Pick<PruneResult, "disagreements">>;

function finish(session: Session, result: Finished, { started }: Run): PruneResult {
	return {
		model: summarize(session.model),
		objective: session.objective,
		disagreements: [],
		...result,
		seconds: (Date.now() - started) / 1000,
	};
}
