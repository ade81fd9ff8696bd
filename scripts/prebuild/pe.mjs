// Reads what a library for Windows asks of the system: 64-bit PE.
import { cString } from "./elf.mjs";

const EXPORTS = 0;
const IMPORTS = 1;
const DELAYED_IMPORTS = 13;
const machines = { 34404: "x64", 43620: "arm64" };

/**
 * @param {Buffer} bytes the file
 * @returns {{ arch: string, imports: Record<string, string[]>, delayed: string[], exported: string[], timestamp: number }} functions that it
 * takes, by library in lower case; libraries that it loads later; names that it gives
 * @throws {Error} if it is no such file
 */
export function readPe(bytes) {
	const start = bytes.length > 64 && bytes.toString("latin1", 0, 2) === "MZ" ? bytes.readUInt32LE(60) : -1;
	if (start < 0 || bytes.toString("latin1", start, start + 4) !== "PE\0\0") throw new Error("this is not a PE file");
	const optional = start + 24;
	if (bytes.readUInt16LE(optional) !== 0x20b) throw new Error("this is not a 64-bit PE file");
	const sections = sectionsOf(bytes, optional + bytes.readUInt16LE(start + 20), bytes.readUInt16LE(start + 6));
	const place = (address) => {
		const section = sections.find(({ from, size }) => address >= from && address < from + size);
		if (!section) throw new Error("the file is cut off");
		return address - section.from + section.offset;
	};
	const directory = (number) => bytes.readUInt32LE(optional + 112 + 8 * number);
	return {
		arch: machines[bytes.readUInt16LE(start + 4)] ?? `machine ${bytes.readUInt16LE(start + 4)}`,
		timestamp: bytes.readUInt32LE(start + 8),
		imports: importsOf(bytes, directory(IMPORTS), place),
		delayed: delayedOf(bytes, directory(DELAYED_IMPORTS), place),
		exported: exportsOf(bytes, directory(EXPORTS), place),
	};
}

function sectionsOf(bytes, start, count) {
	return Array.from({ length: count }, (_, i) => {
		const at = start + 40 * i;
		return { size: bytes.readUInt32LE(at + 8), from: bytes.readUInt32LE(at + 12), offset: bytes.readUInt32LE(at + 20) };
	});
}

function importsOf(bytes, address, place) {
	const found = {};
	if (address === 0) return found;
	for (let at = place(address); bytes.readUInt32LE(at + 12) !== 0; at += 20) {
		const library = cString(bytes, place(bytes.readUInt32LE(at + 12))).toLowerCase();
		found[library] ??= [];
		const names = place(bytes.readUInt32LE(at) || bytes.readUInt32LE(at + 16));
		for (let i = 0; bytes.readBigUInt64LE(names + 8 * i) !== 0n; i++) {
			const name = bytes.readBigUInt64LE(names + 8 * i);
			// The highest bit is set where a function is asked for by its number.
			found[library].push(name >> 63n ? `#${name & 0xffffn}` : cString(bytes, place(Number(name)) + 2));
		}
	}
	return found;
}

function delayedOf(bytes, address, place) {
	const found = [];
	if (address === 0) return found;
	for (let at = place(address); bytes.readUInt32LE(at + 4) !== 0; at += 32)
		found.push(cString(bytes, place(bytes.readUInt32LE(at + 4))).toLowerCase());
	return found;
}

function exportsOf(bytes, address, place) {
	if (address === 0) return [];
	const table = place(address);
	const names = place(bytes.readUInt32LE(table + 32));
	return Array.from({ length: bytes.readUInt32LE(table + 24) }, (_, i) => cString(bytes, place(bytes.readUInt32LE(names + 4 * i))));
}
