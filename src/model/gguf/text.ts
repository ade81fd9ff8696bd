// Keys, names and tokens should be UTF-8, but some files hold other bytes. A byte outside valid UTF-8 becomes the lone surrogate
// U+DC80..U+DCFF (0xDC00 + byte). No valid text decodes to these, so text -> bytes restores every byte.

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Text of `bytes`; every byte that is not UTF-8 is escaped so that `encodeText` restores it. */
export function decodeText(bytes: Uint8Array): string {
	try {
		return decoder.decode(bytes);
	} catch {
		return decodeEscaping(bytes);
	}
}

/** Bytes of `text`: UTF-8, with the escapes of `decodeText` turned back into their bytes. */
export function encodeText(text: string): Uint8Array {
	if (!LONE_SURROGATE.test(text)) return encoder.encode(text);
	const parts: Uint8Array[] = [];
	for (const part of text.split(/(\p{Surrogate})/u)) {
		const unit = part.charCodeAt(0);
		const escaped = part.length === 1 && unit >= 0xdc80 && unit <= 0xdcff;
		parts.push(escaped ? Uint8Array.of(unit - 0xdc00) : encoder.encode(part));
	}
	return Buffer.concat(parts);
}

/** Into one buffer: a list of pieces would take a hundred times the memory of text that is all escapes. */
function decodeEscaping(bytes: Uint8Array): string {
	const units = Buffer.allocUnsafe(2 * bytes.length);
	let end = 0;
	const put = (unit: number) => {
		end = units.writeUInt16LE(unit, end);
	};
	for (let i = 0; i < bytes.length; ) {
		const length = sequenceLength(bytes, i);
		if (length === 0) put(0xdc00 + bytes[i]!);
		else for (const unit of unitsOf(codePointAt(bytes, i, length))) put(unit);
		i += length || 1;
	}
	return units.toString("utf16le", 0, end);
}

function unitsOf(codePoint: number): readonly number[] {
	if (codePoint < 0x10000) return [codePoint];
	const beyond = codePoint - 0x10000;
	return [0xd800 + (beyond >> 10), 0xdc00 + (beyond & 0x3ff)];
}

/** The code point of a valid sequence: bits of its first byte, then six bits of each other. */
function codePointAt(bytes: Uint8Array, at: number, length: number): number {
	const lead = bytes[at]!;
	let point = length === 1 ? lead : lead & (0xff >> (length + 1));
	for (let i = 1; i < length; i++) point = (point << 6) | (bytes[at + i]! & 0x3f);
	return point;
}

/** Length of the UTF-8 sequence that starts at `at`, 0 if none does. */
function sequenceLength(bytes: Uint8Array, at: number): number {
	const lead = bytes[at]!;
	if (lead < 0x80) return 1;
	const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
	for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
	// The second byte has a smaller range after these: no overlong forms, no surrogates, nothing above U+10FFFF.
	const second = bytes[at + 1] ?? 0;
	if ((lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f)) return 0;
	if ((lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f)) return 0;
	return length;
}
