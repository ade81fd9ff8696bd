export { checkAsRead } from "./as-read.js";
export { blockOfTensor } from "./block-names.js";
export { contentOf, GgufFile } from "./file.js";
export { ggmlTypeName, tensorBytes } from "./ggml-types.js";
export type { GgufContent, GgufContentTensor, GgufEntry, GgufScalarType, GgufTensor } from "./types.js";
export { decodeValue, encodeEntry } from "./value.js";
export { writeGguf, writtenSize } from "./writer.js";
