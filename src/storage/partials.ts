import { createHash, randomBytes } from "node:crypto";
import { lstat, readdir, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { FileError } from "../errors.js";
import { machineId, processSpace } from "./process-space.js";

/** `.NAME.partial-PID-MACHINERANDOM`: 16 digits tell the machine, 8 are random. Earlier versions had 4 for the machine: too few to tell. */
const PARTIAL_NAME = /^\.(.+)\.partial-(\d+)-(?:([0-9a-f]{16})[0-9a-f]{8}|[0-9a-f]{12})$/s;
/** Age in milliseconds from which a run deletes the unfinished file of another, unasked: whatever was mistaken, no writer pauses as long. */
const SETTLED = 300_000;
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
	/** When it was last written to. */
	readonly modified: Date;
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
		const inUse = match[3] !== machineTag() || isAlive(pid);
		if (found?.isFile()) partials.push({ path, pid, size: found.size, inUse, modified: found.mtime });
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
	/** Left because they were written to within the last five minutes, where nobody asked for it. */
	readonly recent: readonly string[];
}

/**
 * Deletes the unfinished files of dead processes in a folder.
 * @param asked whether a person asked for it: else what was written to within the last five minutes stays
 * @throws FileError where the folder cannot be listed, or, when all others are deleted, for a file that cannot be
 */
export async function deletePartials(folder: string, asked: boolean): Promise<DeletedPartials> {
	const deleted: string[] = [];
	const inUse: string[] = [];
	const recent: string[] = [];
	let freed = 0;
	let failed: Error | undefined;
	for (const { path, size, modified, ...partial } of await listPartials(folder)) {
		if (partial.inUse) inUse.push(path);
		else if (!asked && Date.now() - modified.getTime() < SETTLED) recent.push(path);
		else {
			const problem = await unlink(path).catch((cause: NodeJS.ErrnoException) => cause);
			// ENOENT: another run was faster.
			if (problem && problem.code !== "ENOENT") {
				failed ??= new FileError(`${path} cannot be deleted: ${problem.message}`, { cause: problem });
				continue;
			}
			deleted.push(path);
			freed += size;
		}
	}
	if (failed) throw failed;
	return { deleted, freed, inUse, recent };
}

/** Where a process's number means that process: machines may share a host's name and a folder, and containers number their processes anew. */
function machineTag(): string {
	return createHash("sha256")
		.update(JSON.stringify([hostname(), machineId(), processSpace()]))
		.digest("hex")
		.slice(0, 16);
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
