import { randomBytes } from "node:crypto";
import { type FileHandle, link, lstat, open, readdir, realpath, rename, stat, statfs, unlink } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { FileError, NoSpaceError, OutputExistsError } from "../errors.js";

const PARTIAL_NAME = /^\.(.+)\.partial-(\d+)-[0-9a-f]{12}$/s;
/** File systems allow 255 bytes a name; this leaves room for what is put around it. */
const MAX_STEM_BYTES = 200;

export interface AtomicWriteOptions {
	/** Replace an existing file. @default false */
	readonly overwrite?: boolean;
	/** Files that are read to make the output: it never replaces one of them, `overwrite` or not, whatever the name it is given by. */
	readonly inputs?: readonly string[];
	/** Bytes that will be written: the disk must have them free. @default not checked */
	readonly expectedBytes?: number;
	/** Looks at the finished temporary file; when it throws, nothing appears under the final name. */
	readonly verify?: (tempPath: string) => Promise<void>;
	/** Checked between the steps; `write` has to watch it by itself. */
	readonly signal?: AbortSignal;
}

/**
 * Makes a file appear under `path` whole or not at all: `write` fills a temporary file beside it (`.NAME.partial-PID-RANDOM`), which
 * is synced, verified and renamed. On any failure the temporary file is removed and what was under `path` is untouched.
 * @returns what `write` returned
 * @throws OutputExistsError when the target exists and `overwrite` is not set, or when it is one of the inputs
 * @throws NoSpaceError when the disk lacks `expectedBytes`, or fills up while writing
 * @throws FileError when the target folder is missing, is no folder or cannot be written, or the target is no regular file
 */
export async function writeAtomically<T>(
	path: string,
	options: AtomicWriteOptions,
	write: (handle: FileHandle, tempPath: string) => Promise<T>,
): Promise<T> {
	options.signal?.throwIfAborted();
	const target = await resolveTarget(path, options);
	const folder = dirname(target);
	await checkSpace(path, folder, options.expectedBytes);
	const temp = join(folder, partialName(basename(target)));
	const handle = await attempt(path, () => open(temp, "wx"));
	let placed = false;
	try {
		const result = await fill(path, handle, temp, write);
		options.signal?.throwIfAborted();
		await options.verify?.(temp);
		options.signal?.throwIfAborted();
		await place(path, temp, target, options.overwrite ?? false);
		placed = true;
		await syncFolder(folder);
		return result;
	} finally {
		if (!placed) await unlink(temp).catch(() => {});
	}
}

/**
 * Finds out beforehand, and changes nothing, whether `writeAtomically` would refuse the target.
 * @throws OutputExistsError, FileError as `writeAtomically`
 */
export async function checkTarget(path: string, options: Pick<AtomicWriteOptions, "overwrite" | "inputs">): Promise<void> {
	await resolveTarget(path, options);
}

/** A temporary file that `writeAtomically` left behind because the process was killed. */
export interface PartialFile {
	readonly path: string;
	/** Of the process that wrote it. */
	readonly pid: number;
	/** In bytes. */
	readonly size: number;
}

/** Temporary files of `writeAtomically` in a folder; one may still be in use, look at `pid`. */
export async function listPartials(folder: string): Promise<PartialFile[]> {
	const partials: PartialFile[] = [];
	const names = await readdir(folder).catch((cause: Error) => {
		throw new FileError(`${folder} cannot be listed: ${cause.message}`, { cause });
	});
	for (const name of names) {
		const match = PARTIAL_NAME.exec(name);
		if (!match) continue;
		const path = join(folder, name);
		const found = await lstat(path).catch(() => undefined);
		if (found?.isFile()) partials.push({ path, pid: Number(match[2]), size: found.size });
	}
	return partials;
}

function partialName(name: string): string {
	let stem = name;
	while (Buffer.byteLength(stem) > MAX_STEM_BYTES) stem = [...stem].slice(0, -1).join("");
	return `.${stem}.partial-${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** The path to put the file under: through links, so that a link to a model stays one. */
async function resolveTarget(path: string, { overwrite = false, inputs = [] }: AtomicWriteOptions): Promise<string> {
	await checkFolder(path);
	const existing = await statOf(path);
	if (!existing) {
		if (!overwrite && (await isLink(path))) throw exists(path);
		return path;
	}
	if (existing.isDirectory()) throw new FileError(`${path} is a folder: give the name of a file`);
	if (!existing.isFile()) throw new FileError(`${path} is not a regular file: give another name`);
	for (const input of inputs) {
		const other = await statOf(input);
		if (other && other.dev === existing.dev && other.ino === existing.ino) {
			throw new OutputExistsError(`${path} is the input ${input}: an input is never overwritten, give another name`);
		}
	}
	if (!overwrite) throw exists(path);
	return attempt(path, () => realpath(path));
}

async function checkFolder(path: string): Promise<void> {
	if (path === "" || path.endsWith("/") || path.endsWith(sep))
		throw new FileError(`${JSON.stringify(path)} names no file: give the name of a file`);
	const folder = dirname(path);
	const found = await statOf(folder);
	if (!found) throw new FileError(`${path} cannot be written: there is no folder ${folder}, create it first`);
	if (!found.isDirectory()) throw new FileError(`${path} cannot be written: ${folder} is not a folder`);
}

/** With 64-bit numbers: some file systems number their files beyond 2^53. */
async function statOf(path: string) {
	try {
		return await stat(path, { bigint: true });
	} catch (error) {
		const code = codeOf(error);
		if (code === "ENOENT" || code === "ENOTDIR") return undefined;
		throw fileError(path, error);
	}
}

async function isLink(path: string): Promise<boolean> {
	return (await lstat(path).catch(() => undefined))?.isSymbolicLink() ?? false;
}

async function checkSpace(path: string, folder: string, expectedBytes: number | undefined): Promise<void> {
	if (expectedBytes === undefined) return;
	// Where the file system does not tell, writing will.
	const found = await statfs(folder, { bigint: true }).catch(() => undefined);
	if (!found) return;
	const free = found.bavail * found.bsize;
	if (free >= BigInt(Math.ceil(expectedBytes))) return;
	const needs = `${megabytes(expectedBytes)} MB`;
	throw new NoSpaceError(`${path} needs ${needs} but ${folder} has ${megabytes(Number(free))} MB free: make room or choose another disk`);
}

function megabytes(bytes: number): string {
	return (bytes / 1e6).toFixed(1);
}

async function fill<T>(
	path: string,
	handle: FileHandle,
	temp: string,
	write: (handle: FileHandle, temp: string) => Promise<T>,
): Promise<T> {
	try {
		try {
			const result = await write(handle, temp);
			await handle.sync();
			return result;
		} finally {
			await handle.close();
		}
	} catch (error) {
		throw isDiskError(error) ? fileError(path, error) : error;
	}
}

async function place(path: string, temp: string, target: string, overwrite: boolean): Promise<void> {
	if (!overwrite && (await placeNew(path, temp, target))) return;
	await attempt(path, () => rename(temp, target));
}

/** A link, unlike a rename, fails where a file has appeared in the meantime. False where the file system has no links. */
async function placeNew(path: string, temp: string, target: string): Promise<boolean> {
	try {
		await link(temp, target);
	} catch (error) {
		if (codeOf(error) === "EEXIST" || (await statOf(target))) throw exists(path);
		return false;
	}
	await unlink(temp).catch(() => {});
	return true;
}

/** Makes the new name survive a power cut. Not every system can sync a folder, and the file is in place by now. */
async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder, "r").catch(() => undefined);
	await handle?.sync().catch(() => {});
	await handle?.close().catch(() => {});
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
	try {
		return await action();
	} catch (error) {
		throw fileError(path, error);
	}
}

function exists(path: string): OutputExistsError {
	return new OutputExistsError(`${path} exists: give another name, or allow overwriting (--overwrite)`);
}

function codeOf(error: unknown): string | undefined {
	return (error as NodeJS.ErrnoException | null | undefined)?.code;
}

/** Whether the output could not be written; other errors that `write` throws are its own. */
function isDiskError(error: unknown): boolean {
	if ((error as NodeJS.ErrnoException | null | undefined)?.syscall === "read") return false;
	return ["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS"].includes(codeOf(error) ?? "");
}

function fileError(path: string, cause: unknown): Error {
	const code = codeOf(cause);
	if (code === "ENOSPC" || code === "EDQUOT") {
		return new NoSpaceError(`${path} cannot be written: the disk is full, make room or choose another disk`, { cause });
	}
	if (code === "EFBIG") return new FileError(`${path} cannot be written: this disk does not hold files of that size`, { cause });
	return new FileError(`${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
