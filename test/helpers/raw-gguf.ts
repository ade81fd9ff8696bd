import { text, u32, u64 } from "./make-gguf.js";

// GGUF files made field by field, also wrong ones. Offsets: counts at 8 and 16, the first key at 24.

/** A file made by hand: the part after the magic. */
export const raw = (...parts: Uint8Array[]) => Buffer.concat([Buffer.from("GGUF"), ...parts, Buffer.alloc(64)]);
/** Version, number of tensors, number of keys. */
export const head = (tensors: number | bigint, entries: number | bigint, version = 3) => [u32(version), u64(tensors), u64(entries)];
/** A metadata entry of a type's id. */
export const key = (name: string, type: number, ...value: Uint8Array[]) => Buffer.concat([text(name), u32(type), ...value]);
/** A tensor as the header describes it. */
export const info = (name: string, dims: (number | bigint)[], type: number, offset: number | bigint) =>
	Buffer.concat([text(name), u32(dims.length), ...dims.map((dim) => u64(dim)), u32(type), u64(offset)]);
/** A file of one tensor, with 256 bytes of data. */
export const tensor = (...args: Parameters<typeof info>) => raw(...head(1, 0), info(...args), Buffer.alloc(256));
