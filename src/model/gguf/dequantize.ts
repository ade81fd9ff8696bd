import { ggmlType, ggmlTypeName } from "./ggml-types.js";

// Values of quantized weights, as in ggml/src/ggml-quants.c (dequantize_row_*). A block of a type holds 32 or 256 values.

/** Reads the values of the block at byte `at` into `out` from `to` on. */
type Reader = (bytes: DataView, at: number, out: Float32Array, to: number) => void;

/** Value of a 16-bit float (IEEE 754 binary16). */
export function halfFloat(bits: number): number {
	const sign = bits & 0x8000 ? -1 : 1;
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	if (exponent === 0) return sign * fraction * 2 ** -24;
	if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
	return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const half = (bytes: DataView, at: number) => halfFloat(bytes.getUint16(at, true));

/** 4 bits of each of 32 values: the low halves of 16 bytes, then the high ones. */
const nibble = (bytes: DataView, at: number, i: number) => (i < 16 ? bytes.getUint8(at + i) & 15 : bytes.getUint8(at + i - 16) >> 4);

const q4_0: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	for (let i = 0; i < 32; i++) out[to + i] = d * (nibble(bytes, at + 2, i) - 8);
};

const q4_1: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	const least = half(bytes, at + 2);
	for (let i = 0; i < 32; i++) out[to + i] = d * nibble(bytes, at + 4, i) + least;
};

/** The fifth bits of 32 values lie in one 32-bit word. */
const fifth = (high: number, index: number) => ((high >>> index) & 1) << 4;

const q5_0: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	const high = bytes.getUint32(at + 2, true);
	for (let i = 0; i < 32; i++) out[to + i] = d * ((nibble(bytes, at + 6, i) | fifth(high, i)) - 16);
};

const q5_1: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	const least = half(bytes, at + 2);
	const high = bytes.getUint32(at + 4, true);
	for (let i = 0; i < 32; i++) out[to + i] = d * (nibble(bytes, at + 8, i) | fifth(high, i)) + least;
};

const q8_0: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	for (let i = 0; i < 32; i++) out[to + i] = d * bytes.getInt8(at + 2 + i);
};

/** Two bits of each of 256 values: in each half, byte l holds the values l, l + 32, l + 64 and l + 96, from the lowest bits up. */
const twoBits = (bytes: DataView, at: number, i: number) => (bytes.getUint8(at + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;

const q2_k: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at + 80);
	const least = half(bytes, at + 82);
	for (let i = 0; i < 256; i++) {
		const scale = bytes.getUint8(at + (i >> 4));
		out[to + i] = d * (scale & 15) * twoBits(bytes, at + 16, i) - least * (scale >> 4);
	}
};

const q3_k: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at + 108);
	for (let i = 0; i < 256; i++) {
		const group = i >> 4;
		const low = group < 8 ? bytes.getUint8(at + 96 + group) & 15 : bytes.getUint8(at + 88 + group) >> 4;
		const high = (bytes.getUint8(at + 104 + (group & 3)) >> (2 * (group >> 2))) & 3;
		const above = (bytes.getUint8(at + (i & 31)) >> (i >> 5)) & 1;
		out[to + i] = d * ((low | (high << 4)) - 32) * (twoBits(bytes, at + 32, i) - (above ? 0 : 4));
	}
};

/** Scale and offset of the `j`th of eight groups, 6 bits each, packed in 12 bytes. */
function sixBits(bytes: DataView, at: number, j: number): [scale: number, offset: number] {
	const byte = (i: number) => bytes.getUint8(at + i);
	if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
	return [(byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4), (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4)];
}

/**
 * Q4_K and Q5_K: eight groups of 32, two of them in the halves of 32 bytes.
 * @param low byte of a block where its low bits begin
 * @param high the same for the fifth bits @default there are none
 */
const grouped =
	(low: number, high?: number): Reader =>
	(bytes, at, out, to) => {
		const d = half(bytes, at);
		const least = half(bytes, at + 2);
		for (let j = 0; j < 8; j++) {
			const [scale, offset] = sixBits(bytes, at + 4, j);
			for (let l = 0; l < 32; l++) {
				const byte = bytes.getUint8(at + low + 32 * (j >> 1) + l);
				const four = j & 1 ? byte >> 4 : byte & 15;
				const top = high === undefined ? 0 : ((bytes.getUint8(at + high + l) >> j) & 1) << 4;
				out[to + 32 * j + l] = d * scale * (four | top) - least * offset;
			}
		}
	};

const q4_k = grouped(16);
const q5_k = grouped(48, 16);

const q6_k: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at + 208);
	for (let i = 0; i < 256; i++) {
		const part = i >> 7;
		const byte = bytes.getUint8(at + 64 * part + (i & 63));
		const low = i & 64 ? byte >> 4 : byte & 15;
		const high = twoBits(bytes, at + 128, i);
		out[to + i] = d * bytes.getInt8(at + 192 + (i >> 4)) * ((low | (high << 4)) - 32);
	}
};

/** Levels of the non-linear 4-bit types (kvalues_iq4nl in ggml/src/ggml-common.h). */
const levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

const iq4_nl: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	for (let i = 0; i < 32; i++) out[to + i] = d * levels[nibble(bytes, at + 2, i)]!;
};

const iq4_xs: Reader = (bytes, at, out, to) => {
	const d = half(bytes, at);
	const high = bytes.getUint16(at + 2, true);
	for (let j = 0; j < 8; j++) {
		const low = (bytes.getUint8(at + 4 + (j >> 1)) >> (4 * (j & 1))) & 15;
		const scale = d * ((low | (((high >> (2 * j)) & 3) << 4)) - 32);
		for (let i = 0; i < 32; i++) out[to + 32 * j + i] = scale * levels[nibble(bytes, at + 8 + 16 * j, i)]!;
	}
};

const bits = new DataView(new ArrayBuffer(4));

const READERS: Readonly<Record<string, Reader>> = {
	F32: (bytes, at, out, to) => {
		out[to] = bytes.getFloat32(at, true);
	},
	F16: (bytes, at, out, to) => {
		out[to] = half(bytes, at);
	},
	BF16: (bytes, at, out, to) => {
		bits.setUint32(0, bytes.getUint16(at, true) << 16);
		out[to] = bits.getFloat32(0);
	},
	Q4_0: q4_0,
	Q4_1: q4_1,
	Q5_0: q5_0,
	Q5_1: q5_1,
	Q8_0: q8_0,
	Q2_K: q2_k,
	Q3_K: q3_k,
	Q4_K: q4_k,
	Q5_K: q5_k,
	Q6_K: q6_k,
	IQ4_NL: iq4_nl,
	IQ4_XS: iq4_xs,
};

/** Whether values of a ggml type can be read. */
export function canDequantize(type: number): boolean {
	return ggmlTypeName(type) in READERS;
}

/**
 * The values of whole blocks of a ggml type.
 * @throws RangeError for a type that cannot be read, or bytes that are not a whole number of its blocks
 */
export function dequantize(bytes: Uint8Array, type: number): Float32Array {
	const layout = ggmlType(type);
	const read = layout && READERS[layout.name];
	if (!read) throw new RangeError(`values of ${ggmlTypeName(type)} cannot be read`);
	if (bytes.length % layout.blockBytes !== 0)
		throw new RangeError(`expected a multiple of ${layout.blockBytes} bytes (${layout.name}), got ${bytes.length}`);
	const blocks = bytes.length / layout.blockBytes;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const out = new Float32Array(blocks * layout.blockSize);
	for (let block = 0; block < blocks; block++) read(view, block * layout.blockBytes, out, block * layout.blockSize);
	return out;
}
