import type { MeasureOptions, RankResult } from "./api.js";
import { choose, plannedMasks } from "./choose.js";
import { InvalidOptionError } from "./errors.js";
import { readHeader } from "./header.js";
import { contributionRows } from "./make-plan.js";
import { checkMethodOptions } from "./method-options.js";
import { rankingMethods } from "./methods.js";
import { logger } from "./log.js";
import { Session, summarize } from "./session.js";

/**
 * Contributions of a model's blocks: what their removal alone adds to the loss, or, with the paper's method, what its surrogate says.
 * @throws the errors of loading and measuring
 */
export async function rankBlocks(model: string, options: MeasureOptions = {}): Promise<RankResult> {
	const started = Date.now();
	const method = options.method ?? "leave-one-out";
	if (!rankingMethods.includes(method))
		throw new InvalidOptionError(`${method} chooses sets and gives no contributions; rank with one of ${rankingMethods.join(", ")}`);
	if (options.rounds !== undefined) throw new InvalidOptionError("rounds choose sets: rank knows the first one only, leave --rounds out");
	checkMethodOptions(method, options);
	const { blocks } = await readHeader(model, options);
	const unwritable = blocks.unwritable();
	if (unwritable)
		logger(options)("warning", `${model}: this can be measured, but no file without any of its blocks can be written: ${unwritable}`);
	// Window semivalues speak of sets of up to a third of the blocks; the other methods need no sets at all.
	const windowed = method === "auto" || method === "paper-repaired";
	const kmax = windowed ? Math.max(1, Math.min(blocks.maxRemovable, Math.floor(blocks.blocks / 3))) : 1;
	const session = await Session.open(model, options, { masks: plannedMasks(method, blocks.blocks, kmax, options), weights: "own" });
	try {
		const { found, contributions, surrogate, masks } = await choose(session, method, kmax, options);
		// Every ranking method gives them.
		if (!contributions) throw new Error(`${method} gave no contributions`);
		for (const note of found.notes) logger(options)("note", note);
		return {
			model: summarize(session.model),
			objective: session.objective,
			loss: found.fullLoss,
			estimator: contributions.estimator,
			contributions: contributionRows(contributions),
			frozen: [...session.model.blocks.frozen].map(([block, reason]) => ({ block, reason })),
			surrogate,
			masks,
			seconds: (Date.now() - started) / 1000,
		};
	} finally {
		await session.close();
	}
}
