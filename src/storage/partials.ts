import { createHash, randomBytes } from "node:crypto";
import { readlinkSync } from "node:fs";
import { lstat, readdir, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { FileError } from "../errors.js";

/** `.NAME.partial-PID-HOSTRANDOM`: 4 digits tell the machine, 8 are random. */
const PARTIAL_NAME = /^\.(.+)\.partial-(\d+)-([0-9a-f]{4})[0-9a-f]{8}$/s;
/** File systems allow 255 bytes a name; this leaves room for what is put around it. */
const MAX_STEM_BYTES = 200;

/** A file that was being written. */
export interface PartialFile {
	readonly path: string;
	/** Of the process that wrote it. */
	readonly pid: number;
	/** In bytes. */
	readonly size: number;
	/** Whether that process lives, or cannot be asked because it runs on another machine or in another container. Where not, nobody will finish the file. */
	readonly inUse: boolean;
}

/** A name for a file that is being written, to lie beside the one that it becomes. */
export function partialName(name: string): string {
	let stem = name;
	while (Buffer.byteLength(stem) > MAX_STEM_BYTES) stem = [...stem].slice(0, -1).join("");
	return `.${stem}.partial-${process.pid}-${machineTag()}${randomBytes(4).toString("hex")}`;
}

/** Unfinished files in a folder, of living and of dead processes. @throws FileError where the folder cannot be listed */
export async function listPartials(folder: string): Promise<PartialFile[]> {
	const partials: PartialFile[] = [];
	const names = await readdir(folder).catch((cause: Error) => {
		throw new FileError(`${folder} cannot be listed: ${cause.message}`, { cause });
	});
	for (const name of names.sort()) {
		const match = PARTIAL_NAME.exec(name);
		if (!match) continue;
		const path = join(folder, name);
		const found = await lstat(path).catch(() => undefined);
		const pid = Number(match[2]);
		if (found?.isFile()) partials.push({ path, pid, size: found.size, inUse: match[3] !== machineTag() || isAlive(pid) });
	}
	return partials;
}

/** What was deleted of unfinished files. */
export interface DeletedPartials {
	readonly deleted: readonly string[];
	/** Bytes that became free. */
	readonly freed: number;
	/** Left because their processes live, or may live on another machine. */
	readonly inUse: readonly string[];
}

/** Deletes the unfinished files of dead processes in a folder. @throws FileError where it cannot be listed, or a file not be deleted */
export async function deletePartials(folder: string): Promise<DeletedPartials> {
	const deleted: string[] = [];
	const inUse: string[] = [];
	let freed = 0;
	for (const partial of await listPartials(folder)) {
		if (partial.inUse) {
			inUse.push(partial.path);
			continue;
		}
		await unlink(partial.path).catch((cause: NodeJS.ErrnoException) => {
			// Another run was faster.
			if (cause.code === "ENOENT") return;
			throw new FileError(`${partial.path} cannot be deleted: ${cause.message}`, { cause });
		});
		deleted.push(partial.path);
		freed += partial.size;
	}
	return { deleted, freed, inUse };
}

/** Where a process's number means that process: containers may share a host's name and a folder, and number their processes anew. */
function machineTag(): string {
	let numbers = "";
	try {
		numbers = readlinkSync("/proc/self/ns/pid");
	} catch {
		// Only Linux has such spaces of numbers.
	}
	return createHash("sha256").update(hostname()).update(numbers).digest("hex").slice(0, 4);
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		// EPERM: it is there, and belongs to someone else.
		return (error as NodeJS.ErrnoException).code !== "ESRCH";
	}
}
