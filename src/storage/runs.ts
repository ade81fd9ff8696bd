import { existsSync } from "node:fs";
import { rmdir, unlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FileError, InvalidOptionError } from "../errors.js";
import { cacheFolder, closeToReaders, makePrivate, makeSharedAs } from "./cache-folder.js";
import { hashOf } from "./hash.js";
import { lockFile, lockOwner } from "./lock.js";
import { deletePartials } from "./partials.js";
import {
	BESIDE_LEDGERS,
	describeFolder,
	entries,
	hasLiveRun,
	LEDGER,
	LOCK,
	LOCK_REST,
	lockedBy,
	type RunFolder,
	WRITTEN,
} from "./run-folders.js";

export type { RunFolder } from "./run-folders.js";

/** A model, as far as its run folder needs it. */
export interface RunModel {
	/** File name, with or without `.gguf`. */
	readonly name: string;
	/** SHA-256 of the file, hex. */
	readonly sha256: string;
}

/** What to delete: one of `all`, `olderThanDays` and `model`, or the last two together; `partials` by itself or beside them. */
export interface CleanOptions extends RunsOptions {
	readonly all?: boolean | undefined;
	/** Files not used for so many days. Any number from 0. */
	readonly olderThanDays?: number | undefined;
	/** Name of a folder, of a model, or the first digits (at least 6) of its SHA-256. */
	readonly model?: string | undefined;
	/** A folder of outputs: what killed runs left unfinished there. Nothing of a living process, and nothing else. */
	readonly partials?: string | undefined;
	/** @default the clock */
	readonly now?: Date | undefined;
}

/** Where runs are kept. */
export interface RunsOptions {
	/** Folder that holds `runs/`. @default `PRUNE_GGUF_HOME`, else the cache folder of the system */
	readonly cache?: string | undefined;
}

/** What was deleted. */
export interface CleanResult {
	readonly deleted: readonly string[];
	/** Bytes that became free. */
	readonly freed: number;
	/** Ledgers and unfinished files that were left because a live process uses them. */
	readonly inUse: readonly string[];
}

const DAY = 86_400_000;

/** Folder that holds the ledgers and plans of a model. It need not exist. */
export function runFolder(model: RunModel, options: RunsOptions = {}): string {
	return join(runsDirectory(options), folderName(model));
}

/** Path of what is kept of a model that was written, until its run is done. */
export function writtenPath(folder: string, output: string): string {
	return join(folder, `${hashOf(resolve(output)).slice(0, 12)}.written.json`);
}

/** What is kept of an output in the run folders of all models. */
export async function findWritten(output: string, options: RunsOptions = {}): Promise<string[]> {
	const folders = (await entries(runsDirectory(options))).filter((entry) => entry.isDirectory());
	return folders.map(({ name }) => writtenPath(join(runsDirectory(options), name), output)).filter((path) => existsSync(path));
}

/** Path whose lock a run holds from its beginning until it has measured, before it writes a model. @param key 12 hexadecimal digits or more, of the text that it measures on */
export function runLockPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.run`);
}

/** Path of the kept windows of self-generated text. @param key 12 hexadecimal digits or more */
export function windowsPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.windows.json`);
}

/** Path of what is kept of healing in a run folder: what a set gave or was compared by, or a number of tokens. @param key 12 hexadecimal digits or more */
export function keptHealPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.heal.json`);
}

/** Path of how far a device is from the CPU, in a run folder. @param key 12 hexadecimal digits or more */
export function parityPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.parity.json`);
}

/** Path of where a run put its model, in a run folder. @param key 12 hexadecimal digits or more */
export function placementPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.placement.json`);
}

/** Path of what was measured for a target speed-up, or of how long trying settings took, in a run folder. @param key 12 hexadecimal digits or more */
export function keptSpeedPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.speed.json`);
}

/** Path of the ledger with a key in a run folder. */
export function ledgerPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.ledger.jsonl`);
}

/** Path of what an evaluation with a key has measured, in a run folder. */
export function evaluationPath(folder: string, key: string): string {
	return join(folder, `${key.slice(0, 12)}.evaluation.ledger.jsonl`);
}

/** Path of a plan in a run folder. @param name without folders and suffix, for example "greedy-6" */
export function keptPlanPath(folder: string, name: string): string {
	return join(folder, `${safeName(name)}.plan.json`);
}

/**
 * Makes a run folder, for the plans and ledgers to come: others can read it only where `runs` is theirs to write to. Deletes what killed
 * runs left unfinished in it an hour ago or earlier.
 * @throws FileError
 */
export async function makeRunFolder(model: RunModel, options: RunsOptions = {}): Promise<string> {
	const folder = runFolder(model, options);
	const runs = runsDirectory(options);
	try {
		await makePrivate(runs);
		await closeToReaders(runs);
		await makeSharedAs(runs, folder);
	} catch (error) {
		throw new FileError(
			`the folder ${folder} cannot be made: ${(error as Error).message}. Set PRUNE_GGUF_HOME to a folder that can be written.`,
			{ cause: error },
		);
	}
	// What cannot be deleted, such as a file of someone else, is in nobody's way.
	await deletePartials(folder, false).catch(() => {});
	return folder;
}

/** Everything that is kept, last used first. Changes nothing. @throws FileError if a folder cannot be read */
export async function listRuns(options: RunsOptions = {}): Promise<RunFolder[]> {
	const directory = runsDirectory(options);
	const folders: RunFolder[] = [];
	for (const entry of await entries(directory)) {
		if (entry.isDirectory()) folders.push(await describeFolder(join(directory, entry.name), entry.name));
	}
	return folders
		.filter(({ ledgers, evaluations, plans, partials, leftovers }) => [ledgers, evaluations, plans, partials, leftovers].flat().length > 0)
		.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
}

/**
 * Deletes ledgers, plans and what dead processes left (never anything else) and the folders that this leaves empty.
 * @throws InvalidOptionError where nothing says what to delete, or no model has that name
 */
export async function deleteRuns(options: CleanOptions): Promise<CleanResult> {
	checkCleanOptions(options);
	const before = options.olderThanDays === undefined ? Number.POSITIVE_INFINITY : cutoff(options);
	const deleted: string[] = [];
	const inUse: string[] = [];
	let freed = 0;
	const clean = async (folder: string) => {
		const result = await deletePartials(folder, true);
		deleted.push(...result.deleted);
		inUse.push(...result.inUse);
		freed += result.freed;
	};
	if (options.partials !== undefined) await clean(options.partials);
	for (const folder of await chosenFolders(options)) {
		for (const file of [...folder.ledgers, ...folder.evaluations, ...folder.plans, ...folder.leftovers]) {
			if (file.lastUsed.getTime() > before) continue;
			const done = await deleteKept(file.path, basename(file.path));
			if (!done) inUse.push(file.path);
			else {
				deleted.push(file.path);
				freed += file.size;
			}
		}
		await clean(folder.path);
		await sweep(folder);
	}
	return { deleted, freed, inUse };
}

function checkCleanOptions({ all, olderThanDays, model, partials }: CleanOptions): void {
	if (olderThanDays !== undefined && !(olderThanDays >= 0)) {
		throw new InvalidOptionError(`olderThanDays: expected a number of days from 0, got ${olderThanDays}.`);
	}
	const some = olderThanDays !== undefined || model !== undefined;
	if (all && some) throw new InvalidOptionError("--all deletes everything: leave out --older-than and --model.");
	if (!all && !some && partials === undefined) {
		throw new InvalidOptionError("Nothing says what to delete: give --all, --older-than DAYS, --model NAME or --partials FOLDER.");
	}
}

function cutoff({ olderThanDays = 0, now = new Date() }: CleanOptions): number {
	return now.getTime() - olderThanDays * DAY;
}

async function chosenFolders(options: CleanOptions): Promise<RunFolder[]> {
	if (!options.all && options.olderThanDays === undefined && options.model === undefined) return [];
	const folders = await listRuns(options);
	const wanted = options.model;
	if (wanted === undefined) return folders;
	const name = safeName(wanted.replace(/\.gguf$/i, ""));
	const chosen = folders.filter(({ model }) => {
		const split = model.lastIndexOf("-");
		return (
			model === wanted || model.slice(0, split) === name || (wanted.length >= 6 && model.slice(split + 1).startsWith(wanted.slice(0, 12)))
		);
	});
	if (chosen.length > 0) return chosen;
	const known = folders.map(({ model }) => model).join(", ") || "none";
	throw new InvalidOptionError(`Nothing is kept of a model ${JSON.stringify(wanted)}. Kept: ${known}.`);
}

/** False for what a live process uses. */
function deleteKept(path: string, name: string): Promise<boolean> {
	if (LOCK.test(name)) return deleteDeadLock(path);
	return name.endsWith(".ledger.jsonl") || WRITTEN.test(name) ? deleteLocked(path) : deleteFile(path);
}

/** Takes over the lock of a dead process, so that no run can take it meanwhile. */
async function deleteDeadLock(path: string): Promise<boolean> {
	const lock = await lockFile(path.replace(/\.lock$/, "")).catch(() => undefined);
	await lock?.release();
	return lock !== undefined;
}

async function deleteLocked(path: string): Promise<boolean> {
	if (await lockOwner(path)) return false;
	// Under the lock, so that no run can begin to use it meanwhile.
	const lock = await lockFile(path).catch(() => undefined);
	if (!lock) return false;
	try {
		return await deleteFile(path);
	} finally {
		await lock.release();
	}
}

async function deleteFile(path: string): Promise<boolean> {
	try {
		await unlink(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
			throw new FileError(`${path} cannot be deleted: ${(error as Error).message}`, { cause: error });
		}
	}
	return true;
}

/** Deletes what is of no use any more when ledgers are gone. */
async function sweep({ path: folder, ledgers }: RunFolder): Promise<void> {
	const names = (await entries(folder)).map((entry) => entry.name);
	const bare = ledgers.length > 0 && !names.some((name) => LEDGER.test(name)) && !(await hasLiveRun(folder));
	const rest = bare ? [LOCK_REST, ...BESIDE_LEDGERS] : [LOCK_REST];
	for (const name of names) {
		const dead = LOCK.test(name) && !(await lockOwner(lockedBy(folder, name)));
		if (dead || rest.some((kind) => kind.test(name))) await deleteKept(join(folder, name), name).catch(() => {});
	}
	// Fails, as it should, where something else lies in it.
	await rmdir(folder).catch(() => {});
}

function runsDirectory({ cache = cacheFolder() }: RunsOptions): string {
	return join(cache, "runs");
}

function folderName({ name, sha256 }: RunModel): string {
	return `${safeName(name.replace(/\.gguf$/i, ""))}-${sha256.slice(0, 12)}`;
}

/** A name that every file system takes. */
function safeName(name: string): string {
	const safe = name
		.replace(/[^A-Za-z0-9._-]+/g, "_")
		.replace(/^\.+/, "")
		.slice(0, 80);
	return safe || "model";
}
