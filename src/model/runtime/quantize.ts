import { rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { InvalidOptionError, NoSpaceError, QuantizeError } from "../../errors.js";
import { refuseInputs } from "../../storage/atomic-file.js";
import { GgufFile } from "../gguf/file.js";
import { loadAddon } from "./load-addon.js";
import { runNative } from "./cancel.js";
import { type FileType, fileTypes } from "./file-type-names.js";
import { predictedBytes } from "./file-types.js";
import { defaultThreads } from "./threads.js";

export { type FileType, fileTypes };

export interface QuantizeOptions {
	/** Threads to convert with, 1 to 512. @default the physical cores */
	threads?: number | undefined;
	/** Give every matrix that type, without the mixture of types that llama.cpp uses for some file types. @default false */
	pure?: boolean | undefined;
	/** Stops between two tensors; the unfinished output is deleted. */
	signal?: AbortSignal | undefined;
	/** Called with tensors done and in total. */
	onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Writes a model with weights of another type, with llama.cpp's own quantizer (llama_model_quantize). Weights that are already quantized
 * are dequantized first, which loses quality a second time. An existing output is replaced.
 * @throws InvalidOptionError for an unknown type, OutputExistsError if the output is the input, NoSpaceError if the disk fills up,
 * QuantizeError, or `signal.reason`
 */
export async function quantizeFile(input: string, output: string, type: FileType, options: QuantizeOptions = {}): Promise<void> {
	const fileType = fileTypes[type];
	if (fileType === undefined) throw new InvalidOptionError(`unknown type ${type}; known are ${Object.keys(fileTypes).join(", ")}`);
	await refuseInputs(output, [input]);
	const addon = await loadAddon(options.signal ? { signal: options.signal } : {});
	try {
		await runNative(addon, options.signal, (cancel, guard) =>
			addon.quantize(
				input,
				output,
				{ fileType, threads: options.threads ?? defaultThreads(), pure: options.pure ?? false },
				cancel,
				guard((done, total) => options.onProgress?.(done, total)),
			),
		);
		// A small model may be finished before the signal reaches the quantizer.
		options.signal?.throwIfAborted();
		await checkWhole(output);
	} catch (error) {
		const full = error instanceof QuantizeError ? await fullDisk({ input, output, type }, error).catch(() => undefined) : undefined;
		await rm(output, { force: true });
		throw full ?? error;
	}
}

/** What llama.cpp fills each tensor up to (llama-quant.cpp), bytes. */
const PADDING = 32;

/**
 * llama.cpp does not notice every write that fails: built with LLVM's C++ library it took a full disk for success.
 * @throws QuantizeError if the file does not end where its header says
 */
async function checkWhole(output: string): Promise<void> {
	const { tensors, size } = await GgufFile.read(output).catch((cause: unknown) => {
		throw new QuantizeError(`only a part of ${output} could be written`, { cause });
	});
	const end = tensors.reduce((most, { source }) => Math.max(most, source.offset + Math.ceil(source.size / PADDING) * PADDING), 0);
	if (size !== end) throw new QuantizeError(`only a part of ${output} could be written: it has ${size} bytes, and its header says ${end}`);
}

/** The error of a disk that lacks what is missing of the output; undefined if it has that. llama.cpp says "iostream error" of both. */
async function fullDisk(
	{ input, output, type }: { readonly input: string; readonly output: string; readonly type: FileType },
	cause: QuantizeError,
): Promise<NoSpaceError | undefined> {
	const written = (await stat(output)).size;
	const folder = dirname(output);
	const { bavail, bsize } = await statfs(folder);
	const [missing, free] = [predictedBytes(await GgufFile.read(input), type) - written, bavail * bsize];
	if (free >= missing) return undefined;
	const [needs, has] = [missing, free].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`);
	return new NoSpaceError(
		`quantizing to ${type} needs ${needs} more, but ${folder} has ${has} free: the disk is full, make room or choose another disk`,
		{ cause },
	);
}
