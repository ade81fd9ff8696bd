import { InvalidGgufError } from "../../errors.js";
import { decodeText, encodeText } from "./text.js";
import { type GgufEntry, type GgufScalarType, type GgufValue, type GgufValueType, VALUE_BYTES, VALUE_TYPES } from "./types.js";
import { shownText } from "../../storage/shown-text.js";

/** Most items of a decoded array, including nested ones: sixteen times the largest vocabulary. A longer one would exhaust the heap. */
const MAX_ITEMS = 2 ** 22;

interface Reader {
	readonly key: string;
	readonly view: DataView;
	readonly bytes: Uint8Array;
	at: number;
	items: number;
}

/**
 * The value of an entry. Arrays are decoded completely, again on every call.
 * @throws InvalidGgufError for an array of more than 2^22 items
 */
export function decodeValue({ key, type, raw }: GgufEntry): GgufValue {
	return readValue({ key, view: new DataView(raw.buffer, raw.byteOffset, raw.byteLength), bytes: raw, at: 0, items: 0 }, type);
}

/** Number of items of an array, without decoding it; undefined for other values. */
export function arrayLength(entry: GgufEntry): number | undefined {
	if (entry.type !== "array") return undefined;
	return Number(new DataView(entry.raw.buffer, entry.raw.byteOffset, entry.raw.byteLength).getBigUint64(4, true));
}

function readValue(reader: Reader, type: GgufValueType): GgufValue {
	if (type === "array") return readArray(reader);
	if (type === "string") {
		const length = Number(reader.view.getBigUint64(reader.at, true));
		const start = reader.at + 8;
		reader.at = start + length;
		return decodeText(reader.bytes.subarray(start, reader.at));
	}
	const at = reader.at;
	reader.at += VALUE_BYTES[type];
	return readFixed(reader.view, at, type);
}

function readArray(reader: Reader): readonly GgufValue[] {
	const itemType = VALUE_TYPES[reader.view.getUint32(reader.at, true)]!;
	const count = Number(reader.view.getBigUint64(reader.at + 4, true));
	reader.at += VALUE_BYTES.array;
	reader.items += count;
	if (reader.items > MAX_ITEMS)
		throw new InvalidGgufError(`expected at most ${MAX_ITEMS} items in ${shownText(reader.key)}, found ${reader.items}`);
	const items: GgufValue[] = [];
	for (let i = 0; i < count; i++) items.push(readValue(reader, itemType));
	return items;
}

function readFixed(view: DataView, at: number, type: Exclude<GgufScalarType, "string">): number | bigint | boolean {
	switch (type) {
		case "uint8":
			return view.getUint8(at);
		case "int8":
			return view.getInt8(at);
		case "uint16":
			return view.getUint16(at, true);
		case "int16":
			return view.getInt16(at, true);
		case "uint32":
			return view.getUint32(at, true);
		case "int32":
			return view.getInt32(at, true);
		case "float32":
			return view.getFloat32(at, true);
		case "float64":
			return view.getFloat64(at, true);
		case "bool":
			return view.getUint8(at) !== 0;
		case "uint64":
			return narrow(view.getBigUint64(at, true));
		case "int64":
			return narrow(view.getBigInt64(at, true));
	}
}

function narrow(value: bigint): number | bigint {
	const number = Number(value);
	return Number.isSafeInteger(number) ? number : value;
}

/**
 * An entry of the given type and value. `itemType` is needed for arrays, also for empty ones. Arrays of arrays can be copied from a file
 * but not made.
 * @throws RangeError if the value does not fit the type
 * @example encodeEntry("llama.block_count", "uint32", 12)
 * @example encodeEntry("gemma3.attention.sliding_window_pattern", "array", [true, false], "bool")
 */
export function encodeEntry(key: string, type: GgufValueType, value: GgufValue, itemType?: GgufScalarType): GgufEntry {
	if (type !== "array") return { key, type, raw: encodeScalar(key, type, value) };
	if (itemType === undefined) throw new RangeError(`${key}: an array needs an item type (itemType)`);
	if (!Array.isArray(value)) throw new RangeError(`${key}: expected an array, got ${typeof value}`);
	const head = new Uint8Array(VALUE_BYTES.array);
	const view = new DataView(head.buffer);
	view.setUint32(0, VALUE_TYPES.indexOf(itemType), true);
	view.setBigUint64(4, BigInt(value.length), true);
	const items = value.map((item: GgufValue) => encodeScalar(key, itemType, item));
	return { key, type, itemType, raw: new Uint8Array(Buffer.concat([head, ...items])) };
}

function encodeScalar(key: string, type: GgufScalarType, value: GgufValue): Uint8Array {
	if (type === "string") {
		if (typeof value !== "string") throw unfit(key, type, value);
		const text = encodeText(value);
		const raw = new Uint8Array(8 + text.length);
		new DataView(raw.buffer).setBigUint64(0, BigInt(text.length), true);
		raw.set(text, 8);
		return raw;
	}
	const raw = new Uint8Array(VALUE_BYTES[type]);
	writeFixed(new DataView(raw.buffer), key, type, value);
	return raw;
}

function writeFixed(view: DataView, key: string, type: Exclude<GgufScalarType, "string">, value: GgufValue): void {
	if (type === "bool") {
		if (typeof value !== "boolean") throw unfit(key, type, value);
		view.setUint8(0, value ? 1 : 0);
	} else if (type === "float32" || type === "float64") {
		if (typeof value !== "number") throw unfit(key, type, value);
		if (type === "float32") view.setFloat32(0, value, true);
		else view.setFloat64(0, value, true);
	} else {
		writeInteger(view, key, type, value);
	}
}

type IntegerType = Exclude<GgufScalarType, "string" | "bool" | "float32" | "float64">;

function writeInteger(view: DataView, key: string, type: IntegerType, value: GgufValue): void {
	if (typeof value !== "bigint" && !(typeof value === "number" && Number.isSafeInteger(value))) throw unfit(key, type, value);
	const integer = BigInt(value);
	const bits = 8 * view.byteLength;
	const unsigned = type.startsWith("u");
	if (integer !== (unsigned ? BigInt.asUintN(bits, integer) : BigInt.asIntN(bits, integer))) throw unfit(key, type, value);
	// Two's complement: the low bytes are the same whether the type is signed or not.
	const pattern = BigInt.asUintN(bits, integer);
	for (let i = 0; i < view.byteLength; i++) view.setUint8(i, Number((pattern >> BigInt(8 * i)) & 0xffn));
}

function unfit(key: string, type: GgufValueType, value: GgufValue): RangeError {
	const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40);
	return new RangeError(`${shownText(key)}: expected a value that fits ${type}, got ${shown}`);
}
