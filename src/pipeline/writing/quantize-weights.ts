// The weights to quantize: the source's own, or those of the same model before it was quantized.
import { basename } from "node:path";
import type { JobOptions } from "../../api/index.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { InvalidOptionError } from "../../errors.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { asksToHeal } from "../preflight/heal-options.js";
import { type ModelHeaderOptions, ReadOnce } from "../preflight/model-header.js";
import { readTensor } from "../../model/fitting/tensors.js";
import { logger } from "../../api/logger.js";
import { isQuantized } from "../../model/runtime/file-types.js";
import { checkByTrial } from "../../model/runtime/load-model.js";
import { type FileType, fileTypeNames } from "../../model/runtime/file-type-names.js";
import type { HealSettings } from "../../api/options/settings.js";
import { modelIdentity } from "../session/session.js";
import { shownText } from "../../storage/shown-text.js";

/** A model whose weights can be quantized. */
export interface ModelWeights {
	readonly path: string;
	readonly file: GgufFile;
	readonly blocks: BlockPlan;
	readonly sha256: string;
}

/** What may be asked of the quantizer. */
export interface QuantizeChoice {
	/** Type of the file to write, as llama.cpp names it. */
	readonly quantize?: FileType | undefined;
	readonly quantizeFrom?: string | undefined;
	readonly quantizedAlternatives?: boolean | undefined;
}

/**
 * Refuses options that contradict one another, before anything is read.
 * @param curve whether nothing says how much to remove
 * @throws InvalidOptionError
 */
export function checkQuantizing(
	{ quantize, quantizeFrom, quantizedAlternatives = false }: QuantizeChoice,
	output: string | undefined,
	curve = false,
): void {
	if (curve && quantizedAlternatives) {
		throw new InvalidOptionError(
			"--quantized-alternatives compares one pruned model: say how much to remove with --remove-blocks, --remove or a limit",
		);
	}
	if (quantize !== undefined) {
		checkFileType(quantize);
		if (output === undefined) throw new InvalidOptionError("--quantize writes a model: name an output");
	}
	if (quantizeFrom !== undefined && quantize === undefined && !quantizedAlternatives)
		throw new InvalidOptionError(
			"--quantize-from says whose weights are quantized: give --quantize TYPE or --quantized-alternatives with it",
		);
}

/**
 * The original whose weights are quantized, where one is named; warns where weights are quantized twice.
 * @param read its header, where that is at hand
 */
export async function originalOf(
	{ quantize, quantizeFrom, ...options }: QuantizeChoice & HealSettings & ModelHeaderOptions & JobOptions,
	source: Pick<ModelWeights, "path" | "file">,
	read?: ReadOnce,
): Promise<ModelWeights | undefined> {
	if (quantizeFrom !== undefined) return openOriginal(quantizeFrom, source, options, read);
	if (quantize !== undefined) warnTwice(source, options);
	return undefined;
}

/** @throws InvalidOptionError for a type that llama.cpp's quantizer does not write, or not without an importance matrix */
export function checkFileType(type: string): asserts type is FileType {
	if (type === "Q2_K_S") throw new InvalidOptionError("Q2_K_S needs an importance matrix, which prune-gguf does not read: take Q2_K");
	if (!fileTypeNames.some((name) => name === type))
		throw new InvalidOptionError(`there is no type ${type} to quantize to; known are ${fileTypeNames.join(", ")}`);
}

/**
 * Opens the original whose weights are quantized in place of the source's.
 * @param read its header, where that is at hand
 * @throws InvalidOptionError where it is quantized itself, or is another model than the source
 * @throws InvalidGgufError, ModelLoadError where llama.cpp cannot load it or run it
 */
export async function openOriginal(
	path: string,
	source: Pick<ModelWeights, "path" | "file">,
	options: ModelHeaderOptions & JobOptions,
	read: ReadOnce = new ReadOnce(path, options),
): Promise<ModelWeights> {
	const { file, blocks } = (await read.header())!;
	const advice = "give the F16, BF16 or F32 file that the model was quantized from";
	if (isQuantized(file)) throw new InvalidOptionError(`--quantize-from ${path} is quantized itself: ${advice}`);
	const difference = modelDifference(source.file, file);
	if (difference) throw new InvalidOptionError(`--quantize-from ${path} is not the model ${source.path}: ${difference}; ${advice}`);
	await checkByTrial(file, blocks, options);
	const other = await otherNorm(source.file, file);
	if (other) {
		logger(options)(
			"warning",
			`${path} has other values in ${other} than ${source.path}, though neither is quantized there: it may be another training of the model`,
		);
	}
	return { path, file, blocks, sha256: await modelIdentity(file, options) };
}

/** By what two headers are of different models; undefined where they are of one. */
function modelDifference(source: GgufFile, other: GgufFile): string | undefined {
	const architecture = source.architecture;
	if (other.architecture !== architecture) return `its architecture is ${shownText(other.architecture)}, not ${shownText(architecture)}`;
	const blocks = `${architecture}.block_count`;
	if (other.number(blocks) !== source.number(blocks)) return `it has ${other.number(blocks)} blocks, not ${source.number(blocks)}`;
	if (!sameBytes(source.entry("tokenizer.ggml.tokens")?.raw, other.entry("tokenizer.ggml.tokens")?.raw)) return "its vocabulary is another";
	for (const { name, dims } of source.tensors) {
		const tensor = other.tensor(name);
		if (!tensor) return `it has no tensor ${shownText(name)}`;
		if (tensor.dims.join() !== dims.join()) return `its ${shownText(name)} is ${tensor.dims.join(" x ")}, not ${dims.join(" x ")}`;
	}
	const more = other.tensors.find(({ name }) => !source.tensor(name));
	return more && `it has a tensor ${shownText(more.name)} more`;
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined) => Buffer.from(a ?? []).equals(Buffer.from(b ?? []));

/** Norms are rarely quantized: of the same training they are the same bytes. A few are looked at. */
async function otherNorm(source: GgufFile, other: GgufFile): Promise<string | undefined> {
	const vectors = source.tensors.filter(({ name, dims, type }) => dims.length === 1 && type === 0 && other.tensor(name)?.type === 0);
	for (const tensor of vectors.slice(0, 8)) {
		if (!sameBytes(await readTensor(tensor), await readTensor(other.tensor(tensor.name)!))) return tensor.name;
	}
	return undefined;
}

/** Says that quantizing twice loses more than quantizing once. What is healed are the model's own weights: no other ones can be given then. */
export function warnTwice({ path, file }: Pick<ModelWeights, "path" | "file">, options: HealSettings & JobOptions): void {
	if (!isQuantized(file)) return;
	const instead = asksToHeal(options)
		? "Prune the original file (F16, BF16 or F32) instead if you have it."
		: "Give the original's weights with --quantize-from FILE where you have them.";
	logger(options)(
		"warning",
		`${basename(path)} is quantized already: quantizing it again loses more than quantizing the original once. ${instead}`,
	);
}
