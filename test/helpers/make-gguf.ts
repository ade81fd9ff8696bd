import { writeFileSync } from "node:fs";
import { join } from "node:path";

// Makes tiny GGUF files without the code under test, so that the two can be compared.

export type SpecScalar =
	| "uint8"
	| "int8"
	| "uint16"
	| "int16"
	| "uint32"
	| "int32"
	| "float32"
	| "bool"
	| "string"
	| "uint64"
	| "int64"
	| "float64";
export type SpecValue = number | bigint | boolean | string | Uint8Array | readonly SpecValue[];

export interface SpecEntry {
	/** Bytes if a key is not valid UTF-8. */
	key: string | Uint8Array;
	type: SpecScalar | "array";
	value: SpecValue;
	/** Item type of arrays. Arrays of arrays are made by `nested`. */
	itemType?: SpecScalar;
	/** Given instead of a value: written unchanged. */
	raw?: Uint8Array;
}

export interface SpecTensor {
	name: string;
	/** ne0 first. */
	dims: readonly number[];
	/** ggml type id. @default 0 (F32) */
	type?: number;
	/** @default seeded by the name: small normal floats for F32, F16 and BF16, bytes for other types */
	data?: Uint8Array;
}

export interface GgufSpec {
	/** @default 3 */
	version?: number;
	/** Also written as `general.alignment`, at the front, unless it is 32. @default 32 */
	alignment?: number;
	entries?: readonly SpecEntry[];
	tensors?: readonly SpecTensor[];
	/** @default 1 */
	seed?: number;
}

const IDS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"];
/** Elements and bytes of a block, by ggml type id, for the types that tests use. */
const BLOCKS: Record<number, readonly [number, number]> = {
	0: [1, 4],
	1: [1, 2],
	2: [32, 18],
	3: [32, 20],
	8: [32, 34],
	12: [256, 144],
	14: [256, 210],
	24: [1, 1],
	26: [1, 4],
	30: [1, 2],
	39: [32, 17],
};

/** A metadata entry; `itemType` makes it an array. */
export function entry(key: string | Uint8Array, type: SpecScalar | "array", value: SpecValue, itemType?: SpecScalar): SpecEntry {
	return itemType === undefined ? { key, type, value } : { key, type, value, itemType };
}

/** An array of arrays of one scalar type. */
export function nested(key: string, itemType: SpecScalar, rows: readonly (readonly SpecValue[])[]): SpecEntry {
	const raw = Buffer.concat([u32(9), u64(rows.length), ...rows.map((row) => encodeArray(row, itemType))]);
	return { key, type: "array", value: [], raw };
}

/** The bytes of a GGUF file. */
export function buildGguf(spec: GgufSpec = {}): Buffer {
	const alignment = spec.alignment ?? 32;
	const stated = alignment === 32 ? [] : [entry("general.alignment", "uint32", alignment)];
	const entries = [...stated, ...(spec.entries ?? [])];
	const tensors = spec.tensors ?? [];
	const data = tensors.map((tensor) => tensor.data ?? tensorData(tensor, spec.seed ?? 1));
	let offset = 0;
	const infos = tensors.map((tensor, i) => {
		const info = encodeInfo(tensor, offset);
		offset += data[i]!.length + padding(data[i]!.length, alignment);
		return info;
	});
	const head = Buffer.concat([Buffer.from("GGUF"), u32(spec.version ?? 3), u64(tensors.length), u64(entries.length)]);
	const header = Buffer.concat([head, ...entries.map(encodeEntryBytes), ...infos]);
	return Buffer.concat([padded(header, alignment), ...data.map((bytes) => padded(bytes, alignment))]);
}

/** Writes the file and returns its path. */
export function makeGguf(path: string, spec: GgufSpec = {}): string {
	writeFileSync(path, buildGguf(spec));
	return path;
}

/** Writes the model as `count` shards into a folder, in llama.cpp's form, with all metadata in the first. Returns their paths. */
export function makeSplitGguf(folder: string, prefix: string, spec: GgufSpec, count: number): string[] {
	const tensors = spec.tensors ?? [];
	const digits = (value: number) => String(value).padStart(5, "0");
	const share = Math.ceil(tensors.length / count);
	return Array.from({ length: count }, (_, no) => {
		const split = [
			entry("split.no", "uint16", no),
			entry("split.count", "uint16", count),
			entry("split.tensors.count", "int32", tensors.length),
		];
		const entries = no === 0 ? [...(spec.entries ?? []), ...split] : split;
		const shard = { ...spec, entries, tensors: tensors.slice(no * share, (no + 1) * share) };
		return makeGguf(join(folder, `${prefix}-${digits(no + 1)}-of-${digits(count)}.gguf`), shard);
	});
}

export interface TinyLlama {
	/** @default 4 */
	blocks?: number;
	/** @default 32 */
	width?: number;
	/** @default 64 */
	vocabulary?: number;
	/** ggml type of the matrices. @default 0 (F32) */
	type?: number;
	architecture?: string;
	/** Added after the usual keys. */
	entries?: readonly SpecEntry[];
}

/** What a small llama-like model holds: keys, a vocabulary, and blocks of norms and matrices. */
export function tinyLlama(options: TinyLlama = {}): GgufSpec {
	const { blocks = 4, width = 32, vocabulary = 64, type = 0, architecture: a = "llama" } = options;
	const tokens = Array.from({ length: vocabulary }, (_, i) => (i < 3 ? ["<unk>", "<s>", "</s>"][i]! : `t${i}`));
	const matrix = (name: string, rows: number, columns = width): SpecTensor => ({ name, dims: [columns, rows], type });
	const block = (i: number): SpecTensor[] => [
		{ name: `blk.${i}.attn_norm.weight`, dims: [width] },
		...["attn_q", "attn_k", "attn_v", "attn_output"].map((part) => matrix(`blk.${i}.${part}.weight`, width)),
		{ name: `blk.${i}.ffn_norm.weight`, dims: [width] },
		...["ffn_gate", "ffn_up"].map((part) => matrix(`blk.${i}.${part}.weight`, 2 * width)),
		matrix(`blk.${i}.ffn_down.weight`, width, 2 * width),
	];
	return {
		entries: [
			entry("general.architecture", "string", a),
			entry("general.name", "string", "tiny"),
			entry(`${a}.block_count`, "uint32", blocks),
			entry(`${a}.context_length`, "uint32", 128),
			entry(`${a}.embedding_length`, "uint32", width),
			entry(`${a}.feed_forward_length`, "uint32", 2 * width),
			entry(`${a}.attention.head_count`, "uint32", 4),
			entry(`${a}.attention.head_count_kv`, "uint32", 4),
			entry(`${a}.attention.layer_norm_rms_epsilon`, "float32", 1e-5),
			entry("tokenizer.ggml.model", "string", "llama"),
			entry("tokenizer.ggml.tokens", "array", tokens, "string"),
			entry(
				"tokenizer.ggml.scores",
				"array",
				tokens.map((_, i) => -i),
				"float32",
			),
			entry(
				"tokenizer.ggml.token_type",
				"array",
				tokens.map((_, i) => (i < 3 ? 3 : 1)),
				"int32",
			),
			...(options.entries ?? []),
		],
		tensors: [
			matrix("token_embd.weight", vocabulary),
			...Array.from({ length: blocks }, (_, i) => block(i)).flat(),
			{ name: "output_norm.weight", dims: [width] },
		],
	};
}

/** A generator of numbers in [0, 1) that repeats for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
	let state = seed | 0;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Data of a tensor, the same for the same name and seed. */
export function tensorData(tensor: SpecTensor, seed: number): Buffer {
	const type = tensor.type ?? 0;
	const block = BLOCKS[type];
	if (!block) throw new Error(`give the data of tensor ${tensor.name}: its type ${type} has no entry in the helper`);
	const elements = tensor.dims.reduce((product, dim) => product * dim, 1);
	const data = Buffer.alloc((elements / block[0]) * block[1]);
	let hash = seed;
	for (const character of tensor.name) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
	const random = seeded(hash);
	if (type === 0) for (let i = 0; i < data.length; i += 4) data.writeFloatLE((random() - 0.5) / 4, i);
	// Half precision: normal numbers of both signs, 2^-4 and above.
	else if (type === 1)
		for (let i = 0; i < data.length; i += 2) data.writeUInt16LE((random() < 0.5 ? 0x8000 : 0) | 0x2c00 | Math.floor(random() * 1024), i);
	else if (type === 30)
		for (let i = 0; i < data.length; i += 2) data.writeUInt16LE((random() < 0.5 ? 0x8000 : 0) | 0x3d80 | Math.floor(random() * 128), i);
	else for (let i = 0; i < data.length; i++) data[i] = Math.floor(random() * 256);
	return data;
}

function encodeEntryBytes(spec: SpecEntry): Buffer {
	const id = u32(IDS.indexOf(spec.type));
	if (spec.raw) return Buffer.concat([text(spec.key), id, spec.raw]);
	if (spec.type !== "array") return Buffer.concat([text(spec.key), id, encodeScalar(spec.value, spec.type)]);
	return Buffer.concat([text(spec.key), id, encodeArray(spec.value as readonly SpecValue[], spec.itemType!)]);
}

function encodeArray(items: readonly SpecValue[], itemType: SpecScalar): Buffer {
	return Buffer.concat([u32(IDS.indexOf(itemType)), u64(items.length), ...items.map((item) => encodeScalar(item, itemType))]);
}

function encodeScalar(value: SpecValue, type: SpecScalar): Buffer {
	if (type === "string") return text(value as string | Uint8Array);
	const bytes = Buffer.alloc(8);
	const number = Number(value);
	const size = {
		uint8: () => bytes.writeUInt8(number),
		int8: () => bytes.writeInt8(number),
		bool: () => bytes.writeUInt8(number),
		uint16: () => bytes.writeUInt16LE(number),
		int16: () => bytes.writeInt16LE(number),
		uint32: () => bytes.writeUInt32LE(number),
		int32: () => bytes.writeInt32LE(number),
		float32: () => bytes.writeFloatLE(number),
		float64: () => bytes.writeDoubleLE(number),
		uint64: () => bytes.writeBigUInt64LE(BigInt(value as number | bigint)),
		int64: () => bytes.writeBigInt64LE(BigInt(value as number | bigint)),
	}[type]();
	return bytes.subarray(0, size);
}

function encodeInfo({ name, dims, type = 0 }: SpecTensor, offset: number): Buffer {
	return Buffer.concat([text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]);
}

export function u32(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}

export function u64(value: number | bigint): Buffer {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes;
}

export function text(value: string | Uint8Array): Buffer {
	const bytes = Buffer.from(value as Uint8Array);
	return Buffer.concat([u64(bytes.length), bytes]);
}

function padding(size: number, alignment: number): number {
	return (alignment - (size % alignment)) % alignment;
}

function padded(bytes: Uint8Array, alignment: number): Buffer {
	return Buffer.concat([bytes, Buffer.alloc(padding(bytes.length, alignment))]);
}
