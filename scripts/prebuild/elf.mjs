// Reads what a shared library for Linux asks of the system: 64-bit little-endian ELF.

const DYNAMIC = 6;
const DYNAMIC_SYMBOLS = 11;
const VERSIONS_NEEDED = 0x6ffffffe;
const NEEDED = 1n;
const machines = { 62: "x64", 183: "arm64" };

/**
 * @param {Buffer} bytes the file
 * @returns {{ arch: string, libraries: string[], versions: string[], undefined: string[], exported: string[], debug: boolean }} libraries
 * that it loads, versions of their symbols, symbols that it takes and gives, and whether it holds debugging information
 * @throws {Error} if it is no such file, or cut off
 */
export function readElf(bytes) {
	if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) throw new Error("this is not an ELF file");
	if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error("this is not a 64-bit little-endian ELF file");
	const sections = sectionsOf(bytes);
	const ofType = (type) => sections.find((section) => section.type === type);
	const textAt = (section, at) => cString(bytes, sections[section.link].offset + at);
	const dynamic = ofType(DYNAMIC);
	const symbols = symbolsOf(bytes, ofType(DYNAMIC_SYMBOLS), textAt);
	return {
		arch: machines[bytes.readUInt16LE(18)] ?? `machine ${bytes.readUInt16LE(18)}`,
		libraries: dynamic ? librariesOf(bytes, dynamic, textAt) : [],
		versions: versionsOf(bytes, ofType(VERSIONS_NEEDED), textAt),
		undefined: symbols.filter((symbol) => !symbol.defined).map((symbol) => symbol.name),
		exported: symbols.filter((symbol) => symbol.defined).map((symbol) => symbol.name),
		debug: sections.some((section) => /^\.(debug_|symtab)/.test(section.name)),
	};
}

function sectionsOf(bytes) {
	const start = Number(bytes.readBigUInt64LE(40));
	const [size, count, names] = [58, 60, 62].map((at) => bytes.readUInt16LE(at));
	const sections = Array.from({ length: count }, (_, i) => {
		const at = start + i * size;
		return {
			nameAt: bytes.readUInt32LE(at),
			type: bytes.readUInt32LE(at + 4),
			offset: Number(bytes.readBigUInt64LE(at + 24)),
			size: Number(bytes.readBigUInt64LE(at + 32)),
			link: bytes.readUInt32LE(at + 40),
			info: bytes.readUInt32LE(at + 44),
		};
	});
	return sections.map((section) => ({ ...section, name: cString(bytes, sections[names].offset + section.nameAt) }));
}

function librariesOf(bytes, section, textAt) {
	const found = [];
	for (let at = section.offset; at < section.offset + section.size; at += 16)
		if (bytes.readBigUInt64LE(at) === NEEDED) found.push(textAt(section, Number(bytes.readBigUInt64LE(at + 8))));
	return found;
}

function versionsOf(bytes, section, textAt) {
	const found = [];
	if (!section) return found;
	let at = section.offset;
	for (let i = 0; i < section.info; i++) {
		let entry = at + bytes.readUInt32LE(at + 8);
		for (let left = bytes.readUInt16LE(at + 2); left > 0; left--) {
			found.push(textAt(section, bytes.readUInt32LE(entry + 8)));
			entry += bytes.readUInt32LE(entry + 12);
		}
		at += bytes.readUInt32LE(at + 12);
	}
	return found;
}

function symbolsOf(bytes, section, textAt) {
	const found = [];
	if (!section) return found;
	// The first one is empty.
	for (let at = section.offset + 24; at < section.offset + section.size; at += 24)
		found.push({ name: textAt(section, bytes.readUInt32LE(at)), defined: bytes.readUInt16LE(at + 6) !== 0 });
	return found;
}

/** The text that ends with a zero byte. */
export function cString(bytes, at) {
	const end = bytes.indexOf(0, at);
	if (end < 0) throw new Error("the file is cut off");
	return bytes.toString("latin1", at, end);
}
