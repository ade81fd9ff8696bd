import { readFile } from "node:fs/promises";
import { FileError, InvalidLedgerError, NoSpaceError } from "../errors.js";
import { shownText } from "./shown-text.js";

// What the two kinds of ledgers share: files of JSON Lines that go on where a run was stopped.

/** Empty where there is no file. */
export async function readIfThere(path: string): Promise<Buffer> {
	return readFile(path).catch((error: NodeJS.ErrnoException) => {
		if (error.code === "ENOENT") return Buffer.alloc(0);
		throw error;
	});
}

/** Undefined for what is no JSON, such as a line that was torn by a crash. */
export function tryJson(text: string): unknown {
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}

/** What to do about a file that cannot be read. */
export const ADVICE = "Move the file away to start a new one.";

/** What the first line of a file says that it is. */
export function formatOf(value: unknown): unknown {
	return typeof value === "object" && value !== null && "format" in value ? value.format : undefined;
}

/** @throws InvalidLedgerError for the first line of another version */
export function checkVersion(value: unknown, version: number, path: string): void {
	const found = (value as { readonly version?: unknown }).version;
	if (found === version) return;
	throw new InvalidLedgerError(
		`${path}, line 1: cache version ${shownText(JSON.stringify(found) ?? "none")}, this program reads version ${version}. ${ADVICE}`,
	);
}

/** How messages begin: where the disk is full, and otherwise. */
export interface Said {
	readonly full: string;
	readonly failed: string;
}

/**
 * What goes wrong with a file, said of the ledger that it is.
 * @throws FileError, NoSpaceError
 */
export async function guarded<T>(said: Said, action: () => Promise<T>): Promise<T> {
	try {
		return await action();
	} catch (cause) {
		throw failureOf(said, cause as NodeJS.ErrnoException);
	}
}

/** What a call of the system says of a file of the cache. */
export function failureOf(said: Said, cause: NodeJS.ErrnoException): FileError | NoSpaceError {
	const { code, message } = cause;
	if (code !== "ENOSPC" && code !== "EDQUOT") return new FileError(`${said.failed}: ${message}`, { cause });
	return new NoSpaceError(`${said.full}: the disk is full. Make room, or set PRUNE_GGUF_HOME to a folder on another disk.`, { cause });
}
