export { blockOfTensor } from "./block-names.js";
export { contentOf, GgufFile, type ReadOptions } from "./file.js";
export { ggmlType, ggmlTypeName, tensorBytes } from "./ggml-types.js";
export type { WriteOptions } from "./sink.js";
export { withoutSplitKeys } from "./split.js";
export type {
	GgufContent,
	GgufContentTensor,
	GgufEntry,
	GgufScalarType,
	GgufTensor,
	GgufTensorSource,
	GgufValue,
	GgufValueType,
} from "./types.js";
export { arrayLength, decodeValue, encodeEntry } from "./value.js";
export { writeGguf, writtenSize } from "./writer.js";
