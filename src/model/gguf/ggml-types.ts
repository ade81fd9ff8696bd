/** How a ggml type is laid out: rows are cut into blocks of `blockSize` elements, `blockBytes` bytes each. */
export interface GgmlType {
	readonly name: string;
	readonly blockSize: number;
	readonly blockBytes: number;
}

const type = (name: string, blockSize: number, blockBytes: number): GgmlType => ({ name, blockSize, blockBytes });

// Ids that ggml has withdrawn (4, 5, 31-33, 36-38) are absent: such tensors are copied like any unknown type.
const TYPES: ReadonlyMap<number, GgmlType> = new Map([
	[0, type("F32", 1, 4)],
	[1, type("F16", 1, 2)],
	[2, type("Q4_0", 32, 18)],
	[3, type("Q4_1", 32, 20)],
	[6, type("Q5_0", 32, 22)],
	[7, type("Q5_1", 32, 24)],
	[8, type("Q8_0", 32, 34)],
	[9, type("Q8_1", 32, 36)],
	[10, type("Q2_K", 256, 84)],
	[11, type("Q3_K", 256, 110)],
	[12, type("Q4_K", 256, 144)],
	[13, type("Q5_K", 256, 176)],
	[14, type("Q6_K", 256, 210)],
	[15, type("Q8_K", 256, 292)],
	[16, type("IQ2_XXS", 256, 66)],
	[17, type("IQ2_XS", 256, 74)],
	[18, type("IQ3_XXS", 256, 98)],
	[19, type("IQ1_S", 256, 50)],
	[20, type("IQ4_NL", 32, 18)],
	[21, type("IQ3_S", 256, 110)],
	[22, type("IQ2_S", 256, 82)],
	[23, type("IQ4_XS", 256, 136)],
	[24, type("I8", 1, 1)],
	[25, type("I16", 1, 2)],
	[26, type("I32", 1, 4)],
	[27, type("I64", 1, 8)],
	[28, type("F64", 1, 8)],
	[29, type("IQ1_M", 256, 56)],
	[30, type("BF16", 1, 2)],
	[34, type("TQ1_0", 256, 54)],
	[35, type("TQ2_0", 256, 66)],
	[39, type("MXFP4", 32, 17)],
	[40, type("NVFP4", 64, 36)],
	[41, type("Q1_0", 128, 18)],
	[42, type("Q2_0", 64, 18)],
]);

/** Layout of a ggml type; undefined for ids that this version does not know. */
export function ggmlType(id: number): GgmlType | undefined {
	return TYPES.get(id);
}

/** Name of a ggml type, `type N` for ids that this version does not know. */
export function ggmlTypeName(id: number): string {
	return TYPES.get(id)?.name ?? `type ${id}`;
}

/** Types that are no weights: results of rounding on the way (Q8_1, Q8_K), and numbers that ggml multiplies with nothing. */
const NO_WEIGHTS: ReadonlySet<number> = new Set([9, 15, 24, 25, 26, 27, 28]);

/** Whether ggml multiplies a matrix of that type with anything; with another it ends the process. */
export function isWeightType(id: number): boolean {
	return TYPES.has(id) && !NO_WEIGHTS.has(id);
}

/**
 * Bytes of a tensor without padding; undefined for an unknown type.
 * @throws RangeError if a row is not a whole number of blocks, or the size exceeds 2^53 - 1
 */
export function tensorBytes(dims: readonly number[], id: number): number | undefined {
	const elements = dims.reduce((product, dim) => product * dim, 1);
	if (!Number.isSafeInteger(elements)) throw new RangeError(`expected fewer than 2^53 elements, found ${dims.join(" x ")}`);
	const layout = TYPES.get(id);
	if (!layout) return undefined;
	if ((dims[0] ?? 1) % layout.blockSize !== 0) {
		throw new RangeError(`expected rows of a multiple of ${layout.blockSize} elements (${layout.name}), found ${dims[0] ?? 1}`);
	}
	const bytes = (elements / layout.blockSize) * layout.blockBytes;
	if (!Number.isSafeInteger(bytes)) throw new RangeError(`expected fewer than 2^53 bytes, found ${dims.join(" x ")} of ${layout.name}`);
	return bytes;
}
