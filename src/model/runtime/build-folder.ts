// The folder of a build: whether it can be used, what it holds, and how its addon appears.
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, open, readFile, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { BuildError, FileError, NoSpaceError } from "../../errors.js";
import { closeToWriters, exposedBy, isCached } from "../../storage/exposed.js";
import type { Backend } from "./paths.js";

const MB = 1e6;

/**
 * Bytes of the disk that a finished build takes. Those for the CPU and of the reference tools, which come on top, are measured with GCC on Linux, and a
 * quarter more. The others are estimates: kernels lie there several times, as objects, in a library, in the addon and its copy, and in the
 * RPC server. Those of Vulkan come as text too. For CUDA it is one kind of GPU.
 */
export const buildBytes: Readonly<Record<Backend | "referenceTools", number>> = {
	...{ cpu: 40 * MB, rpc: 60 * MB, metal: 80 * MB, vulkan: 600 * MB, cuda: 1000 * MB },
	referenceTools: 390 * MB,
};

/** Folders of a build that hold what the addon is made of; everything else belongs to reference tools. */
const ofAddon = ["linked", "Release", "llama.cpp/src", "llama.cpp/ggml", "llama.cpp/tools/rpc", "CMakeFiles/prune_gguf.dir"];

/** Makes the folder; in the cache it is for its owner only. @throws BuildError if it cannot be written */
export async function makeBuildFolder(folder: string): Promise<void> {
	try {
		await makeFolders(folder, isCached(folder) ? 0o700 : 0o777);
	} catch (cause) {
		throw notWritable(folder, cause);
	}
}

/** As `mkdir` does with `recursive`, which says ENOENT for a file system that is read-only. */
async function makeFolders(folder: string, mode: number): Promise<void> {
	try {
		await mkdir(folder, mode);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "EEXIST" && (await stat(folder)).isDirectory()) return;
		if (code !== "ENOENT" || dirname(folder) === folder) throw error;
		await makeFolders(dirname(folder), mode);
		await mkdir(folder, mode);
	}
}

/**
 * Begins a build folder of the cache anew if other users could have put something into it: what is compiled there becomes native code that
 * is run.
 * @param addon in it
 * @throws BuildError if it stays open to others, such as for another owner of a folder above
 */
export async function closeBuildFolder(folder: string, addon: string): Promise<void> {
	const exposed = await exposedBy(addon);
	if (exposed === undefined) return;
	try {
		await rm(folder, { recursive: true, force: true });
		for (let above = dirname(folder); isCached(above); above = dirname(above)) await closeToWriters(above);
		await makeBuildFolder(folder);
	} catch (cause) {
		throw notWritable(folder, cause);
	}
	const still = await exposedBy(folder);
	if (still === undefined) return;
	throw new BuildError(
		`the addon would be built in ${folder}, but ${still}. Make it yours alone (chown, chmod go-w), or set PRUNE_GGUF_HOME to a folder that is.`,
	);
}

/** An error of files in the folder, in the words of a build; others as they are. */
export function notWritable(folder: string, cause: unknown): unknown {
	const at = cause instanceof FileError || cause instanceof NoSpaceError ? cause.cause : cause;
	const code = (at as NodeJS.ErrnoException | undefined)?.code;
	if (code === "ENOSPC" || code === "EDQUOT") return diskFull(folder, cause);
	const rights: readonly (string | undefined)[] = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"];
	if (!rights.includes(code)) return cause;
	return new BuildError(
		`the addon would be built in ${folder}, which cannot be written (${(at as Error).message}). ${howToWrite(folder)}.`,
		{ cause },
	);
}

/** What to do about a build's folder that cannot be written. In a package that can be written, it is made again if it is deleted. */
export function howToWrite(folder: string): string {
	return `Make it writable, or ${isCached(folder) ? "set PRUNE_GGUF_HOME to a folder that is" : "delete it"}`;
}

function diskFull(folder: string, cause: unknown): BuildError {
	return new BuildError(`the disk of ${folder} is full. Make space and try again: what is compiled is kept.`, { cause });
}

/** What decides how much is compiled. */
export interface BuildAmount {
	readonly backend: Backend;
	readonly referenceTools: boolean;
	/** Bytes that are free. @default those of the folder's disk */
	readonly free?: number | undefined;
}

/** Checks that the disk has room for what is not there yet. @throws BuildError that says how much, and where */
export async function checkBuildSpace(folder: string, { backend, referenceTools, free }: BuildAmount): Promise<void> {
	const has = await bytesIn(folder);
	// What one has too much does not make room for the other.
	const addon = Math.max(0, buildBytes[backend] - has.addon);
	const needed = addon + (referenceTools ? Math.max(0, buildBytes.referenceTools - has.others) : 0);
	const there = free ?? (await freeBytesOf(folder));
	if (there === undefined || there >= needed) return;
	throw new BuildError(
		`building needs ${Math.ceil(needed / MB)} MB in ${folder}, and its disk has ${Math.floor(there / MB)} MB free. Make space and try again.`,
	);
}

/** Bytes that are free on the disk of a folder; undefined if it does not say. */
export async function freeBytesOf(folder: string): Promise<number | undefined> {
	const { bavail, bsize } = await statfs(folder);
	// Some file systems of networks do not say.
	return bavail === 0 && bsize === 0 ? undefined : bavail * bsize;
}

async function bytesIn(folder: string): Promise<{ readonly addon: number; readonly others: number }> {
	const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
	const sizes = files.map(async (entry) => {
		const place = `${relative(folder, entry.parentPath).replaceAll("\\", "/")}/`;
		const bytes = (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
		return { bytes, isOfAddon: ofAddon.some((part) => place.startsWith(`${part}/`)) };
	});
	const all = await Promise.all(sizes);
	const sum = (isOfAddon: boolean) => all.reduce((total, one) => total + (one.isOfAddon === isOfAddon ? one.bytes : 0), 0);
	return { addon: sum(true), others: sum(false) };
}

/**
 * Puts a linked addon under its name, whole or not at all: a process that loads it while it is built finds the old one or the new one. The
 * same bytes stay as they are.
 * @throws BuildError if another program holds the old one, as Windows lets it, or the disk is full
 */
export async function placeAddon(linked: string, addon: string): Promise<void> {
	const made = await readFile(linked);
	if ((await readFile(addon).catch(() => undefined))?.equals(made)) return;
	const temporary = `${addon}.${process.pid}-${randomBytes(4).toString("hex")}.partial`;
	try {
		// Whatever the umask lets a group do.
		await mkdir(dirname(addon), { recursive: true, mode: 0o755 });
		await copyFile(linked, temporary);
		await closeToWriters(temporary);
		const handle = await open(temporary, "r+");
		await handle.sync().finally(() => handle.close());
		await rename(temporary, addon);
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		if (process.platform === "win32" && (code === "EPERM" || code === "EBUSY" || code === "EACCES"))
			throw new BuildError(`${addon} is in use. End the programs that use it, and build again.`, { cause });
		throw notWritable(dirname(addon), cause);
	} finally {
		await rm(temporary, { force: true });
	}
}

/** What a finished build was made of: written at its end, gone while one is under way. */
export class BuildRecord {
	readonly #path: string;
	readonly #text: string;

	constructor(folder: string, asked: object) {
		this.#path = join(folder, "made.json");
		this.#text = JSON.stringify(asked);
	}

	/** Whether the folder holds a finished build of just this. */
	async isMade(): Promise<boolean> {
		return (await readFile(this.#path, "utf8").catch(() => "")) === this.#text;
	}

	async begin(): Promise<void> {
		await rm(this.#path, { force: true });
	}

	async end(): Promise<void> {
		await writeFile(this.#path, this.#text);
	}
}
