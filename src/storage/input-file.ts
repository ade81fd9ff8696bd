import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { FileError, type PruneGgufError } from "../errors.js";
import type { FileState } from "./file-state.js";

/** What a file is for, in messages about it. */
export interface InputKind {
	/** What its path is called, such as "the plan". @default nothing: the path says enough */
	readonly what?: string;
	/** What to give instead of something else, such as "a GGUF file". */
	readonly give: string;
	/** Bytes of the file at most, for {@link readInput}. @default any number */
	readonly mostBytes?: number;
	/** @default FileError */
	readonly Failure?: new (
		message: string,
		options?: ErrorOptions,
	) => PruneGgufError;
}

export const stateOf = ({ size, mtimeMs, ino }: Stats): FileState => ({ size, modified: mtimeMs, inode: ino });

/** A file that was opened for reading, as it was then: another one may take its path meanwhile. */
export interface OpenedInput extends FileState {
	readonly handle: FileHandle;
}

/**
 * Opens a file that a user named: every one is opened here. Anything but a regular file is refused: a pipe may block without an end, a
 * device may have none, and neither can be read twice.
 * @throws FileError, or the kind's own error, where it is missing, unreadable or no regular file
 */
export async function openInput(path: string, kind: InputKind): Promise<OpenedInput> {
	return attempt(path, kind, async () => {
		// Before it is opened, since that may do something to a device; and again for what was opened.
		checkRegular(path, kind, await stat(path));
		const handle = await openRegular(path);
		try {
			const opened = await handle.stat();
			checkRegular(path, kind, opened);
			return { handle, ...stateOf(opened) };
		} catch (error) {
			await handle.close();
			throw error;
		}
	});
}

/** Without blocking: a pipe could have taken the place of the file by now. */
async function openRegular(path: string): Promise<FileHandle> {
	try {
		return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		// Another program holds a lease of the file (Samba, NFS), which it gives up while an open waits for it.
		if ((code !== "EAGAIN" && code !== "EWOULDBLOCK") || !(await stat(path)).isFile()) throw cause;
		return open(path, constants.O_RDONLY);
	}
}

/** The whole of a file that a user named. @throws as {@link openInput}, and the same error for a file that is too long */
export async function readInput(path: string, kind: InputKind): Promise<Buffer> {
	const { handle } = await openInput(path, kind);
	try {
		return await attempt(path, kind, () => (kind.mostBytes === undefined ? handle.readFile() : readUpTo(handle, path, kind)));
	} finally {
		await handle.close();
	}
}

/** Reads no further than the file may go: some tell another size than they have. */
async function readUpTo(handle: FileHandle, path: string, kind: InputKind): Promise<Buffer> {
	const { mostBytes = Number.POSITIVE_INFINITY, give, Failure = FileError } = kind;
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
		chunks.push(chunk);
		bytes += chunk.length;
		if (bytes > mostBytes) throw new Failure(`${nameOf(path, kind)} has more than ${mostBytes} bytes: give ${give}`);
	}
	return Buffer.concat(chunks);
}

async function attempt<T>(path: string, kind: InputKind, action: () => Promise<T>): Promise<T> {
	const { Failure = FileError } = kind;
	try {
		return await action();
	} catch (cause) {
		if (cause instanceof Failure) throw cause;
		throw new Failure(`${nameOf(path, kind)} cannot be read: ${reasonOf(cause, path)}`, { cause });
	}
}

const nameOf = (path: string, { what }: InputKind) => (what ? `${what} ${path}` : path);

function checkRegular(path: string, kind: InputKind, stats: Stats): void {
	const { give, Failure = FileError } = kind;
	const found = kindOf(stats);
	if (found) throw new Failure(`${nameOf(path, kind)} is ${found}, not a regular file: give ${give}`);
}

/** What is no regular file; undefined for one. */
function kindOf(found: Stats): string | undefined {
	if (found.isFile()) return undefined;
	if (found.isDirectory()) return "a folder";
	if (found.isFIFO()) return "a pipe (save what comes out of it first)";
	return found.isSocket() ? "a socket" : "a device";
}

/** Why a file cannot be read, and what to do. */
function reasonOf(cause: unknown, path: string): string {
	const code = (cause as NodeJS.ErrnoException | null)?.code;
	if (code === "ENOENT" || code === "ENOTDIR") {
		// A relative path is often right, but the command runs in another folder.
		const place = isAbsolute(path) ? "" : ` (looked for at ${resolve(path)})`;
		return `there is no such file${place}: check the path`;
	}
	if (code === "EACCES" || code === "EPERM") return "no permission: make it readable for yourself, or give a copy that you may read";
	return cause instanceof Error ? cause.message : String(cause);
}
