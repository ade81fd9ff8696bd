// Copies of a binary for Linux that cannot be used, each for another reason: for tests, and for try-faults.mjs.
import { readFileSync } from "node:fs";

/** Machine code: an instruction that no processor has, a jump to itself, and a write to address zero. */
const machineCode = {
	x64: { illegal: [0x0f, 0x0b], endless: [0xeb, 0xfe], outside: [0x31, 0xc0, 0x89, 0x00] },
	arm64: { illegal: [0, 0, 0, 0], endless: [0, 0, 0, 0x14], outside: [0, 0, 0x80, 0xd2, 0, 0, 0, 0xf9] },
};

/** Whether the copies below can be made: Linux, on one of two kinds of processors. */
export const canDamage = process.platform === "linux" && process.arch in machineCode;

/** Kinds of damage to an ELF file, and what is made of its bytes. */
const damages = {
	"cut short": (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2)),
	"cut short after its header": (bytes) => bytes.subarray(0, 4096),
	"a text": () => Buffer.from("not found\n".repeat(20)),
	empty: () => Buffer.alloc(0),
	"of another processor": (bytes) => {
		bytes.writeUInt16LE(process.arch === "x64" ? 183 : 62, 18);
		return bytes;
	},
	"of another C library": (bytes) => replaceAll(bytes, /GLIBC_2\.\d\d\0/g, "GLIBC_2.99\0"),
	"with a library that is missing": (bytes) => replaceAll(bytes, /libm\.so\.6\0/g, "libm.so.7\0"),
	"with an illegal instruction": (bytes) => atEntry(bytes, codes().illegal),
	"with a write outside its memory": (bytes) => atEntry(bytes, codes().outside),
	"without an end": (bytes) => atEntry(bytes, codes().endless),
	"without its entry": (bytes) => replaceAll(bytes, /napi_register_module_v1\0/g, "napi_register_module_v0\0"),
};

const codes = () => machineCode[process.arch];

/**
 * The bytes of a binary, damaged.
 * @param {string} addon path of a binary that works
 * @param {keyof typeof damages} damage
 * @returns {Buffer}
 * @throws {Error} if the damage changes nothing
 */
export function damaged(addon, damage) {
	const made = damages[damage](readFileSync(addon));
	if (made.equals(readFileSync(addon))) throw new Error(`the copy is not ${damage}`);
	return made;
}

function replaceAll(bytes, pattern, by) {
	return Buffer.from(bytes.toString("latin1").replaceAll(pattern, by), "latin1");
}

/** Writes machine code where Node.js enters the addon. */
function atEntry(bytes, code) {
	Buffer.from(code).copy(bytes, offsetOf(bytes, "napi_register_module_v1"));
	return bytes;
}

/** Place of a function of a 64-bit ELF file: its address, less that of the section that holds it. */
function offsetOf(bytes, name) {
	const sections = Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => {
		const at = Number(bytes.readBigUInt64LE(40)) + i * bytes.readUInt16LE(58);
		const [address, offset, size] = [16, 24, 32].map((field) => Number(bytes.readBigUInt64LE(at + field)));
		return { type: bytes.readUInt32LE(at + 4), link: bytes.readUInt32LE(at + 40), address, offset, size };
	});
	const symbols = sections.find(({ type }) => type === 11);
	const names = sections[symbols.link];
	for (let at = symbols.offset; at < symbols.offset + symbols.size; at += 24) {
		const start = names.offset + bytes.readUInt32LE(at);
		if (bytes.toString("latin1", start, bytes.indexOf(0, start)) !== name) continue;
		const address = Number(bytes.readBigUInt64LE(at + 8));
		const holder = sections.find((one) => one.address > 0 && address >= one.address && address < one.address + one.size);
		return holder.offset + address - holder.address;
	}
	throw new Error(`there is no symbol ${name}`);
}
