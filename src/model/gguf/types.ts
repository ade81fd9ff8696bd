/** Value types of GGUF metadata that are not arrays. */
export type GgufScalarType =
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

export type GgufValueType = GgufScalarType | "array";

/** A decoded value. Integers are `bigint` only beyond +-(2^53 - 1); bytes that are not UTF-8 are escaped (see `text.ts`). */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** Type names by their id in the file. */
export const VALUE_TYPES: readonly GgufValueType[] = [
	"uint8",
	"int8",
	"uint16",
	"int16",
	"uint32",
	"int32",
	"float32",
	"bool",
	"string",
	"array",
	"uint64",
	"int64",
	"float64",
];

/** Bytes of a value; for strings and arrays the fewest that they take (a string's length; an array's item type and length). */
export const VALUE_BYTES: Readonly<Record<GgufValueType, number>> = {
	uint8: 1,
	int8: 1,
	uint16: 2,
	int16: 2,
	uint32: 4,
	int32: 4,
	float32: 4,
	bool: 1,
	string: 8,
	array: 12,
	uint64: 8,
	int64: 8,
	float64: 8,
};

/** One key with its value, kept as the bytes of the file, so that unknown values are copied unchanged. */
export interface GgufEntry {
	readonly key: string;
	readonly type: GgufValueType;
	/** Arrays only. */
	readonly itemType?: GgufValueType;
	/** The bytes after the type id; for an array they begin with the item type (4 bytes) and the length (8 bytes). */
	readonly raw: Uint8Array;
}

/** Where a tensor's bytes are. */
export interface GgufTensorSource {
	readonly path: string;
	/** From the beginning of the file, in bytes. */
	readonly offset: number;
	/** In bytes, without padding if the type is known; for an unknown type up to the next tensor or the end of the file. */
	readonly size: number;
}

export interface GgufTensor {
	readonly name: string;
	/** Elements per dimension, ne0 (the contiguous one) first; 0 to 4 dimensions. */
	readonly dims: readonly number[];
	/** Id of the ggml type. Tensors with ids that this version does not know are copied. */
	readonly type: number;
	readonly source: GgufTensorSource;
}

/** A file to write to, such as a `FileHandle` of Node.js. */
export interface WritableFile {
	write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>;
}

/** A file to read from, such as a `FileHandle` of Node.js. */
export interface ReadableFile {
	read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

/** A tensor to write: its bytes are copied from a file, or given. */
export interface GgufContentTensor {
	readonly name: string;
	readonly dims: readonly number[];
	readonly type: number;
	readonly source: GgufTensorSource | Uint8Array;
}

/** Everything a written file holds, in its order. */
export interface GgufContent {
	readonly version: 2 | 3;
	/** A power of two; anything but 32 needs the key `general.alignment`. */
	readonly alignment: number;
	readonly entries: readonly GgufEntry[];
	readonly tensors: readonly GgufContentTensor[];
}

export const DEFAULT_ALIGNMENT = 32;
export const ALIGNMENT_KEY = "general.alignment";
/** Longest key or tensor name, in bytes. */
export const MAX_NAME_BYTES = 65535;
export const MAX_DIMS = 4;

/** The smallest multiple of `alignment` that is at least `bytes`. Exact below 2^53: dividing by a power of two does not round. */
export function alignUp(bytes: number, alignment: number): number {
	return Math.ceil(bytes / alignment) * alignment;
}

export function isAlignment(value: number): boolean {
	return Number.isInteger(value) && value > 0 && value < 2 ** 32 && Number.isInteger(Math.log2(value));
}
