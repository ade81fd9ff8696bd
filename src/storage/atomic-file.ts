import { type FileHandle, link, lstat, open, readlink, realpath, rename, stat, statfs, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { FileError, NoSpaceError, OutputExistsError } from "../errors.js";
import { partialName } from "./partials.js";
import { giveRights, modeWhileWritten, type Rights, rightsOf } from "./rights.js";

export interface AtomicWriteOptions {
	/** Replace an existing file; of a symbolic link the file that it points to, there or not. @default false */
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
 * is synced, verified and renamed. It gets the rights of a file that it replaces. On any failure the temporary file is removed and what was under `path` is untouched.
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
	const rights = rightsOf(await statOf(target));
	return beside({ path, target, rights }, options.expectedBytes, async (handle, temp) => {
		const result = await fill(path, handle, temp, async () => {
			const written = await write(handle, temp);
			if (rights) await giveRights(handle, rights);
			return written;
		});
		options.signal?.throwIfAborted();
		await options.verify?.(temp);
		options.signal?.throwIfAborted();
		await place(path, temp, target, options.overwrite ?? false);
		await syncFolder(folder);
		return result;
	});
}

/**
 * Writes a file beside `path` that is looked at by `use` and deleted in any case, an abort included.
 * @returns what `use` returned
 * @throws NoSpaceError, FileError as `writeAtomically`
 */
export async function writeTemporarily<T>(
	path: string,
	options: Pick<AtomicWriteOptions, "expectedBytes" | "signal">,
	write: (handle: FileHandle, tempPath: string) => Promise<void>,
	use: (tempPath: string) => Promise<T>,
): Promise<T> {
	options.signal?.throwIfAborted();
	await checkFolder(path);
	const rights = rightsOf(await statOf(path));
	return beside({ path, target: path, rights }, options.expectedBytes, async (handle, temp) => {
		await fill(path, handle, temp, write);
		options.signal?.throwIfAborted();
		return use(temp);
	});
}

/** Opens a temporary file beside the target, which others cannot read if it replaces one; what is left of it afterwards is removed. */
async function beside<T>(
	{ path, target, rights }: { readonly path: string; readonly target: string; readonly rights?: Rights | undefined },
	expectedBytes: number | undefined,
	use: (handle: FileHandle, temp: string) => Promise<T>,
): Promise<T> {
	const folder = dirname(target);
	await checkSpace(path, folder, expectedBytes);
	const temp = join(folder, partialName(basename(target)));
	const handle = await attempt(path, () => open(temp, "wx", modeWhileWritten(rights)), folder);
	try {
		return await use(handle, temp);
	} finally {
		// Its name is gone where it was put in place.
		await unlink(temp).catch(() => {});
	}
}

/**
 * Finds out beforehand whether `writeAtomically` would refuse the target, or could not write it: a file is made in its folder and
 * removed, since rights do not tell what a disk, or a superuser, can do. Nothing else is changed.
 * @throws OutputExistsError, NoSpaceError, FileError as `writeAtomically`
 */
export async function checkTarget(
	path: string,
	options: Pick<AtomicWriteOptions, "overwrite" | "inputs" | "expectedBytes">,
): Promise<void> {
	const target = await resolveTarget(path, options);
	await beside({ path, target }, options.expectedBytes, (handle) => fill(path, handle, target, async () => handle.writeFile("?")));
}

/** The path to put the file under: through links, so that a link to a model stays one. */
async function resolveTarget(path: string, { overwrite = false, inputs = [] }: AtomicWriteOptions): Promise<string> {
	await checkFolder(path);
	const existing = await statOf(path);
	if (!existing) return targetOfLink(path, overwrite);
	if (existing.isDirectory()) throw new FileError(`${path} is a folder: give the name of a file`);
	if (!existing.isFile()) throw new FileError(`${path} is not a regular file: give another name`);
	await refuseInputs(path, inputs);
	if (!overwrite) throw exists(path);
	return attempt(path, () => realpath(path));
}

/**
 * Refuses an output that is one of the inputs, by whatever name.
 * @throws OutputExistsError
 */
export async function refuseInputs(path: string, inputs: readonly string[]): Promise<void> {
	const existing = await statOf(path);
	for (const input of existing ? inputs : []) {
		const other = await statOf(input);
		if (other && other.dev === existing!.dev && other.ino === existing!.ino) {
			throw new OutputExistsError(`${path} is the input ${input}: an input is never overwritten, give another name`);
		}
	}
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

/** What a link to a file that is not there points to; the path itself where it is no link. */
async function targetOfLink(path: string, overwrite: boolean): Promise<string> {
	let target = path;
	while ((await lstat(target).catch(() => undefined))?.isSymbolicLink()) {
		if (!overwrite) throw exists(path);
		target = resolve(await realpath(dirname(target)), await readlink(target));
		if (await statOf(dirname(target))) continue;
		throw new FileError(`${path} is a link to ${target}, and there is no folder ${dirname(target)}: create it, or delete the link`);
	}
	return target;
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
		throw isDiskError(error) ? fileError(path, error, dirname(temp)) : error;
	}
}

async function place(path: string, temp: string, target: string, overwrite: boolean): Promise<void> {
	if (!overwrite && (await placeNew(path, temp, target))) return;
	await attempt(path, () => rename(temp, target), dirname(target));
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

async function attempt<T>(path: string, action: () => Promise<T>, folder?: string): Promise<T> {
	try {
		return await action();
	} catch (error) {
		throw fileError(path, error, folder);
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

/** @param folder that the file, or what a link points to, lies in */
function fileError(path: string, cause: unknown, folder = dirname(path)): Error {
	const code = codeOf(cause);
	if (code === "ENOSPC" || code === "EDQUOT") {
		return new NoSpaceError(`${path} cannot be written: the disk is full (${folder}), make room or choose another disk`, { cause });
	}
	if (code === "EROFS")
		return new FileError(`${path} cannot be written: ${folder} is on a read-only file system, choose another folder`, { cause });
	if (code === "EACCES" || code === "EPERM")
		return new FileError(`${path} cannot be written: no permission to write in ${folder}, choose another folder`, { cause });
	if (code === "ENOENT") return new FileError(`${path} cannot be written: the folder ${folder} is gone`, { cause });
	if (code === "EFBIG") return new FileError(`${path} cannot be written: this disk does not hold files of that size`, { cause });
	return new FileError(`${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
