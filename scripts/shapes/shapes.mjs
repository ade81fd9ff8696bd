// The shapes of real models: their hyperparameters, and the tensors that follow from them.

/**
 * Each figure is that of the model's own config.json; the address is a public copy of it that was read on 2026-11-27.
 * - 1b: huggingface.co/Emm9625/Llama-3.2-1B-chatml (a copy of meta-llama/Llama-3.2-1B by way of unsloth)
 * - 3b: huggingface.co/mlx-community/Llama-3.2-3B-bf16
 * - 8b: huggingface.co/NbAiLab/nb-llama-3.1-8B (of meta-llama/Llama-3.1-8B)
 * - 7b: microsoft/Olive, examples/llm/config.py (of meta-llama/Llama-2-7b-chat-hf); only computed with, never made
 * - 70b: huggingface.co/PatronusAI/Llama-3-Patronus-Lynx-70B-Instruct; only computed with, never made
 * - 8x7b: huggingface.co/YeungNLP/firefly-mixtral-8x7b (of mistralai/Mixtral-8x7B-v0.1); only computed with, never made
 * `tiny` is for tests.
 */
export const shapes = {
	tiny: {
		name: "tiny-random",
		...{ blocks: 4, width: 256, heads: 4, kvHeads: 2, headSize: 64, feedForward: 512, vocabulary: 1280 },
		...{ tied: true, context: 512, ropeBase: 500_000, ropeFactor: 32, epsilon: 1e-5 },
	},
	"1b": {
		name: "Llama-3.2-1B-shape",
		...{ blocks: 16, width: 2048, heads: 32, kvHeads: 8, headSize: 64, feedForward: 8192, vocabulary: 128_256 },
		...{ tied: true, context: 131_072, ropeBase: 500_000, ropeFactor: 32, epsilon: 1e-5 },
	},
	"3b": {
		name: "Llama-3.2-3B-shape",
		...{ blocks: 28, width: 3072, heads: 24, kvHeads: 8, headSize: 128, feedForward: 8192, vocabulary: 128_256 },
		...{ tied: true, context: 131_072, ropeBase: 500_000, ropeFactor: 32, epsilon: 1e-5 },
	},
	"7b": {
		name: "Llama-2-7B-shape",
		...{ blocks: 32, width: 4096, heads: 32, kvHeads: 32, headSize: 128, feedForward: 11_008, vocabulary: 32_000 },
		...{ tied: false, context: 4096, ropeBase: 10_000, epsilon: 1e-5 },
	},
	"8b": {
		name: "Llama-3.1-8B-shape",
		...{ blocks: 32, width: 4096, heads: 32, kvHeads: 8, headSize: 128, feedForward: 14_336, vocabulary: 128_256 },
		...{ tied: false, context: 131_072, ropeBase: 500_000, ropeFactor: 8, epsilon: 1e-5 },
	},
	"70b": {
		name: "Llama-3-70B-shape",
		...{ blocks: 80, width: 8192, heads: 64, kvHeads: 8, headSize: 128, feedForward: 28_672, vocabulary: 128_256 },
		...{ tied: false, context: 131_072, ropeBase: 500_000, ropeFactor: 8, epsilon: 1e-5 },
	},
	"8x7b": {
		name: "Mixtral-8x7B-shape",
		...{ blocks: 32, width: 4096, heads: 32, kvHeads: 8, headSize: 128, feedForward: 14_336, vocabulary: 32_000 },
		...{ tied: false, context: 32_768, ropeBase: 1_000_000, epsilon: 1e-5, experts: 8, activeExperts: 2 },
	},
};

/** Shapes that a file can be made of: dense, and small enough for a disk. */
export const madeShapes = ["1b", "3b", "8b"];

/** ggml type id, elements and bytes of a quantized block, by the name of the type. */
export const types = {
	F32: { id: 0, elements: 1, bytes: 4 },
	Q4_0: { id: 2, elements: 32, bytes: 18 },
	Q8_0: { id: 8, elements: 32, bytes: 34 },
	Q6_K: { id: 14, elements: 256, bytes: 210 },
};

/** What `general.file_type` says: llama.cpp's LLAMA_FTYPE_MOSTLY_*. */
export const fileTypes = { Q4_0: 2, Q8_0: 7 };

export const bytesOf = ({ dims, type }) => (dims.reduce((product, dim) => product * dim, 1) / types[type].elements) * types[type].bytes;
export const elementsOf = ({ dims }) => dims.reduce((product, dim) => product * dim, 1);

/**
 * The tensors of a model in their order, the largest dimension last. The matrix that gives the logits is Q6_K in a Q4_0 file, as
 * llama-quantize has it; where the embeddings are tied that is the embeddings' own. `deviation` is that of the weights.
 */
export function tensorsOf(shape, type) {
	const { blocks, width, heads, kvHeads, headSize, feedForward, vocabulary, tied, experts = 1 } = shape;
	const headType = type === "Q4_0" ? "Q6_K" : type;
	const matrix = (name, columns, rows, more = {}) => ({ name, dims: [columns, rows], type, deviation: 1 / Math.sqrt(columns), ...more });
	const norm = (name) => ({ name, dims: [width], type: "F32", value: 1 });
	// What a block adds to its input: small enough that the sum over all blocks is as large as a normalized input.
	const added = (columns) => 1 / Math.sqrt(columns) / Math.sqrt(2 * blocks);
	const logits = { type: headType, deviation: logitDeviation / Math.sqrt(width) };
	const many = (matrix) =>
		experts > 1 ? { ...matrix, name: matrix.name.replace(".weight", "_exps.weight"), dims: [...matrix.dims, experts] } : matrix;
	const block = (i) => [
		norm(`blk.${i}.attn_norm.weight`),
		matrix(`blk.${i}.attn_q.weight`, width, heads * headSize),
		matrix(`blk.${i}.attn_k.weight`, width, kvHeads * headSize),
		matrix(`blk.${i}.attn_v.weight`, width, kvHeads * headSize),
		matrix(`blk.${i}.attn_output.weight`, heads * headSize, width, { deviation: added(heads * headSize) }),
		norm(`blk.${i}.ffn_norm.weight`),
		...(experts > 1 ? [{ name: `blk.${i}.ffn_gate_inp.weight`, dims: [width, experts], type: "F32", value: 0 }] : []),
		many(matrix(`blk.${i}.ffn_gate.weight`, width, feedForward)),
		many(matrix(`blk.${i}.ffn_up.weight`, width, feedForward)),
		many(matrix(`blk.${i}.ffn_down.weight`, feedForward, width, { deviation: added(feedForward) })),
	];
	return [
		...(shape.ropeFactor ? [{ name: "rope_freqs.weight", dims: [headSize / 2], type: "F32", values: ropeFactors(shape) }] : []),
		matrix("token_embd.weight", width, vocabulary, tied ? logits : { deviation: embeddingDeviation }),
		...Array.from({ length: blocks }, (_, i) => block(i)).flat(),
		norm("output_norm.weight"),
		...(tied ? [] : [matrix("output.weight", width, vocabulary, logits)]),
	];
}

/** Deviation of the logits: the loss on self-generated text is then log(vocabulary) less an eighth. */
export const logitDeviation = 0.5;
/** Deviation of embeddings that are not also the LM head, as models of this family begin their training. */
const embeddingDeviation = 0.02;

/** What the frequencies of the rotary embedding are divided by: Llama 3's rule for contexts beyond the 8,192 tokens of its first training. */
function ropeFactors({ headSize, ropeBase, ropeFactor }) {
	const [low, high, original] = [1, 4, 8192];
	return Array.from({ length: headSize / 2 }, (_, i) => {
		const wavelength = 2 * Math.PI * ropeBase ** ((2 * i) / headSize);
		if (wavelength < original / high) return 1;
		if (wavelength > original / low) return ropeFactor;
		const smooth = (original / wavelength - low) / (high - low);
		return 1 / ((1 - smooth) / ropeFactor + smooth);
	});
}
