import { type Cursor, cutShort } from "./cursor.js";
import { tensorBytes } from "./ggml-types.js";
import type { GgufTensor } from "./types.js";
import { quotedText } from "../../storage/shown-text.js";

/** A tensor as the header describes it. */
export interface TensorInfo {
	/** Offset of its entry in the header. */
	readonly at: number;
	readonly offsetAt: number;
	readonly name: string;
	readonly dims: readonly number[];
	readonly type: number;
	/** Offset from the beginning of the data. */
	readonly offset: number;
}

/**
 * Where each tensor's bytes are. A tensor of unknown type reaches to the next one, or to the end of the file.
 * @throws InvalidGgufError if tensors overlap or leave the file
 */
export function locateTensors(cursor: Cursor, infos: readonly TensorInfo[], dataStart: number, alignment: number): GgufTensor[] {
	const ascending = [...infos].sort((a, b) => a.offset - b.offset);
	const limits = new Map<TensorInfo, { end: number; next: TensorInfo | undefined }>();
	ascending.forEach((info, i) => {
		const next = ascending[i + 1];
		limits.set(info, { end: next ? dataStart + next.offset : cursor.fileSize, next });
	});
	return infos.map((info) => {
		const offset = dataStart + info.offset;
		const { end, next } = limits.get(info)!;
		const size = sizeOf(cursor, info) ?? Math.max(end - offset, 1);
		if (offset + size > cursor.fileSize) {
			const found = `a file of ${cursor.fileSize}; ${cutShort}`;
			cursor.fail(info.offsetAt, `${size} bytes for tensor ${quotedText(info.name)} from byte ${offset} on`, found);
		}
		if (offset + size > end) {
			const found = `tensor ${quotedText(next?.name ?? "")} inside them (data aligned to ${alignment})`;
			cursor.fail(info.offsetAt, `${size} bytes for tensor ${quotedText(info.name)} from byte ${offset} on`, found);
		}
		return { name: info.name, dims: info.dims, type: info.type, source: { path: cursor.path, offset, size } };
	});
}

function sizeOf(cursor: Cursor, info: TensorInfo): number | undefined {
	try {
		return tensorBytes(info.dims, info.type);
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		return cursor.refuse(info.at, `tensor ${quotedText(info.name)}: ${error.message}`);
	}
}
