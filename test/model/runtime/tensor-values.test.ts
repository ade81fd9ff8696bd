import { expect, it } from "vitest";
import { tensorBytes } from "../../../src/model/gguf/ggml-types.js";
import { checkTensorValues } from "../../../src/model/runtime/tensor-values.js";

// ggml ends the process for a product with a type that it does not multiply: only what it knows may get there.

const FLOAT32 = 0;
const matrix = { name: "blk.0.ffn_down.weight", dims: [256, 128], type: 8 };
const norm = { name: "blk.0.ffn_norm.weight", dims: [256], type: FLOAT32 };
const values = ({ dims }: { dims: readonly number[] }, type: number) => ({ type, bytes: new Uint8Array(tensorBytes(dims, type)!) });

it("a matrix may have any type of weights, and no other", () => {
	for (const type of [0, 1, 2, 3, 6, 7, 8, 10, 14, 20, 30, 39]) expect(() => checkTensorValues(matrix, values(matrix, type))).not.toThrow();
	for (const type of [9, 15, 24, 25, 26, 27, 28])
		expect(() => checkTensorValues(matrix, values(matrix, type)), `type ${type}`).toThrow(/of 256 x 128 values cannot have the ggml type/);
	expect(() => checkTensorValues(matrix, { type: 999, bytes: new Uint8Array(4) })).toThrow(/cannot have the ggml type 999/);
});

it("a vector keeps its type, or has 32-bit numbers", () => {
	expect(() => checkTensorValues(norm, values(norm, FLOAT32))).not.toThrow();
	expect(() => checkTensorValues({ ...norm, type: 1 }, values(norm, 1))).not.toThrow();
	for (const type of [1, 8, 26])
		expect(() => checkTensorValues(norm, values(norm, type)), `type ${type}`).toThrow(/cannot have the ggml type/);
});

it("bytes of another number are refused", () => {
	expect(() => checkTensorValues(matrix, { type: FLOAT32, bytes: new Uint8Array(4) })).toThrow(/takes 131072 bytes of type F32, not 4/);
});
