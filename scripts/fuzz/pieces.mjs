// A GGUF header as a list of its fields, so that each can be changed by itself and the file written again.

/** Bytes of a value of each GGUF type; a string (8) and an array (9) have their own length. */
export const TYPE_SIZES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const STRING = 8;
const ARRAY = 9;

/**
 * @typedef {object} Piece One field.
 * @property {string} part "header", "key" (a metadata entry) or "tensor"
 * @property {number} index of the entry or tensor
 * @property {string} field what the bytes are, such as "keyLength"
 * @property {string} owner the entry's key, or the tensor's name
 * @property {Buffer} bytes
 */

/**
 * Splits a sound GGUF file.
 * @param {Buffer} file
 * @returns {{ pieces: Piece[], data: Buffer }} the fields of its header in order, and the tensors' bytes
 * @throws {RangeError} if it is not sound
 */
export function splitGguf(file) {
	const pieces = [];
	let at = 0;
	let part = "header";
	let index = 0;
	let owner = "";
	const within = (end) => {
		if (!(end <= file.length)) throw new RangeError(`the file ends before byte ${end}`);
	};
	const take = (field, size) => {
		within(at + size);
		const bytes = Buffer.from(file.subarray(at, at + size));
		at += size;
		pieces.push({ part, index, field, owner, bytes });
		return bytes;
	};
	const takeString = (field) => {
		const length = Number(take(`${field}Length`, 8).readBigUInt64LE());
		return take(field, length).toString("utf8");
	};
	const takeValue = (type) => {
		if (type === STRING) return void takeString("value");
		if (type !== ARRAY) return void take(`value:${type}`, TYPE_SIZES[type] ?? Number.NaN);
		const element = take("arrayType", 4).readUInt32LE();
		const length = Number(take("arrayLength", 8).readBigUInt64LE());
		if (element === STRING) {
			const start = at;
			for (let i = 0; i < length; i++) {
				within(at + 8);
				at += 8 + Number(file.readBigUInt64LE(at));
			}
			const size = at - start;
			at = start;
			take("arrayStrings", size);
		} else take(`arrayValues:${element}`, length * (TYPE_SIZES[element] ?? Number.NaN));
	};

	take("magic", 4);
	take("version", 4);
	const tensors = Number(take("tensorCount", 8).readBigUInt64LE());
	const entries = Number(take("entryCount", 8).readBigUInt64LE());
	part = "key";
	for (index = 0; index < entries; index++) {
		const first = pieces.length;
		owner = takeString("key");
		for (const piece of pieces.slice(first)) piece.owner = owner;
		takeValue(take("type", 4).readUInt32LE());
	}
	part = "tensor";
	for (index = 0; index < tensors; index++) {
		const first = pieces.length;
		owner = takeString("name");
		for (const piece of pieces.slice(first)) piece.owner = owner;
		const dimensions = take("dimensionCount", 4).readUInt32LE();
		for (let i = 0; i < dimensions; i++) take("dimension", 8);
		take("tensorType", 4);
		take("offset", 8);
	}
	const alignment = 32;
	return { pieces, data: file.subarray(Math.ceil(at / alignment) * alignment) };
}

/**
 * Writes the fields and the tensors' bytes, padded between.
 * @param {{ pieces: Piece[], data: Buffer, alignment?: number }} content
 * @returns {Buffer}
 */
export function joinGguf({ pieces, data, alignment = 32 }) {
	const header = Buffer.concat(pieces.map(({ bytes }) => bytes));
	return Buffer.concat([header, Buffer.alloc((alignment - (header.length % alignment)) % alignment), data]);
}

/** Where each field begins in the written file. */
export function offsetsOf(pieces) {
	let at = 0;
	return pieces.map(({ bytes }) => {
		const offset = at;
		at += bytes.length;
		return offset;
	});
}
