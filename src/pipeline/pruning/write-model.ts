// The one way from a chosen set to a written file, healed and quantized where that is asked for.
import type { WrittenFile } from "../../api/index.js";
import type { HealedTensor } from "../../model/fitting/tensors.js";
import { whileHealed } from "../../model/fitting/standing.js";
import type { PlanLimits } from "../../storage/plan-limits.js";
import type { Quantized } from "../../storage/plan-quantized.js";
import type { GateCheck, GateSettings } from "../gate/verdict.js";
import { type FileCheck, fileCheck } from "../gate/written-file.js";
import type { Healing } from "../healing/heal-model.js";
import { bytesToHeal } from "../preflight/heal-disk.js";
import { bytesToWrite, type Header } from "../preflight/model-header.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { type Expectation, writePruned } from "../writing/write-pruned.js";
import { bytesToQuantize, type QuantizeJob, writeQuantized } from "../writing/write-quantized.js";
import { measureBeyondSliding } from "../writing/zeroed-oracle.js";
import { type OpenSource, timedStep } from "./source.js";
import type { HealSettings, MachineSettings, OverwriteSettings, QuantizeSettings, UnknownSettings } from "../../api/options/settings.js";

/** What is written, on which machine, and which limits it must keep. */
export type WriteSettings = GateSettings & QuantizeSettings & MachineSettings & UnknownSettings & OverwriteSettings;

/** A model that was written. */
export interface Written {
	readonly output: WrittenFile;
	readonly quantized?: Quantized;
	/** Limits of the file, if it was quantized and limits were given. */
	readonly limits?: PlanLimits | undefined;
}

/** What is written, and what is asked of it. */
export interface WriteJob {
	readonly output: string;
	readonly removed: readonly number[];
	/** Whose weights are quantized, where they are not the source's. */
	readonly original?: ModelWeights | undefined;
	/** Files that were read: the output never replaces one. @default the source's */
	readonly inputs?: readonly string[] | undefined;
	readonly check?: GateCheck | undefined;
	/** New matrices, which are written in the place of the file's own. */
	readonly healing?: Healing | undefined;
	/** What the limits said of the set before it was written. */
	readonly judged?: PlanLimits | undefined;
	/** Called with the verified file before it gets its name. */
	readonly onVerified?: ((temporary: string, made: Written) => Promise<void>) | undefined;
}

/**
 * Bytes that must be free to write the model without blocks, as {@link bytesToWrite} says, healed and quantized where that is asked
 * for.
 */
export function bytesToDeliver(header: Header, removed: number | readonly number[], options: HealSettings & QuantizeSettings): number {
	const { quantize } = options;
	const written = quantize === undefined ? bytesToWrite(header, removed) : bytesToQuantize(header, removed, quantize);
	return written + bytesToHeal(header, removed, options);
}

/** Writes the model and proves it. The source is closed for that: one model is in memory at a time. */
export async function writeModel(source: OpenSource, job: WriteJob, options: WriteSettings): Promise<Written> {
	const { weights } = source;
	const { output, removed, onVerified } = job;
	const tensors = job.healing?.tensors ?? [];
	const expected = await whileHealed(source.model, tensors, () => expectationOf(source, removed, tensors, options));
	if (options.quantize === undefined) {
		await source.close();
		const write = () => writePruned({ ...weights, removed, expected }, output, { ...options, onVerified });
		return { output: await timedStep(source, "write", write) };
	}
	const asked = await fileCheck(job.check, removed, options, tensors.length > 0 ? job.judged?.figures : undefined);
	const quantizing = await quantizingOf(source, { ...job, type: options.quantize, expected, asked });
	await source.close();
	const withGate = onVerified && ((temporary: string, made: Written) => onVerified(temporary, { ...made, limits: asked?.verdict() }));
	const write = () => writeQuantized(quantizing, output, { ...options, onVerified: withGate });
	return { ...(await timedStep(source, "write", write)), limits: asked?.verdict() };
}

/** What is quantized, and what it is held against. @param asked looks at the file before it gets its name; what it throws keeps it from that */
async function quantizingOf(
	source: OpenSource,
	job: WriteJob & { readonly type: QuantizeJob["type"]; readonly expected: Expectation; readonly asked: FileCheck | undefined },
): Promise<QuantizeJob> {
	const { removed, original, type, expected, asked } = job;
	const { weights, windows, evaluator } = source;
	const { full, reference } = await source.whole();
	return {
		...{ type, removed, windows, full, reference, sources: full.sources, threads: evaluator.threads },
		...{ weights: original ?? weights, original: original !== undefined, inputs: job.inputs ?? weights.file.paths },
		expected: original ? undefined : expected,
		check: asked && ((path, measured, bytes) => asked.check({ path, measured, whole: full, bytes })),
	};
}

/** What the written file must compute. @param tensors new matrices, which stand in the model */
async function expectationOf(
	source: OpenSource,
	removed: readonly number[],
	tensors: readonly HealedTensor[],
	options: WriteSettings,
): Promise<Expectation> {
	const { windows, placement, evaluator } = source;
	const { threads, ubatch } = evaluator;
	return {
		...{ windows, healed: tensors.length > 0 ? tensors : undefined },
		losses: await source.losses(removed, tensors.length > 0),
		long: await measureBeyondSliding(source, removed, windows, options),
		...{ threads, ubatch, placement },
	};
}
