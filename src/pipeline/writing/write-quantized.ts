// A pruned model written, proven, quantized, and measured as it was written.
import { basename } from "node:path";
import type { JobOptions, MachineOptions, WrittenFile } from "../../api/index.js";
import { VerificationError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import type { SourceShare } from "../../game/sources.js";
import { GgufFile, writtenSize } from "../../model/gguf/index.js";
import { bytesToWrite, type Header } from "../preflight/model-header.js";
import { figuresOf, type Measured } from "../session/paired-figures.js";
import { measureBeyondSliding } from "./zeroed-oracle.js";
import type { ModelWeights } from "./quantize-weights.js";
import type { Evaluation } from "../../model/runtime/evaluator.js";
import { predictedBytes } from "../../model/runtime/file-types.js";
import { loadAsRead, loadModel } from "../../model/runtime/load-model.js";
import type { Reference } from "../../model/runtime/positions.js";
import { type FileType, quantizeFile } from "../../model/runtime/quantize.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { writeAtomically, writeTemporarily } from "../../storage/atomic-file.js";
import type { Quantized } from "../../storage/plan-quantized.js";
import { checkHeader, type Expectation, preparePruned, sizesOf, type WritingOptions } from "./write-pruned.js";

/** What to write, and what to hold it against. */
export interface QuantizeJob {
	readonly type: FileType;
	/** Whose weights are written: the source's, or the original's. */
	readonly weights: ModelWeights;
	/** Whether they are another file's than the source's. */
	readonly original: boolean;
	/** Further files that are read: the output never replaces one. */
	readonly inputs: readonly string[];
	readonly removed: readonly number[];
	/** What the pruned weights compute through the layer view; measured where it is not known. */
	readonly expected?: Expectation | undefined;
	readonly windows: TokenWindows;
	readonly sources?: readonly SourceShare[] | undefined;
	/** The whole source on these windows, and its distributions where they fit memory. */
	readonly full: Measured;
	readonly reference?: Reference | undefined;
	readonly threads: number;
	/** Looks at the quantized file and what was measured of it before it gets its name; what it throws keeps it from that. */
	readonly check?: ((path: string, measured: Measured, bytes: number) => Promise<void>) | undefined;
}

/** Bytes that must be free: for the pruned model before it is quantized, and for the quantized one beside it. */
export function bytesToQuantize(header: Header, removed: number | readonly number[], type: FileType): number {
	const pruned = bytesToWrite(header, removed);
	// Where a removal is proven on the user's file the room for that is the original model's, and is free again.
	return Math.ceil(pruned + predictedBytes(header.file, type) * Math.min(1, pruned / header.file.size));
}

/**
 * Writes the pruned model beside the output and verifies it as {@link preparePruned} says; quantizes it with llama.cpp's quantizer;
 * measures what that wrote, and puts it under its name. Nothing else is left, whatever happens.
 * @throws the errors of writing, VerificationError where the quantized model has no finite loss, QuantizeError
 */
export async function writeQuantized(
	job: QuantizeJob,
	output: string,
	options: WritingOptions,
): Promise<{ output: WrittenFile; quantized: Quantized }> {
	const { weights, removed, type } = job;
	const expected = job.expected ?? (await expectationOf(job, options));
	const prepared = await preparePruned({ ...weights, removed, expected }, output, options);
	const bytes = predictedBytes(weights.file, type, prepared.content);
	const stop = options.signal ? { signal: options.signal } : {};
	let verification = "";
	let made: { output: WrittenFile; quantized: Quantized } | undefined;
	await writeTemporarily(output, { expectedBytes: writtenSize(prepared.content) + bytes, ...stop }, prepared.write, async (pruned) => {
		verification = (await prepared.check(pruned)).verification;
		await writeAtomically(
			output,
			{
				overwrite: options.overwrite ?? false,
				inputs: [...weights.file.paths, ...job.inputs],
				expectedBytes: bytes,
				...stop,
				verify: async (temporary) => {
					const file = await GgufFile.read(temporary);
					checkHeader(weights.file, removed, file, { quantized: true });
					const measured = measuredOf(await measureQuantized(temporary, job, options));
					await job.check?.(temporary, measured, sizesOf(file).size);
					made = describe(job, output, { file, measured, verification });
					await options.onVerified?.(temporary, made);
				},
			},
			(_handle, temporary) =>
				quantizeFile(pruned, temporary, type, {
					threads: job.threads,
					...stop,
					onProgress: (done, total) =>
						options.progress?.work({ phase: `quantizing to ${type}`, done: Math.round((100 * done) / total), total: 100, unit: "percent" }),
				}),
		);
	});
	return made!;
}

/** @param found the quantized file, what was measured of it, and the verification of the pruned file that was quantized */
function describe(
	{ type, weights, original, full, sources }: QuantizeJob,
	output: string,
	{ file, measured, verification }: { readonly file: GgufFile; readonly measured: Measured; readonly verification: string },
): { output: WrittenFile; quantized: Quantized } {
	const sizes = sizesOf(file);
	const said = `before it was quantized to ${type}: ${verification}; the quantized file was loaded and measured`;
	return {
		output: { path: output, ...sizes, verification: said },
		quantized: {
			type,
			...(original ? { from: { name: basename(weights.path), sha256: weights.sha256 } } : {}),
			bytes: sizes.size,
			...figuresOf(measured, full, sources),
		},
	};
}

/** What the pruned weights compute through the layer view. */
async function expectationOf({ weights, removed, windows, threads }: QuantizeJob, options: WritingOptions): Promise<Expectation> {
	const model = await loadAsRead(weights, { ...options, threads }, { windows: windows.count, windowLength: windows.length });
	try {
		const evaluator = model.createEvaluator();
		const mask = Coalition.ofRemoved(weights.blocks.blocks, removed);
		const [evaluation] = await evaluator.evaluate([mask], windows, { signal: options.signal });
		const long = await measureBeyondSliding({ model, evaluator }, removed, windows, options);
		return { windows, losses: evaluation!.losses, long, threads, ubatch: evaluator.ubatch, placement: model.placement };
	} finally {
		await model.dispose();
	}
}

async function measureQuantized(path: string, job: QuantizeJob, options: WritingOptions): Promise<Evaluation> {
	const evaluation = await measureFile(path, job, "measuring the quantized file", options);
	if (evaluation.losses.some(Number.isFinite)) return evaluation;
	throw new VerificationError(
		`the model quantized to ${job.type} gives no finite loss, and was not kept: take a type with more bits, or remove fewer blocks.`,
	);
}

/** Losses of a file on windows, beside a reference. */
export async function measureFile(
	path: string,
	{ windows, reference, threads }: Pick<QuantizeJob, "windows" | "reference" | "threads">,
	phase: string,
	options: JobOptions & MachineOptions & { allowUnknownArchitecture?: boolean | undefined },
): Promise<Evaluation> {
	const model = await loadModel(path, { ...options, threads }, { windows: windows.count, windowLength: windows.length });
	try {
		options.progress?.work({ phase, done: 0, total: 0, unit: "percent" });
		const full = Coalition.full(model.facts.blocks);
		const [evaluation] = await model.createEvaluator().evaluate([full], windows, { reference, signal: options.signal });
		return evaluation!;
	} finally {
		await model.dispose();
	}
}

export function measuredOf({ losses, divergences, agreements }: Evaluation): Measured {
	return divergences && agreements ? { losses, figures: { divergence: divergences, agreement: agreements } } : { losses };
}
