// What a run does with a chosen set beyond writing it: the quantised file, and the whole model quantised instead.
import type { WrittenFile } from "../../api/index.js";
import { PruneGgufError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import type { Healing } from "../healing/heal-model.js";
import { logger } from "../../api/logger.js";
import type { Measured } from "../session/paired-figures.js";
import { compareQuantized } from "../quantizing/alternatives.js";
import type { Weights } from "../writing/quantize-weights.js";
import { References } from "../quantizing/reference-logits.js";
import type { FileType } from "../../model/runtime/quantize.js";
import type { Session } from "../session/session.js";
import { hashOf } from "../../storage/hash.js";
import type { Quantized, QuantizedAlternatives } from "../../storage/plan-quantized.js";
import type { Expectation, WriteOptions } from "../writing/write-pruned.js";
import { writeQuantized } from "../writing/write-quantized.js";
import type { WrittenCandidate } from "../gate/written-file.js";
import type { PruneJob } from "../preflight/job.js";

/** The model of a session as weights to quantise. */
export function weightsOf({ model, sha256 }: Session): Weights {
	return { path: model.path, file: model.file, blocks: model.blocks, sha256 };
}

async function wholeOn(session: Session, options: PruneJob): Promise<Measurement> {
	const { report } = session.texts;
	const [full] = await report.measure([Coalition.full(report.players)], { phase: "figures", signal: options.signal });
	return full!;
}

/**
 * Writes the pruned model quantised, measured as written on the report fold. The session is closed before: one model is in memory at a
 * time.
 * @param expected what the session's own weights compute without these blocks
 * @param check looks at the file before it gets its name; what it throws keeps it from that
 */
export async function deliverQuantized(
	session: Session,
	output: string,
	removed: readonly number[],
	type: FileType,
	expected: Expectation,
	original: Weights | undefined,
	options: PruneJob & Pick<WriteOptions, "onVerified">,
	check?: (file: WrittenCandidate) => Promise<void>,
): Promise<{ output: WrittenFile; quantized: Quantized }> {
	const source = weightsOf(session);
	const full = await wholeOn(session, options);
	const { report } = session.calibration.folds;
	const reference = await new References<"report">(source, { report }, options, session).of("report");
	await session.close();
	const job = {
		...{ type, removed, full, reference, windows: report, sources: full.sources, threads: session.evaluator.threads },
		...{ weights: original ?? source, original: original !== undefined, inputs: source.file.paths },
		...{ expected: original ? undefined : expected, exact: expected.exact },
		check: check && ((path: string, measured: Measured, bytes: number) => check({ path, measured, whole: full, bytes })),
	};
	return session.timed("write", () => writeQuantized(job, output, options));
}

/** Of all that decides what the healed matrices are. */
function healedKey({ sha256, seed, settings }: Session, { section: { seconds: _, ...section } }: Healing): string {
	return hashOf([sha256, seed, settings, section]);
}

/**
 * Where it is asked for: the whole model quantised to the size of the pruned one, beside it. The pruned model is delivered by then, so
 * that a failure is a warning.
 * @param output the written file
 * @param healing of the pruned model, where it was healed
 */
export async function alternativesIfAsked(
	session: Session,
	removed: readonly number[],
	output: string | undefined,
	original: Weights | undefined,
	healing: Healing | undefined,
	options: PruneJob,
): Promise<QuantizedAlternatives | undefined> {
	if (!options.quantizedAlternatives) return undefined;
	const { sources } = await wholeOn(session, options);
	const { folder, settings, calibration } = session;
	const written = options.quantize === undefined ? undefined : output;
	const healed = healing?.section.applied ? { key: healedKey(session, healing), tensors: healing.tensors } : undefined;
	const windows = calibration.folds.report;
	const job = { source: weightsOf(session), original, removed, written, healed, sources, windows, folder, settings };
	try {
		return await session.timed("quantised alternatives", () => compareQuantized(job, options));
	} catch (error) {
		options.signal?.throwIfAborted();
		if (!(error instanceof PruneGgufError)) throw error;
		logger(options)("warning", `the quantised alternatives were not measured: ${error.message}`);
		return undefined;
	}
}
