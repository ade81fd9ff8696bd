import { QuantizeError } from "../../errors.js";
import { ggmlType, ggmlTypeName } from "../gguf/ggml-types.js";
import type { GgufTensor } from "../gguf/types.js";
import type { LoadedModel } from "../runtime/loaded-model.js";
import { dequantizeBytes, quantizeValues } from "../runtime/states.js";
import type { HealedTensor } from "./tensors.js";

/** Id of ggml's F16. */
const f16 = 1;

/**
 * Places of a block's 16-bit scales, in bytes from its start, by ggml type. Everything in a block is a multiple of them
 * (ggml-common.h of llama.cpp), so a factor of the block is a factor of its scales.
 */
const scaleOffsets: Readonly<Record<number, readonly number[]>> = {
	2: [0], // Q4_0
	3: [0, 2], // Q4_1
	6: [0], // Q5_0
	7: [0, 2], // Q5_1
	8: [0], // Q8_0
	10: [80, 82], // Q2_K
	11: [108], // Q3_K
	12: [0, 2], // Q4_K
	13: [0, 2], // Q5_K
	14: [208], // Q6_K
	20: [0], // IQ4_NL
	23: [0], // IQ4_XS
};

/** What the groups with one factor each are made of: outputs or inputs of a matrix. */
export type ScaledBy = "rows" | "columns";

/** Whether a matrix of a type can be scaled in this type, without one more byte. */
const scales = (type: number) => ggmlType(type)?.blockSize === 1 || type in scaleOffsets;

/**
 * Groups of rows that a matrix of a type can be scaled by in its type: the wanted number, or 0.
 * @param wanted equal groups of rows
 */
export function scalableRows(type: number, rows: number, wanted: number): number {
	return scales(type) && rows % wanted === 0 ? wanted : 0;
}

/**
 * Groups of columns that a matrix can be scaled by in its type, without one more byte. It is the wanted number, or fewer so that each group
 * is a whole number of the type's blocks. 0 for types whose blocks cannot be scaled.
 * @param row columns
 * @param wanted equal groups of columns, such as attention heads
 */
export function scalableColumns(type: number, row: number, wanted: number): number {
	const layout = ggmlType(type);
	if (!layout || !scales(type) || row % layout.blockSize !== 0) return 0;
	const fits = (groups: number) => wanted % groups === 0 && row % groups === 0 && (row / groups) % layout.blockSize === 0;
	return Array.from({ length: wanted }, (_, i) => wanted - i).find(fits) ?? 1;
}

/** Factors of a matrix, in order: one for each of as many equal groups. */
export interface Scaling {
	readonly by: ScaledBy;
	readonly factors: readonly number[];
}

/** A matrix of the file and its current replacement. */
export interface StandingMatrix {
	readonly tensor: Pick<GgufTensor, "name" | "dims">;
	readonly standing: Pick<HealedTensor, "type" | "bytes">;
}

/**
 * A matrix whose rows or columns are multiplied, group by group, in its own type. Only the scales of its blocks change; as 16-bit numbers
 * they round to about 5e-4 of themselves. A list of numbers counts as a matrix with rows of one number by `rows`, and one row by `columns`.
 * @param scaling as many factors as {@link scalableRows} or {@link scalableColumns} allow
 * @throws QuantizeError for types and numbers of groups that do not allow this
 */
export async function scaleGroups(
	model: LoadedModel,
	{ tensor: { name, dims }, standing: { type, bytes } }: StandingMatrix,
	{ by, factors }: Scaling,
	signal?: AbortSignal,
): Promise<HealedTensor> {
	const row = dims[0]!;
	const rows = dims.length > 1 ? dims[1]! : row;
	const groups = factors.length;
	const allowed = by === "rows" ? scalableRows(type, rows, groups) : scalableColumns(type, row, groups);
	if (allowed !== groups) {
		const size = by === "rows" ? rows : row;
		throw new QuantizeError(`${name} of type ${ggmlTypeName(type)} cannot be scaled by ${groups} groups of its ${size} ${by}`);
	}
	const columns = dims.length > 1 ? row : 1;
	const factorAt = (i: number) =>
		factors[by === "rows" ? Math.floor((Math.floor(i / columns) * groups) / rows) : Math.floor(((i % row) * groups) / row)]!;
	if (ggmlType(type)!.blockSize > 1) return { name, type, bytes: await scaleBlocks(model, { type, bytes }, factorAt, signal) };
	const values = await dequantizeBytes(model, bytes, { type, rowLength: row }, signal);
	for (let i = 0; i < values.length; i++) values[i]! *= factorAt(i);
	return { name, type, bytes: await quantizeValues(model, values, { type, rowLength: row }, signal) };
}

/** @param factorAt factor of a number by its place in the matrix; the same within a block */
async function scaleBlocks(
	model: LoadedModel,
	{ type, bytes: from }: StandingMatrix["standing"],
	factorAt: (i: number) => number,
	signal: AbortSignal | undefined,
): Promise<Uint8Array> {
	const { blockBytes, blockSize } = ggmlType(type)!;
	const offsets = scaleOffsets[type]!;
	const blocks = from.length / blockBytes;
	const places = Array.from({ length: blocks }, (_, block) => offsets.map((offset) => block * blockBytes + offset)).flat();
	const scales = new Uint8Array(2 * places.length);
	for (const [i, at] of places.entries()) scales.set(from.subarray(at, at + 2), 2 * i);
	const values = await dequantizeBytes(model, scales, { type: f16, rowLength: places.length }, signal);
	for (let i = 0; i < values.length; i++) values[i]! *= factorAt(Math.floor(i / offsets.length) * blockSize);
	const scaled = await quantizeValues(model, values, { type: f16, rowLength: places.length }, signal);
	const bytes = from.slice();
	for (const [i, at] of places.entries()) bytes.set(scaled.subarray(2 * i, 2 * i + 2), at);
	return bytes;
}
