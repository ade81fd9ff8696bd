// What can be seen of a binary without loading it: whether it is one for this system, and all there.
import { open } from "node:fs/promises";

/** Names of `process.arch` by the numbers of the formats. */
const elfMachines: Readonly<Record<number, string>> = { 3: "ia32", 40: "arm", 62: "x64", 183: "arm64", 243: "riscv64" };
const peMachines: Readonly<Record<number, string>> = { 332: "ia32", 34404: "x64", 43620: "arm64" };
const machMachines: Readonly<Record<number, string>> = { 16777223: "x64", 16777228: "arm64" };

/** What a file is by its first bytes. */
interface FileKind {
	readonly format: "ELF" | "PE" | "Mach-O";
	/** Undefined for one that has no name here. */
	readonly arch: string | undefined;
	/** Bytes that it has at least. */
	readonly least: number;
}

const systems = { ELF: "Linux", PE: "Windows", "Mach-O": "macOS" } as const;
const HEADER_BYTES = 4096;

/**
 * Why a file can be no binary for this system; undefined if nothing speaks against it.
 * @param expected bytes that it should have, if that is known
 */
export async function fileFault(
	path: string,
	expected: number | undefined,
	system = { platform: process.platform as string, arch: process.arch as string },
): Promise<string | undefined> {
	try {
		const handle = await open(path, "r");
		try {
			const status = await handle.stat();
			if (!status.isFile()) return "it is no regular file";
			const { size } = status;
			if (expected !== undefined && size < expected) return `it is cut short: ${size} of ${expected} bytes`;
			const header = Buffer.alloc(Math.min(HEADER_BYTES, size));
			await handle.read(header, 0, header.length, 0);
			return faultOf(kindOf(header), size, system);
		} finally {
			await handle.close();
		}
	} catch (error) {
		return `it cannot be read: ${(error as Error).message}`;
	}
}

function faultOf(kind: FileKind | undefined, size: number, { platform, arch }: { platform: string; arch: string }): string | undefined {
	if (!kind) return "it is no program library, or damaged";
	const format = platform === "win32" ? "PE" : platform === "darwin" ? "Mach-O" : "ELF";
	if (kind.format !== format) return `it is for ${systems[kind.format]}, not for this system`;
	if (kind.arch !== undefined && kind.arch !== arch) return `it is for ${kind.arch} processors, and Node.js runs as ${arch}`;
	return size < kind.least ? `it is cut short: ${size} of at least ${kind.least} bytes` : undefined;
}

function kindOf(header: Buffer): FileKind | undefined {
	if (header.length < 64) return undefined;
	if (header.readUInt32BE(0) === 0x7f454c46) return elfKind(header);
	if (header.toString("latin1", 0, 2) === "MZ") return peKind(header);
	const magic = header.readUInt32LE(0);
	if (magic === 0xfeedfacf) return { format: "Mach-O", arch: machMachines[header.readUInt32LE(4)], least: 0 };
	// A file for several processors.
	return magic === 0xbebafeca ? { format: "Mach-O", arch: undefined, least: 0 } : undefined;
}

/** The table of sections is the last thing in a file. */
function elfKind(header: Buffer): FileKind {
	const arch = elfMachines[header.readUInt16LE(18)] ?? "other";
	const least = header[4] === 2 ? Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60) : 0;
	return { format: "ELF", arch, least };
}

function peKind(header: Buffer): FileKind | undefined {
	const at = header.readUInt32LE(60);
	if (at + 6 > header.length) return undefined;
	return { format: "PE", arch: peMachines[header.readUInt16LE(at + 4)] ?? "other", least: 0 };
}
