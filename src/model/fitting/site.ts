import type { BlockPlan } from "../architectures/types.js";
import type { GgufFile } from "../gguf/file.js";
import type { GgufTensor } from "../gguf/types.js";
import type { Model } from "../runtime/model.js";
import { type BlockRun, dequantizeBytes, outputPath, type RmsNorm } from "../runtime/states.js";
import type { Place } from "./cuts.js";
import { readTensor } from "./tensors.js";

/** A matrix through which a block adds to the residual stream. */
export interface Site {
	readonly tensor: GgufTensor;
	/** Factor of the matrix's product before it is added. */
	readonly scale: number;
	/** An RMS norm between the matrix and the residual stream, if there is one. */
	readonly normTensor?: GgufTensor | undefined;
	readonly norm?: RmsNorm | undefined;
}

/** Matrices that can absorb a change, after `blk.N.`, best first: the last one before the next block sees the most. */
const matrices = ["ffn_down", "ffn_down_shexp", "channel_mix_value", "ssm_out", "time_mix_output", "shortconv.out_proj", "attn_output"];
/** Norms between a matrix and the residual stream. */
const norms: Readonly<Record<string, string>> = { ffn_down: "post_ffw_norm", attn_output: "post_attention_norm" };
/** If it is not the file's (src/models of llama.cpp, as of its pin). */
const ownEpsilons: Readonly<Record<string, number>> = { "muse-glimmer": 1e-8 };
/** Largest share of a matrix's effect that may be something other than its added product. */
const mostUnexplained = 1e-3;

/**
 * The matrix of a place whose product is added to the residual stream directly, times a number, or through an RMS norm. It is found by
 * running the blocks with the matrix and with zeros in its place. Otherwise the reason why there is none.
 * @param run a few windows; `kept` up to the place at least
 */
export async function findSite(model: Model, place: Pick<Place, "block" | "part" | "after">, run: BlockRun): Promise<Site | string> {
	const { block, after } = place;
	const tried: string[] = [];
	for (const { matrix, tensor } of matricesOf(model, place, model.facts.width)) {
		const normTensor = normAfter(model.file, tensor, matrix);
		const norm = normTensor && (await normOf(model, normTensor));
		for (const through of norm ? [norm, undefined] : [undefined]) {
			const { scale, unexplained } = await outputPath(model, run, { weight: tensor.name, after, norm: through });
			if (unexplained <= mostUnexplained && Math.abs(scale) > 1e-6)
				return { tensor, scale, ...(through ? { norm: through, normTensor } : {}) };
		}
		tried.push(tensor.name);
	}
	const what = place.part ? `the ${place.part} part of block ${block}` : `block ${block}`;
	if (tried.length === 0) return `${what} has no matrix whose product goes to the residual stream (${matrices.join(", ")})`;
	return `the product of ${tried.join(" and ")} of block ${block} is not added to the residual stream unchanged`;
}

async function normOf(model: Model, tensor: GgufTensor): Promise<RmsNorm> {
	const weights = await dequantizeBytes(model, await readTensor(tensor), { type: tensor.type, rowLength: tensor.dims[0]! });
	const { architecture } = model.file;
	return { weights, epsilon: ownEpsilons[architecture] ?? model.file.number(`${architecture}.attention.layer_norm_rms_epsilon`) ?? 1e-6 };
}

/** The norm that a matrix's product goes through before it is added to the residual stream, if there is one. */
function normAfter(file: GgufFile, { name }: GgufTensor, matrix: string): GgufTensor | undefined {
	const norm = norms[matrix];
	return norm === undefined ? undefined : file.tensor(name.replace(`.${matrix}.`, `.${norm}.`));
}

/**
 * The matrices among the outputs of a block, or of a part of it, that could absorb a change, best first; only running it shows whether
 * they can.
 * @param width of the residual stream
 */
export function matricesOf(
	{ file, blocks: { view } }: { readonly file: GgufFile; readonly blocks: Pick<BlockPlan, "view"> },
	{ block, part }: Pick<Place, "block" | "part">,
	width: number,
): { matrix: string; tensor: GgufTensor }[] {
	const fed = new Set(part && view.feedForward(block));
	const outputs = view.outputs(block).filter((name) => part === undefined || fed.has(name) === (part === "feed-forward"));
	return matrices.flatMap((matrix) => {
		const name = outputs.find((output) => output.endsWith(`.${matrix}.weight`));
		const tensor = name === undefined ? undefined : file.tensor(name);
		return tensor?.dims.length === 2 && tensor.dims[1] === width ? [{ matrix, tensor }] : [];
	});
}
