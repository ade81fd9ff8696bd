import type { FileState } from "../../storage/file-state.js";
import { Cursor } from "./cursor.js";
import { openForReading } from "./io.js";
import { locateTensors, type TensorInfo } from "./layout.js";
import {
	ALIGNMENT_KEY,
	alignUp,
	DEFAULT_ALIGNMENT,
	type GgufEntry,
	type GgufTensor,
	type GgufValueType,
	isAlignment,
	MAX_DIMS,
	MAX_NAME_BYTES,
	VALUE_BYTES,
	VALUE_TYPES,
} from "./types.js";
import { quotedText } from "../../storage/shown-text.js";

/** Arrays within arrays are copied up to this depth; llama.cpp itself loads none. */
const MAX_ARRAY_DEPTH = 4;
/** Far above any model. They limit the memory and time of a forged count, since llama.cpp compares each name with all earlier ones. */
export const MAX_TENSORS = 2 ** 16;
const MAX_ENTRIES = 2 ** 14;
const MIN_ENTRY_BYTES = 8 + 1 + 4 + 1;
const MIN_INFO_BYTES = 8 + 1 + 4 + 4 + 8;

export interface GgufHeader {
	readonly path: string;
	/** Size of the file in bytes. */
	readonly size: number;
	/** The file that was read, as it was when it was opened. */
	readonly state: FileState;
	/** Bytes before the tensors' data. */
	readonly headerBytes: number;
	readonly version: 2 | 3;
	readonly alignment: number;
	readonly entries: readonly GgufEntry[];
	readonly tensors: readonly GgufTensor[];
}

export interface GgufHeaderOptions {
	/** Largest header accepted, in bytes, of all shards together; a vocabulary of 262,144 tokens takes about 10 MB. @default 256 MiB */
	readonly maxHeaderBytes?: number;
}

export const defaultHeaderBytes = 2 ** 28;

/**
 * Reads everything of one file except the tensors' bytes, and checks it.
 * @throws InvalidGgufError that names the file, the byte offset and what was expected there
 * @throws FileError if the file cannot be opened
 */
export async function readGgufHeader(path: string, options: GgufHeaderOptions = {}): Promise<GgufHeader> {
	const { handle, ...state } = await openForReading(path);
	try {
		const cursor = new Cursor(handle, path, state.size, options.maxHeaderBytes ?? defaultHeaderBytes);
		const version = await cursor.run(() => readVersion(cursor));
		const counts = await cursor.run(() => readCounts(cursor));
		const spans = await readEntries(cursor, counts.entries);
		const alignment = readAlignment(cursor, spans);
		const infos = await readInfos(cursor, counts.tensors, alignment);
		const dataStart = infos.length > 0 ? alignUp(cursor.position, alignment) : cursor.position;
		return {
			path,
			size: state.size,
			state,
			headerBytes: cursor.position,
			version,
			alignment,
			entries: cutEntries(cursor, spans),
			tensors: locateTensors(cursor, infos, dataStart, alignment),
		};
	} finally {
		await handle.close();
	}
}

/** What to do about a file of another kind, by its first bytes. */
function adviceFor(found: string): string {
	// Git LFS leaves such a text in place of a large file.
	if (found === "vers") return "if it is a pointer of Git LFS, run git lfs pull, or download the model itself";
	if (/^\s*<[!hH?]/.test(found)) return "it looks like a web page, so download the model itself";
	return "give the path of one, or convert the model with llama.cpp's convert_hf_to_gguf.py";
}

function readVersion(cursor: Cursor): 2 | 3 {
	const magic = cursor.take(4, "the magic GGUF");
	const found = Buffer.from(cursor.bytes.subarray(magic, magic + 4)).toString("latin1");
	if (found !== "GGUF") cursor.fail(magic, "the magic GGUF", `${quotedText(found)}; this is not a GGUF file: ${adviceFor(found)}`);
	const at = cursor.position;
	const version = cursor.u32("the version");
	if (version === 2 || version === 3) return version;
	if ((version & 0xffff) === 0 && version !== 0) {
		cursor.fail(at, "a little-endian version 2 or 3", "the bytes of a big-endian file; convert it to little-endian first");
	}
	const hint = version === 1 ? "; llama.cpp no longer reads version 1, convert the model again" : "";
	return cursor.fail(at, "version 2 or 3", `version ${version}${hint}`);
}

function readCounts(cursor: Cursor): { tensors: number; entries: number } {
	const at = cursor.position;
	const tensors = cursor.count("tensors", MIN_INFO_BYTES);
	const entries = cursor.count("metadata keys", MIN_ENTRY_BYTES);
	if (tensors > MAX_TENSORS) cursor.fail(at, `at most ${MAX_TENSORS} tensors`, tensors);
	if (entries > MAX_ENTRIES) cursor.fail(at + 8, `at most ${MAX_ENTRIES} metadata keys`, entries);
	return { tensors, entries };
}

/** An entry whose value is known by its place in the header. */
interface EntrySpan {
	readonly key: string;
	readonly type: GgufValueType;
	readonly itemType: GgufValueType | undefined;
	readonly start: number;
	readonly end: number;
}

async function readEntries(cursor: Cursor, count: number): Promise<Map<string, EntrySpan>> {
	const spans = new Map<string, EntrySpan>();
	await cursor.run(() => {
		while (spans.size < count) {
			const span = readEntry(cursor, spans);
			spans.set(span.key, span);
			cursor.commit();
		}
	});
	return spans;
}

function readEntry(cursor: Cursor, before: ReadonlyMap<string, EntrySpan>): EntrySpan {
	const at = cursor.position;
	const key = cursor.text("a key", 1, MAX_NAME_BYTES);
	if (before.has(key)) cursor.fail(at, "each key once", `${quotedText(key)} a second time`);
	const type = readType(cursor, key);
	const start = cursor.position;
	const itemType = skipValue(cursor, key, type, 0);
	return { key, type, itemType, start, end: cursor.position };
}

function readType(cursor: Cursor, key: string): GgufValueType {
	const at = cursor.position;
	const id = cursor.u32(`the type of ${quotedText(key)}`);
	return VALUE_TYPES[id] ?? cursor.fail(at, `a value type 0..${VALUE_TYPES.length - 1} for ${quotedText(key)}`, id);
}

/** Advances over a value and checks it; returns the item type of an array. */
function skipValue(cursor: Cursor, key: string, type: GgufValueType, depth: number): GgufValueType | undefined {
	if (type === "array") return skipArray(cursor, key, depth + 1);
	if (type === "string") cursor.take(cursor.u64(`the length of ${quotedText(key)}`), `the value of ${quotedText(key)}`);
	else skipFixed(cursor, key, type, 1);
	return undefined;
}

function skipArray(cursor: Cursor, key: string, depth: number): GgufValueType {
	const at = cursor.position;
	if (depth > MAX_ARRAY_DEPTH) cursor.fail(at, `arrays nested at most ${MAX_ARRAY_DEPTH} deep in ${quotedText(key)}`, "deeper ones");
	const itemType = readType(cursor, key);
	const count = cursor.count(`items of ${quotedText(key)}`, VALUE_BYTES[itemType]);
	if (itemType === "string") skipStrings(cursor, key, count);
	else if (itemType === "array") for (let i = 0; i < count; i++) skipArray(cursor, key, depth + 1);
	else skipFixed(cursor, key, itemType, count);
	return itemType;
}

function skipStrings(cursor: Cursor, key: string, count: number): void {
	const lengthName = `the length of a string of ${quotedText(key)}`;
	const name = `a string of ${quotedText(key)}`;
	for (let i = 0; i < count; i++) cursor.take(cursor.u64(lengthName), name);
}

function skipFixed(cursor: Cursor, key: string, type: GgufValueType, count: number): void {
	const start = cursor.take(count * VALUE_BYTES[type], `the value of ${quotedText(key)}`);
	if (type !== "bool") return;
	for (let at = start; at < cursor.position; at++) {
		if (cursor.bytes[at]! > 1) cursor.fail(at, `0 or 1 for a boolean of ${quotedText(key)}`, cursor.bytes[at]!);
	}
}

function readAlignment(cursor: Cursor, spans: ReadonlyMap<string, EntrySpan>): number {
	const span = spans.get(ALIGNMENT_KEY);
	if (!span) return DEFAULT_ALIGNMENT;
	if (span.type !== "uint32") cursor.fail(span.start, `${ALIGNMENT_KEY} as uint32`, span.type);
	const alignment = cursor.view.getUint32(span.start, true);
	if (!isAlignment(alignment)) cursor.fail(span.start, `a power of two as ${ALIGNMENT_KEY}`, alignment);
	return alignment;
}

/** The values as views of the metadata: of a copy of it if most of what was loaded is something else. */
function cutEntries(cursor: Cursor, spans: ReadonlyMap<string, EntrySpan>): GgufEntry[] {
	const list = [...spans.values()];
	const end = list.at(-1)?.end ?? 0;
	const header = 2 * end < cursor.bytes.length ? cursor.bytes.slice(0, end) : cursor.bytes.subarray(0, end);
	return list.map(({ key, type, itemType, start, end }) => {
		const raw = header.subarray(start, end);
		return itemType === undefined ? { key, type, raw } : { key, type, itemType, raw };
	});
}

async function readInfos(cursor: Cursor, count: number, alignment: number): Promise<TensorInfo[]> {
	const names = new Set<string>();
	const infos: TensorInfo[] = [];
	await cursor.run(() => {
		while (infos.length < count) {
			const info = readInfo(cursor, alignment);
			if (names.has(info.name)) cursor.fail(info.at, "each tensor name once", `${quotedText(info.name)} a second time`);
			names.add(info.name);
			infos.push(info);
			cursor.commit();
		}
	});
	return infos;
}

function readInfo(cursor: Cursor, alignment: number): TensorInfo {
	const at = cursor.position;
	const name = cursor.text("a tensor name", 1, MAX_NAME_BYTES);
	const quoted = quotedText(name);
	const rankAt = cursor.position;
	const rank = cursor.u32(`the number of dimensions of ${quoted}`);
	if (rank > MAX_DIMS) cursor.fail(rankAt, `at most ${MAX_DIMS} dimensions for tensor ${quoted}`, rank);
	const dims: number[] = [];
	for (let i = 0; i < rank; i++) {
		const dimAt = cursor.position;
		const dim = cursor.u64(`dimension ${i} of tensor ${quoted}`);
		if (dim === 0) cursor.fail(dimAt, `a positive dimension ${i} of tensor ${quoted}`, 0);
		dims.push(dim);
	}
	const type = cursor.u32(`the type of tensor ${quoted}`);
	const offsetAt = cursor.position;
	const offset = cursor.u64(`the offset of tensor ${quoted}`);
	if (offset % alignment !== 0) cursor.fail(offsetAt, `an offset of tensor ${quoted} that is a multiple of ${alignment}`, offset);
	return { at, offsetAt, name, dims, type, offset };
}
