import { EvaluationError } from "../../errors.js";
import { ggmlType, ggmlTypeName, isWeightType, tensorBytes } from "../gguf/ggml-types.js";

/** Values for a tensor: bytes in ggml's layout of a type. */
export interface TensorValues {
	/** Id of the ggml type. */
	readonly type: number;
	readonly bytes: Uint8Array;
}

/** The tensor of a file that gets other values. */
export interface ReplacedTensor {
	readonly name: string;
	readonly dims: readonly number[];
	readonly type: number;
}

const FLOAT32 = 0;

/** A matrix may have any type of weights; a vector is added or multiplied value by value, which needs its own type or 32-bit numbers. */
function canHave({ dims, type }: ReplacedTensor, wanted: number): boolean {
	if (wanted === type || wanted === FLOAT32) return true;
	return dims.slice(1).some((dim) => dim > 1) && isWeightType(wanted);
}

/** llama.cpp ends the process for values of another shape or kind. @throws EvaluationError if they do not fit the tensor */
export function checkTensorValues(tensor: ReplacedTensor, { type, bytes }: TensorValues): void {
	const { name, dims } = tensor;
	const layout = ggmlType(type);
	const shape = dims.join(" x ");
	if (!layout || dims[0]! % layout.blockSize !== 0 || !canHave(tensor, type))
		throw new EvaluationError(`${name} of ${shape} values cannot have the ggml type ${layout ? ggmlTypeName(type) : type}`);
	const wanted = tensorBytes(dims, type);
	if (wanted !== bytes.length)
		throw new EvaluationError(`${name} of ${shape} values takes ${wanted} bytes of type ${ggmlTypeName(type)}, not ${bytes.length}`);
}
