// How much a comparison has to measure, and how long that takes.
import { basename } from "node:path";
import { logger } from "../../api/logger.js";
import type { JobProgress } from "../../model/runtime/job-options.js";
import { leastMasks, optionsWithin, plannedMasks } from "../../pipeline/methods/registry.js";
import type { CompareJob } from "../../pipeline/preflight/job.js";
import type { Session } from "../../pipeline/session/session.js";
import { type Contender, contenderOf } from "./contender.js";
import type { Comparison } from "./options.js";

/** Masks that all methods together may measure: the single removals are measured once for all. */
export function plannedOf({ methods, counts, limit }: Comparison, blocks: number): number {
	const kmax = counts.at(-1)!;
	const contenders = methods.map(contenderOf);
	const masks = ({ method, granularity }: Contender) =>
		Math.min(limit, plannedMasks({ method, blocks, kmax }, { granularity, ...optionsWithin(method, limit, kmax) }));
	const singles = contenders.filter(({ method }) => leastMasks(method, blocks, kmax) > blocks).length;
	return contenders.reduce((sum, contender) => sum + masks(contender), 0) - Math.max(0, singles - 1) * (blocks + 1);
}

/** What is measured after the original model. */
export interface ComparedWork {
	/** Masks of the search at most, and those of them that are known. */
	readonly masks: number;
	readonly known: number;
	/** Tokens that a mask of the search runs. */
	readonly tokens: number;
	/** Sets that are scored at most, the original model among them. */
	readonly sets: number;
	/** Tokens that a set runs on each text and on each file of questions that it is scored on. */
	readonly scored: readonly number[];
	/** Seconds of a mask of the search; NaN if not known. */
	readonly secondsPerMask: number;
}

/** Says how long the steps of a comparison take, if the time of a mask is known. */
export function expectComparison(progress: JobProgress | undefined, work: ComparedWork): void {
	const { masks, known, tokens, sets, scored, secondsPerMask } = work;
	if (!Number.isFinite(secondsPerMask)) return;
	const perToken = secondsPerMask / tokens;
	progress?.expect("Searching", { evaluations: (masks - known) * secondsPerMask });
	progress?.expect("Scoring", { evaluations: scored.reduce((sum, each) => sum + sets * each * perToken, 0) });
}

/** Measures the original model, and says what is to measure at most. */
export async function announce(
	session: Session,
	{ methods, counts, limit }: Comparison,
	options: CompareJob,
): Promise<Pick<ComparedWork, "masks" | "secondsPerMask">> {
	const { model, calibration } = session;
	const { blocks } = model.facts;
	const secondsPerMask = await session.timeOriginal(options.signal);
	const masks = plannedOf({ methods, counts, limit }, blocks);
	const source = options.questions === undefined ? calibration.source : basename(options.questions);
	logger(options)(
		"note",
		`${basename(model.path)}: ${blocks} blocks, ${counts.join(", ")} removed by ${methods.length} methods; each measures up to ${limit} candidates on ${session.tokens.search} tokens (${source}), all together up to ${masks}`,
	);
	return { masks, secondsPerMask };
}
