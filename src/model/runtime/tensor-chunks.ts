import { InvalidOptionError } from "../../errors.js";
import { ggmlType, ggmlTypeName } from "../gguf/ggml-types.js";
import type { GgufTensor } from "../gguf/types.js";
import { canDequantize, dequantize } from "../gguf/dequantize.js";
import { openForReading, readFully } from "../gguf/io.js";
import { shownText } from "../../storage/shown-text.js";

/** Elements that are held at a time, approximately. */
const chunkElements = 2 ** 20;

/**
 * The values of a tensor, a piece at a time, in order.
 * @throws InvalidOptionError if its type cannot be dequantized here
 * @throws FileError, InvalidGgufError as in reading, or `signal.reason`
 */
export async function* tensorChunks(tensor: GgufTensor, signal?: AbortSignal): AsyncGenerator<Float32Array> {
	const layout = ggmlType(tensor.type);
	if (!layout || !canDequantize(tensor.type)) {
		throw new InvalidOptionError(
			`the weights of ${shownText(tensor.name)} are of type ${ggmlTypeName(tensor.type)}, which cannot be read here: choose another method than magnitude`,
		);
	}
	const { path, offset, size } = tensor.source;
	const blocks = size / layout.blockBytes;
	const perChunk = Math.max(1, Math.floor(chunkElements / layout.blockSize));
	const { handle } = await openForReading(path);
	try {
		for (let first = 0; first < blocks; first += perChunk) {
			signal?.throwIfAborted();
			const count = Math.min(perChunk, blocks - first);
			const bytes = new Uint8Array(count * layout.blockBytes);
			await readFully(handle, path, bytes, offset + first * layout.blockBytes);
			yield dequantize(bytes, tensor.type);
		}
	} finally {
		await handle.close();
	}
}
