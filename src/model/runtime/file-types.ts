import { type GgufFile, contentOf } from "../gguf/file.js";
import { ggmlType, ggmlTypeName, tensorBytes } from "../gguf/ggml-types.js";
import type { GgufContent, GgufEntry } from "../gguf/types.js";
import { encodeEntry } from "../gguf/value.js";
import { writtenSize } from "../gguf/writer.js";
import { type FileType, fileTypes } from "./file-type-names.js";

// What llama.cpp's quantizer makes from a header, and the resulting size of the file.

/** Ids of ggml types. */
const ids = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q5_0: 6, Q5_1: 7, Q8_0: 8, Q2_K: 10, Q3_K: 11, Q4_K: 12, Q5_K: 13, Q6_K: 14 } as const;
const moreIds = { ...ids, IQ4_NL: 20, IQ3_S: 21, IQ4_XS: 23, BF16: 30 } as const;
type TensorType = keyof typeof moreIds;

/** The type that a file type gives to most matrices, and the one for matrices that need more bits. */
interface Mixture {
	readonly base: TensorType;
	/** Attention values: n-th of all, and whether it has more bits. */
	readonly values?: (at: Place) => TensorType | undefined;
	readonly down?: (at: Place) => TensorType | undefined;
	readonly attentionOutput?: TensorType;
	/** Queries, keys and values in one matrix. */
	readonly qkv?: TensorType;
}

interface Place {
	/** 0-based, and of how many. */
	readonly index: number;
	readonly count: number;
	/** Query heads for each key/value head. */
	readonly grouped: number;
}

const first = (part: number) => (at: Place) => at.index < Math.floor(at.count / part);
const moreBits = ({ index, count }: Place) => {
	const eighth = Math.floor(count / 8);
	return index < eighth || index >= Math.floor((7 * count) / 8) || (index - eighth) % 3 === 2;
};
const grouped = (type: TensorType) => (at: Place) => (at.grouped >= 4 ? type : undefined);

/** llama_tensor_get_type_impl of src/llama-quant.cpp, without its cases for falcon, models of 8 experts and 80 blocks. */
const mixtures: Readonly<Record<FileType, Mixture>> = {
	F32: { base: "F32" },
	F16: { base: "F16" },
	BF16: { base: "BF16" },
	Q8_0: { base: "Q8_0" },
	Q6_K: { base: "Q6_K" },
	Q5_K_M: {
		base: "Q5_K",
		values: (at) => (moreBits(at) ? "Q6_K" : undefined),
		down: (at) => (moreBits(at) ? "Q6_K" : undefined),
		qkv: "Q6_K",
	},
	Q5_K_S: { base: "Q5_K" },
	Q5_1: { base: "Q5_1" },
	Q5_0: { base: "Q5_0" },
	Q4_K_M: {
		base: "Q4_K",
		values: (at) => (moreBits(at) ? "Q6_K" : undefined),
		down: (at) => (moreBits(at) ? "Q6_K" : undefined),
		qkv: "Q5_K",
	},
	Q4_K_S: { base: "Q4_K", values: ({ index }) => (index < 4 ? "Q5_K" : undefined), down: (at) => (first(8)(at) ? "Q5_K" : undefined) },
	Q4_1: { base: "Q4_1" },
	Q4_0: { base: "Q4_0" },
	IQ4_NL: { base: "IQ4_NL", values: grouped("Q5_K"), down: (at) => (first(8)(at) ? "Q5_K" : undefined) },
	IQ4_XS: { base: "IQ4_XS", values: grouped("Q5_K"), down: (at) => (first(8)(at) ? "Q5_K" : undefined) },
	Q3_K_L: { base: "Q3_K", values: () => "Q5_K", down: () => "Q5_K", attentionOutput: "Q5_K", qkv: "Q4_K" },
	Q3_K_M: {
		base: "Q3_K",
		values: ({ index }) => (index < 2 ? "Q5_K" : "Q4_K"),
		down: (at) => (first(16)(at) ? "Q5_K" : "Q4_K"),
		attentionOutput: "Q4_K",
		qkv: "Q4_K",
	},
	Q3_K_S: { base: "Q3_K" },
	IQ3_M: { base: "IQ3_S", values: () => "Q4_K", down: (at) => (first(8)(at) ? "Q4_K" : undefined), attentionOutput: "Q4_K", qkv: "Q4_K" },
	IQ3_S: { base: "IQ3_S", values: grouped("Q4_K") },
	Q2_K: { base: "Q2_K", values: (at) => (at.grouped >= 4 ? "Q4_K" : "Q3_K"), down: () => "Q3_K", attentionOutput: "Q3_K" },
	Q2_K_S: { base: "Q2_K", values: grouped("Q4_K"), down: (at) => (first(8)(at) ? "Q4_K" : undefined) },
};

/** Types for rows that are not a whole number of 256 elements (tensor_type_fallback). */
const fallbacks: Partial<Record<TensorType, TensorType>> = {
	IQ3_S: "IQ4_NL",
	IQ4_XS: "IQ4_NL",
	Q2_K: "Q4_0",
	Q3_K: "Q4_0",
	Q4_K: "Q5_0",
	Q5_K: "Q5_1",
	Q6_K: "Q8_0",
};

/** Parts of names of matrices that stay unchanged (tensor_allows_quantization); the common ones. */
const untouched =
	/_norm\.weight$|ffn_gate_inp\.weight|altup|laurel|per_layer_model_proj|ssm_conv1d|shortconv\.conv|time_mix_|attn_rel_b|^position_embd|^token_types/;

/** Whether a model's matrices already have a type with fewer bits than 16. */
export function isQuantized(file: GgufFile): boolean {
	return file.tensors.some(({ dims, type }) => dims.length >= 2 && (ggmlType(type)?.blockSize ?? 2) > 1);
}

/** Name of the type of a file's weights: as its key says, or else the type that most bytes of its matrices have. */
export function fileTypeOf(file: Pick<GgufFile, "number" | "tensors">): string {
	const key = file.number("general.file_type");
	const named = Object.entries(fileTypes).find(([, id]) => id === key)?.[0];
	if (named !== undefined) return named;
	const bytes = new Map<number, number>();
	for (const { dims, type, source } of file.tensors) if (dims.length >= 2) bytes.set(type, (bytes.get(type) ?? 0) + source.size);
	const [most] = [...bytes].sort(([, a], [, b]) => b - a);
	return most ? ggmlTypeName(most[0]) : "unknown";
}

/** Approximate size of the file that llama.cpp's quantizer makes from this content, to choose types and to check a disk. */
export function predictedBytes(file: GgufFile, type: FileType, content: GgufContent = contentOf(file)): number {
	return writtenSize(quantizedContent(content, predictedTypes(file, type, content)));
}

/** Content with its tensors in other types, and the keys that the quantizer sets. It lacks the tensors' bytes. */
export function quantizedContent(content: GgufContent, types: readonly number[]): GgufContent {
	return {
		...content,
		entries: ["general.quantization_version", "general.file_type"].reduce(withNumber, content.entries),
		tensors: content.tensors.map((tensor, i) => {
			const size = tensorBytes(tensor.dims, types[i]!) ?? bytesOf(tensor.source);
			return { ...tensor, type: types[i]!, source: { path: "", offset: 0, size } };
		}),
	};
}

const bytesOf = (source: GgufContent["tensors"][number]["source"]) => (source instanceof Uint8Array ? source.length : source.size);

function withNumber(entries: readonly GgufEntry[], key: string): readonly GgufEntry[] {
	const other = entries.filter((entry) => entry.key !== key);
	return [...other, encodeEntry(key, "uint32", 0)];
}

/** Ids of the types that llama.cpp's quantizer gives the tensors, about. */
export function predictedTypes(file: GgufFile, type: FileType, { tensors }: Pick<GgufContent, "tensors"> = contentOf(file)): number[] {
	const mixture = mixtures[type];
	const count = (part: string) => tensors.filter(({ name }) => name.includes(part)).length;
	const tied = !tensors.some(({ name }) => name === "output.weight");
	const heads = (key: string) => Number([file.value(`${file.architecture}.attention.${key}`)].flat()[0] ?? 0);
	const values = valueNumbers(tensors);
	const down = count("ffn_down.weight");
	const groups = heads("head_count") / (heads("head_count_kv") || heads("head_count") || 1);
	return tensors.map(({ name, dims, type: own }) => {
		if (dims.length < 2 || !name.endsWith("weight") || untouched.test(name)) return own;
		if (["F32", "F16", "BF16"].includes(mixture.base)) return moreIds[mixture.base];
		const index = Number(/\.(\d+)\./.exec(name)?.[1] ?? 0);
		const value = (): Place => ({ index: values.get(name)!, count: values.size, grouped: groups });
		let wanted: TensorType = mixture.base;
		if (name === "output.weight" || (tied && name === "token_embd.weight")) {
			const even = dims[0]! % (ggmlType(moreIds[wanted])?.blockSize ?? 1) === 0;
			wanted = even && wanted !== "Q8_0" ? "Q6_K" : "Q8_0";
		} else if (name.includes("attn_qkv.weight")) wanted = mixture.values?.(value()) ?? mixture.qkv ?? wanted;
		else if (values.has(name)) wanted = mixture.values?.(value()) ?? wanted;
		else if (name.includes("ffn_down")) wanted = mixture.down?.({ index, count: down, grouped: groups }) ?? wanted;
		else if (name.includes("attn_output.weight")) wanted = mixture.attentionOutput ?? wanted;
		return moreIds[fitting(wanted, dims[0]!)];
	});
}

/** Numbers of the matrices of attention values. llama.cpp counts these, not blocks, of which some may have no attention. */
function valueNumbers(tensors: GgufContent["tensors"]): Map<string, number> {
	const block = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
	const names = tensors.map(({ name }) => name).filter((name) => /attn_(?:v|qkv|kv_b)\.weight/.test(name));
	return new Map(names.sort((a, b) => block(a) - block(b) || (a < b ? -1 : 1)).map((name, i) => [name, i]));
}

function fitting(type: TensorType, columns: number): TensorType {
	const fits = (one: TensorType) => columns % ggmlType(moreIds[one])!.blockSize === 0;
	if (fits(type)) return type;
	const other = fallbacks[type] ?? type;
	return fits(other) ? other : "F16";
}
