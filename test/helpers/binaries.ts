import { createHash } from "node:crypto";
import { copyFileSync, cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BinaryFacts } from "../../src/model/runtime/binary/binary-facts.js";
import { llamaPin, packageVersion } from "../../src/model/runtime/paths.js";

const repository = fileURLToPath(new URL("../..", import.meta.url));

// Copies of the addon that cannot be used, each for another reason.

/** Facts of a binary that fits this machine. */
export const fittingFacts: BinaryFacts = {
	...{ name: "here", platform: process.platform, arch: process.arch, libc: null, libcVersion: null, level: "baseline", needs: [] },
	...{ compiler: "made up 1.0", llamaCpp: llamaPin.version, packageVersion, sha256: "0".repeat(64), bytes: 1 },
};

/** Puts a binary into a folder of its own, with what is written beside it. @returns its path */
export function placeBinary(folder: string, bytes: Uint8Array, facts: Partial<BinaryFacts> | undefined): string {
	mkdirSync(folder, { recursive: true });
	const path = join(folder, "prune_gguf.node");
	writeFileSync(path, bytes);
	const sha256 = createHash("sha256").update(bytes).digest("hex");
	if (facts) writeFileSync(join(folder, "binary.json"), JSON.stringify({ ...fittingFacts, sha256, bytes: bytes.length, ...facts }));
	return path;
}

/** Machine code: an instruction that no processor has, a jump to itself, and a write to address zero. */
const machineCode = {
	x64: { illegal: [0x0f, 0x0b], endless: [0xeb, 0xfe], outside: [0x31, 0xc0, 0x89, 0x00] },
	arm64: { illegal: [0, 0, 0, 0], endless: [0, 0, 0, 0x14], outside: [0, 0, 0x80, 0xd2, 0, 0, 0, 0xf9] },
} as const;

/** Whether the copies below can be made: Linux, on one of two kinds of processors. */
export const canDamage = process.platform === "linux" && process.arch in machineCode;

/** Kinds of damage to an ELF file, and what is made of its bytes. */
export const damages = {
	"cut short": (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2)),
	"cut short after its header": (bytes: Buffer) => bytes.subarray(0, 4096),
	"a text": () => Buffer.from("not found\n".repeat(20)),
	empty: () => Buffer.alloc(0),
	"of another processor": (bytes: Buffer) => {
		bytes.writeUInt16LE(process.arch === "x64" ? 183 : 62, 18);
		return bytes;
	},
	"of another C library": (bytes: Buffer) => replaceAll(bytes, /GLIBC_2\.\d\d\0/g, "GLIBC_2.99\0"),
	"with a library that is missing": (bytes: Buffer) => replaceAll(bytes, /libm\.so\.6\0/g, "libm.so.7\0"),
	"with an illegal instruction": (bytes: Buffer) => atEntry(bytes, codes().illegal),
	"with a write outside its memory": (bytes: Buffer) => atEntry(bytes, codes().outside),
	"without an end": (bytes: Buffer) => atEntry(bytes, codes().endless),
	"without its entry": (bytes: Buffer) => replaceAll(bytes, /napi_register_module_v1\0/g, "napi_register_module_v0\0"),
} as const satisfies Readonly<Record<string, (bytes: Buffer) => Buffer>>;

export type Damage = keyof typeof damages;

const codes = () => machineCode[process.arch as keyof typeof machineCode];

/** The bytes of a binary, damaged. */
export function damaged(addon: string, damage: Damage): Buffer {
	const bytes = readFileSync(addon);
	const made: Buffer = damages[damage](bytes);
	if (made.equals(readFileSync(addon))) throw new Error(`the copy is not ${damage}`);
	return made;
}

function replaceAll(bytes: Buffer, pattern: RegExp, by: string): Buffer {
	return Buffer.from(bytes.toString("latin1").replaceAll(pattern, by), "latin1");
}

/** Writes machine code where Node.js enters the addon. */
function atEntry(bytes: Buffer, code: readonly number[]): Buffer {
	Buffer.from(code).copy(bytes, offsetOf(bytes, "napi_register_module_v1"));
	return bytes;
}

/** Place of a function of a 64-bit ELF file: its address, less that of the section that holds it. */
function offsetOf(bytes: Buffer, name: string): number {
	const sections = Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => {
		const at = Number(bytes.readBigUInt64LE(40)) + i * bytes.readUInt16LE(58);
		const [address, offset, size] = [16, 24, 32].map((field) => Number(bytes.readBigUInt64LE(at + field))) as [number, number, number];
		return { type: bytes.readUInt32LE(at + 4), link: bytes.readUInt32LE(at + 40), address, offset, size };
	});
	const symbols = sections.find(({ type }) => type === 11)!;
	const names = sections[symbols.link]!;
	for (let at = symbols.offset; at < symbols.offset + symbols.size; at += 24) {
		const start = names.offset + bytes.readUInt32LE(at);
		if (bytes.toString("latin1", start, bytes.indexOf(0, start)) !== name) continue;
		const address = Number(bytes.readBigUInt64LE(at + 8));
		const holder = sections.find((one) => one.address > 0 && address >= one.address && address < one.address + one.size)!;
		return holder.offset + address - holder.address;
	}
	throw new Error(`there is no symbol ${name}`);
}

/** An installed package: what is compiled, and no native part but those that a test puts into `prebuilds/`. */
export function installedPackage(folder: string): string {
	for (const name of ["vendor", "prebuilds"]) mkdirSync(join(folder, name), { recursive: true });
	for (const name of ["package.json", join("vendor", "llama.cpp.json")]) copyFileSync(join(repository, name), join(folder, name));
	cpSync(join(repository, "dist"), join(folder, "dist"), { recursive: true });
	symlinkSync(realpathSync(join(repository, "node_modules")), join(folder, "node_modules"), "junction");
	return folder;
}
