import { EvaluationError } from "../../errors.js";
import { ggmlType, ggmlTypeName, tensorBytes } from "../gguf/ggml-types.js";

/** Values for a tensor: bytes in ggml's layout of a type. */
export interface TensorValues {
	/** Id of the ggml type. */
	readonly type: number;
	readonly bytes: Uint8Array;
}

/** llama.cpp ends the process for values of another shape. @throws EvaluationError if they do not fit a tensor of that shape */
export function checkTensorValues(name: string, dims: readonly number[], { type, bytes }: TensorValues): void {
	const layout = ggmlType(type);
	const shape = dims.join(" x ");
	if (!layout || dims[0]! % layout.blockSize !== 0)
		throw new EvaluationError(`${name} of ${shape} values cannot have the ggml type ${layout ? ggmlTypeName(type) : type}`);
	const wanted = tensorBytes(dims, type);
	if (wanted !== bytes.length)
		throw new EvaluationError(`${name} of ${shape} values takes ${wanted} bytes of type ${ggmlTypeName(type)}, not ${bytes.length}`);
}
