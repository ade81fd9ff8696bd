import type { FileHandle } from "node:fs/promises";
import { tensorBytes } from "./ggml-types.js";
import { openForReading } from "./io.js";
import { Sink, type GgufWriteOptions } from "./sink.js";
import { encodeText } from "./text.js";
import {
	ALIGNMENT_KEY,
	alignUp,
	DEFAULT_ALIGNMENT,
	type GgufContent,
	type GgufContentTensor,
	isAlignment,
	MAX_DIMS,
	MAX_NAME_BYTES,
	VALUE_TYPES,
	type WritableFile,
} from "./types.js";
import { decodeValue } from "./value.js";
import { quotedText } from "../../storage/shown-text.js";

const FIXED_HEADER_BYTES = 4 + 4 + 8 + 8;

/**
 * Size of the file that `writeGguf` makes from this content, in bytes.
 * @throws RangeError if the content contradicts itself
 */
export function writtenSize(content: GgufContent): number {
	checkContent(content);
	return content.tensors.reduce(
		(size, tensor) => size + alignUp(sizeOf(tensor), content.alignment),
		alignUp(headerBytes(content), content.alignment),
	);
}

/**
 * Writes a GGUF file from the beginning of `handle`: header, then the tensors in order, each padded to the alignment. Offsets are
 * computed again; everything else is written as given. Memory use does not depend on the size of the tensors.
 * @throws RangeError if the content contradicts itself, before anything is written
 * @throws InvalidGgufError if a source has become shorter
 * @throws the signal's reason once it is aborted
 */
export async function writeGguf(handle: WritableFile, content: GgufContent, options: GgufWriteOptions = {}): Promise<void> {
	options.signal?.throwIfAborted();
	const total = writtenSize(content);
	const sink = new Sink(handle, total, options);
	await writeHeader(sink, content);
	await writeData(sink, content);
	await sink.flush();
	if (sink.position !== total) throw new Error(`wrote ${sink.position} bytes where ${total} were meant`);
}

async function writeHeader(sink: Sink, content: GgufContent): Promise<void> {
	await sink.bytes(Buffer.from("GGUF", "latin1"));
	await sink.bytes(uint32(content.version));
	await sink.bytes(uint64(content.tensors.length));
	await sink.bytes(uint64(content.entries.length));
	for (const { key, type, raw } of content.entries) {
		await writeText(sink, key);
		await sink.bytes(uint32(VALUE_TYPES.indexOf(type)));
		await sink.bytes(raw);
	}
	let offset = 0;
	for (const tensor of content.tensors) {
		await writeText(sink, tensor.name);
		await sink.bytes(uint32(tensor.dims.length));
		for (const dim of tensor.dims) await sink.bytes(uint64(dim));
		await sink.bytes(uint32(tensor.type));
		await sink.bytes(uint64(offset));
		offset += alignUp(sizeOf(tensor), content.alignment);
	}
	await writePadding(sink, content.alignment);
}

async function writeData(sink: Sink, content: GgufContent): Promise<void> {
	const handles = new Map<string, FileHandle>();
	try {
		for (const { source } of content.tensors) {
			if (source instanceof Uint8Array) await sink.bytes(source);
			else {
				const handle = handles.get(source.path) ?? (await openForReading(source.path)).handle;
				handles.set(source.path, handle);
				await sink.copy(handle, source.path, source.offset, source.size);
			}
			await writePadding(sink, content.alignment);
		}
	} finally {
		for (const handle of handles.values()) await handle.close();
	}
}

async function writeText(sink: Sink, text: string): Promise<void> {
	const bytes = encodeText(text);
	await sink.bytes(uint64(bytes.length));
	await sink.bytes(bytes);
}

async function writePadding(sink: Sink, alignment: number): Promise<void> {
	await sink.zeros(alignUp(sink.position, alignment) - sink.position);
}

function uint32(value: number): Uint8Array {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}

function uint64(value: number): Uint8Array {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes;
}

function sizeOf({ source }: GgufContentTensor): number {
	return source instanceof Uint8Array ? source.length : source.size;
}

function headerBytes(content: GgufContent): number {
	let size = FIXED_HEADER_BYTES;
	for (const { key, raw } of content.entries) size += 8 + encodeText(key).length + 4 + raw.length;
	for (const { name, dims } of content.tensors) size += 8 + encodeText(name).length + 4 + 8 * dims.length + 4 + 8;
	return size;
}

function checkContent(content: GgufContent): void {
	checkAlignment(content);
	checkNames(
		"key",
		content.entries.map((entry) => entry.key),
	);
	checkNames(
		"tensor",
		content.tensors.map((tensor) => tensor.name),
	);
	for (const tensor of content.tensors) checkTensor(tensor);
}

function checkAlignment({ version, alignment, entries }: GgufContent): void {
	if (version !== 2 && version !== 3) throw new RangeError(`GGUF version must be 2 or 3, got ${version}`);
	if (!isAlignment(alignment)) throw new RangeError(`alignment must be a power of two below 2^32, got ${alignment}`);
	const entry = entries.find(({ key }) => key === ALIGNMENT_KEY);
	const stated = entry ? decodeValue(entry) : DEFAULT_ALIGNMENT;
	if (stated !== alignment || (entry && entry.type !== "uint32")) {
		throw new RangeError(
			`alignment ${alignment} must equal the key ${ALIGNMENT_KEY} (uint32; ${DEFAULT_ALIGNMENT} without it), got ${stated}`,
		);
	}
}

function checkNames(what: string, names: readonly string[]): void {
	const seen = new Set<string>();
	for (const name of names) {
		if (seen.has(name)) throw new RangeError(`${what} ${quotedText(name)} is there twice`);
		seen.add(name);
		const { length } = encodeText(name);
		if (length < 1 || length > MAX_NAME_BYTES) throw new RangeError(`a ${what} name has 1 to ${MAX_NAME_BYTES} bytes, got ${length}`);
	}
}

function checkTensor(tensor: GgufContentTensor): void {
	const quoted = quotedText(tensor.name);
	if (tensor.dims.length > MAX_DIMS || !tensor.dims.every((dim) => Number.isSafeInteger(dim) && dim > 0)) {
		throw new RangeError(`tensor ${quoted}: expected at most ${MAX_DIMS} positive dimensions, got ${tensor.dims.join(" x ")}`);
	}
	const size = sizeOf(tensor);
	const expected = tensorBytes(tensor.dims, tensor.type) ?? size;
	if (size !== expected || size < 1) throw new RangeError(`tensor ${quoted}: expected ${expected} bytes of data, got ${size}`);
}
