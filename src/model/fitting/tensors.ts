import type { HealType } from "./kinds.js";
import { InvalidOptionError, InvalidPlanError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { ggmlType, ggmlTypeName, tensorBytes } from "../gguf/ggml-types.js";
import type { GgufContent, GgufTensor } from "../gguf/types.js";
import { openForReading, readFully } from "../gguf/io.js";
import { shownText } from "../../storage/shown-text.js";

/** Other values for a tensor of a file, under its name there. */
export interface HealedTensor {
	readonly name: string;
	/** Id of the ggml type. */
	readonly type: number;
	/** Bytes in ggml's layout of that type. */
	readonly bytes: Uint8Array;
}

/** Ids of ggml types. */
const ids = { Q8_0: 8, F16: 1, BF16: 30, F32: 0, Q6_K: 14, Q5_K: 13, Q4_K: 12 } as const;

/** Bits of a weight in a type, with its scales. */
function bitsOf(type: number): number {
	const layout = ggmlType(type);
	return layout ? (8 * layout.blockBytes) / layout.blockSize : 0;
}

/** Id of the type to store a healed matrix in. @throws InvalidOptionError if its rows do not fit the named type */
export function typeFor(tensor: GgufTensor, wanted: HealType): number {
	const row = tensor.dims[0]!;
	const fits = (type: number) => row % (ggmlType(type)?.blockSize ?? Number.POSITIVE_INFINITY) === 0;
	if (wanted === "same") return tensor.type;
	if (wanted === "auto") {
		if (bitsOf(tensor.type) >= 8) return tensor.type;
		return fits(ids.Q8_0) ? ids.Q8_0 : ids.F16;
	}
	if (fits(ids[wanted])) return ids[wanted];
	throw new InvalidOptionError(
		`heal-type ${wanted} does not fit ${shownText(tensor.name)}: its rows of ${row} values are not a whole number of blocks of ${ggmlType(ids[wanted])?.blockSize}; take F16 or auto`,
	);
}

/** All bytes of a tensor. */
export async function readTensor({ source }: GgufTensor): Promise<Uint8Array> {
	const { handle } = await openForReading(source.path);
	try {
		const bytes = new Uint8Array(source.size);
		await readFully(handle, source.path, bytes, source.offset);
		return bytes;
	} finally {
		await handle.close();
	}
}

/**
 * The same content with other values in some tensors; all others stay byte for byte.
 * @param content made from the file: its tensors may have other names there, and keep the place of their bytes
 */
export function withHealed(content: GgufContent, file: GgufFile, healed: readonly HealedTensor[] | undefined): GgufContent {
	if (!healed || healed.length === 0) return content;
	const bySource = new Map<unknown, HealedTensor>(healed.map((tensor) => [file.tensor(tensor.name)?.source, tensor]));
	return {
		...content,
		tensors: content.tensors.map((tensor) => {
			const other = bySource.get(tensor.source);
			return other ? { ...tensor, type: other.type, source: other.bytes } : tensor;
		}),
	};
}

/** Bytes that the healed tensors take in addition to those they replace. */
export function addedBytes(file: GgufFile, healed: readonly HealedTensor[]): number {
	return healed.reduce((sum, { name, bytes }) => sum + bytes.length - (file.tensor(name)?.source.size ?? 0), 0);
}

/** The same content with some tensors of the file in other types, to compute its size: their bytes are missing. @param types by the tensors' names in the file */
export function withTypes(content: GgufContent, file: GgufFile, types: ReadonlyMap<string, number>): GgufContent {
	const bySource = new Map<unknown, number>([...types].map(([name, type]) => [file.tensor(name)?.source, type]));
	return {
		...content,
		tensors: content.tensors.map((tensor) => {
			const type = bySource.get(tensor.source);
			if (type === undefined) return tensor;
			return { ...tensor, type, source: { path: "", offset: 0, size: tensorBytes(tensor.dims, type)! } };
		}),
	};
}

/** Type names for people and plans. */
export const healedTypeName = ggmlTypeName;

/** Id of the ggml type with a name from {@link healedTypeName}. */
export function healedTypeId(name: string): number {
	const id = Array.from({ length: 256 }, (_, i) => i).find((i) => ggmlTypeName(i) === name);
	if (id === undefined) throw new InvalidPlanError(`there is no ggml type ${shownText(name)}: the plan is damaged or from another version`);
	return id;
}
