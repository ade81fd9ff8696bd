import type { JobOptions, MachineOptions, WrittenFile } from "./api.js";
import { removeBlocks } from "./architectures/index.js";
import { VerificationError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { type GgufFile, GgufFile as Gguf, writeGguf, writtenSize } from "./gguf/index.js";
import { Model } from "./runtime/model.js";
import { packageVersion } from "./runtime/paths.js";
import type { TokenWindows } from "./runtime/windows.js";
import { writeAtomically } from "./storage/atomic-file.js";

/** What the written file must compute. */
export interface Expectation {
	windows: TokenWindows;
	/** Loss of each window, measured in memory through the layer view. */
	losses: Float64Array;
	/** Threads that the losses were measured with. */
	threads: number;
	/** Whether every bit must agree (a CPU), or a difference of rounding is allowed (a graphics device). */
	exact: boolean;
}

/** Nats a token by which a graphics device may differ: its kernels are chosen by shape. */
const deviceTolerance = 1e-3;

/**
 * Writes the model without blocks, loads what was written, and lets it appear under its name only if it computes what was
 * measured.
 * @throws OutputExistsError, NoSpaceError, FileError, VerificationError
 */
export async function writePruned(
	file: GgufFile,
	output: string,
	removed: readonly number[],
	sha256: string,
	expected: Expectation,
	options: JobOptions & MachineOptions & { overwrite?: boolean | undefined },
): Promise<WrittenFile> {
	const content = removeBlocks(file, removed, { version: packageVersion, sourceSha256: sha256 });
	let written: Omit<WrittenFile, "path"> | undefined;
	await writeAtomically(
		output,
		{
			overwrite: options.overwrite ?? false,
			inputs: file.paths,
			expectedBytes: writtenSize(content),
			...(options.signal ? { signal: options.signal } : {}),
			verify: async (temporary) => {
				written = await verify(temporary, expected, options);
			},
		},
		(handle) =>
			writeGguf(handle, content, {
				...(options.signal ? { signal: options.signal } : {}),
				onProgress: (done, total) => options.onProgress?.({ phase: `writing ${output}`, done, total, unit: "bytes" }),
			}),
	);
	return { path: output, ...written! };
}

async function verify(path: string, expected: Expectation, options: JobOptions & MachineOptions): Promise<Omit<WrittenFile, "path">> {
	options.onProgress?.({ phase: "verifying the written file", done: 0, total: 1, unit: "masks" });
	const model = await Model.load(path, { threads: expected.threads, gpuLayers: options.gpuLayers, signal: options.signal });
	try {
		const { size } = await Gguf.read(path);
		const [evaluation] = await model
			.createEvaluator()
			.evaluate([Coalition.full(model.facts.blocks)], expected.windows, { signal: options.signal });
		if (!evaluation!.losses.some(Number.isFinite)) {
			throw new VerificationError(
				"the written file gives no finite loss, and neither did the measurement in memory: nothing could be verified, and it was not kept. Remove fewer blocks.",
			);
		}
		const worst = largestDifference(evaluation!.losses, expected.losses);
		if (expected.exact ? worst !== 0 : !(worst <= deviceTolerance)) {
			throw new VerificationError(
				`the written file does not compute what was measured: its loss differs by up to ${worst} nats a token on ${expected.windows.count} windows. ` +
					"It was not kept. This is a fault of prune-gguf: please report it with the model's name.",
			);
		}
		options.onProgress?.({ phase: "verifying the written file", done: 1, total: 1, unit: "masks" });
		const tokens = expected.windows.count * (expected.windows.length - 1);
		const verification = expected.exact
			? `loaded by llama.cpp, computes bit for bit what was measured (${tokens} tokens scored)`
			: `loaded by llama.cpp, computes what was measured to within ${worst.toExponential(1)} nats a token (${tokens} tokens)`;
		return { size, parameters: model.facts.parameters, verification };
	} finally {
		await model.dispose();
	}
}

/** Largest difference of two lists of losses; two that are not finite agree. */
function largestDifference(a: Float64Array, b: Float64Array): number {
	let worst = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
	a.forEach((value, i) => {
		const other = b[i]!;
		if (Object.is(value, other) || (!Number.isFinite(value) && !Number.isFinite(other))) return;
		const difference = Math.abs(value - other);
		worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
	});
	return worst;
}
