import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FileError } from "../errors.js";
import { parseHeader } from "./ledger-format.js";
import { lockOwner } from "./lock.js";
import { parsePartHeader } from "./part-ledger.js";
import { listPartials, type PartialFile } from "./partials.js";

/** A ledger or a plan that is kept. */
export interface KeptFile {
	readonly path: string;
	/** In bytes. */
	readonly size: number;
	readonly lastUsed: Date;
}

/** A ledger that is kept. */
export interface KeptLedger extends KeptFile {
	/** Candidates that were evaluated: distinct lines. */
	readonly candidates: number;
	/** Number of blocks of the model; 0 where the file is damaged. */
	readonly players: number;
	readonly windows: { readonly count: number; readonly length: number };
	/** Whether a live process is using it. */
	readonly inUse: boolean;
	/** Why it cannot be used, where it cannot. */
	readonly damage?: string;
}

/** What is kept of an evaluation. */
export interface KeptEvaluation extends KeptFile {
	/** What was measured of it, and what it has in all; 0 where the file is damaged. */
	readonly measured: number;
	readonly parts: number;
	/** What a part is: windows of a text, or batches of questions. */
	readonly unit: string;
	readonly inUse: boolean;
	/** Why it cannot be used, where it cannot. */
	readonly damage?: string;
}

/** What is kept of one model. */
export interface RunFolder {
	readonly path: string;
	/** Name of the folder: `<name>-<first 12 of the SHA-256>`. */
	readonly model: string;
	/** Bytes of all files that are listed. */
	readonly size: number;
	/** Candidates of all ledgers. */
	readonly candidates: number;
	readonly lastUsed: Date;
	readonly ledgers: readonly KeptLedger[];
	readonly evaluations: readonly KeptEvaluation[];
	readonly plans: readonly KeptFile[];
	/** Files that a killed run left half written; those of living processes are not listed. */
	readonly partials: readonly PartialFile[];
	/** What a run that was killed early left without a ledger, where no run goes on: text that it drew, locks. */
	readonly leftovers: readonly KeptFile[];
}

export const LEDGER = /^[0-9a-f]{12}\.ledger\.jsonl$/;
const EVALUATION = /^[0-9a-f]{12}\.evaluation\.ledger\.jsonl$/;
const PLAN = /\.plan\.json$/;
/** Kept windows of self-generated text: of no use without the ledgers that were measured on them. */
const KEPT_WINDOWS = /^[0-9a-f]{12}\.windows\.json$/;
/** What healing sets gave: of no use without the ledgers either. */
const HEALED = /^[0-9a-f]{12}\.heal\.json$/;
/** What was measured for a target speed-up. */
const KEPT_SPEED = /^[0-9a-f]{12}\.speed\.json$/;
/** What a run that was ended before its report had written. */
export const WRITTEN = /^[0-9a-f]{12}\.written\.json$/;
/** How far a device is from the CPU, and where a run put the model on it. */
const KEPT_PARITY = /^[0-9a-f]{12}\.parity\.json$/;
const KEPT_PLACEMENT = /^[0-9a-f]{12}\.placement\.json$/;
/** What is of no use without ledgers. */
export const BESIDE_LEDGERS = [KEPT_WINDOWS, HEALED, KEPT_SPEED, KEPT_PARITY, KEPT_PLACEMENT, WRITTEN];
/** Left by a process that was killed while it took a lock. */
export const LOCK_REST = /\.(ledger\.jsonl|run|written\.json)\.lock\.(stale-)?\d+-[0-9a-f]+$/;
/** Lock of a run, an output or a ledger, while its process lives. */
export const LOCK = /^([0-9a-f]{12}\.(run|written\.json|(evaluation\.)?ledger\.jsonl))\.lock$/;
const RUN_LOCK = /^[0-9a-f]{12}\.run\.lock$/;

/** What is kept in a run folder. @throws FileError where it cannot be read */
export async function describeFolder(path: string, model: string): Promise<RunFolder> {
	const ledgers: KeptLedger[] = [];
	const evaluations: KeptEvaluation[] = [];
	const plans: KeptFile[] = [];
	for (const entry of await entries(path)) {
		if (!entry.isFile()) continue;
		const file = join(path, entry.name);
		if (LEDGER.test(entry.name)) ledgers.push(await describeLedger(file));
		else if (EVALUATION.test(entry.name)) evaluations.push(await describeEvaluation(file));
		else if (PLAN.test(entry.name)) plans.push(await describeFile(file));
	}
	const partials = (await listPartials(path)).filter(({ inUse }) => !inUse);
	const leftovers = ledgers.length > 0 || (await hasLiveRun(path)) ? [] : await leftoversIn(path);
	const files = [...ledgers, ...evaluations, ...plans, ...leftovers];
	return {
		path,
		model,
		size: [...files, ...partials].reduce((sum, file) => sum + file.size, 0),
		candidates: ledgers.reduce((sum, ledger) => sum + ledger.candidates, 0),
		lastUsed: new Date(Math.max(0, ...files.map((file) => file.lastUsed.getTime()))),
		ledgers,
		evaluations,
		plans,
		partials,
		leftovers,
	};
}

/** Whether a run measures the model now. */
export async function hasLiveRun(folder: string): Promise<boolean> {
	for (const { name } of await entries(folder)) if (RUN_LOCK.test(name) && (await lockOwner(lockedBy(folder, name)))) return true;
	return false;
}

/** What the lock file locks. */
export function lockedBy(folder: string, lockName: string): string {
	return join(folder, lockName.replace(/\.lock$/, ""));
}

async function leftoversIn(folder: string): Promise<KeptFile[]> {
	const found: KeptFile[] = [];
	for (const { name } of await entries(folder)) {
		const path = join(folder, name);
		const owner = LOCK.test(name) ? await lockOwner(lockedBy(folder, name)) : WRITTEN.test(name) ? await lockOwner(path) : undefined;
		if (!owner && [LOCK, ...BESIDE_LEDGERS].some((kind) => kind.test(name))) {
			// One that its run has deleted since is no left-over.
			const file = await describeFile(path).catch(() => undefined);
			if (file) found.push(file);
		}
	}
	return found;
}

async function describeFile(path: string): Promise<KeptFile> {
	const { size, mtime } = await stat(path);
	return { path, size, lastUsed: mtime };
}

/** Counts lines instead of parsing them: a list must be quick with ledgers of many megabytes. */
async function describeLedger(path: string): Promise<KeptLedger> {
	const file = await describeFile(path);
	const inUse = (await lockOwner(path)) !== undefined;
	const { firstLine, lines } = await scan(path);
	try {
		const { players, windows } = parseHeader(firstLine, path);
		return { ...file, candidates: Math.max(0, lines - 1), players, windows, inUse };
	} catch (error) {
		return { ...file, candidates: 0, players: 0, windows: { count: 0, length: 0 }, inUse, damage: (error as Error).message };
	}
}

async function describeEvaluation(path: string): Promise<KeptEvaluation> {
	const file = await describeFile(path);
	const inUse = (await lockOwner(path)) !== undefined;
	const { firstLine, lines } = await scan(path);
	try {
		const { parts, unit } = parsePartHeader(firstLine, path);
		return { ...file, measured: Math.min(parts, Math.max(0, lines - 1)), parts, unit, inUse };
	} catch (error) {
		return { ...file, measured: 0, parts: 0, unit: "", inUse, damage: (error as Error).message };
	}
}

async function scan(path: string): Promise<{ firstLine: string; lines: number }> {
	let firstLine = "";
	let lines = 0;
	for await (const chunk of createReadStream(path, { encoding: "latin1" }) as AsyncIterable<string>) {
		const pieces = chunk.split("\n");
		if (lines === 0) firstLine += pieces[0];
		lines += pieces.length - 1;
	}
	return { firstLine: Buffer.from(firstLine, "latin1").toString("utf8"), lines };
}

/** What lies in a folder, as far as it matters here. */
interface Entry {
	readonly name: string;
	isFile(): boolean;
	isDirectory(): boolean;
}

/** What lies in a folder, by name; nothing where it is not there. @throws FileError where it cannot be read */
export async function entries(directory: string): Promise<Entry[]> {
	try {
		return (await readdir(directory, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code;
		if (code === "ENOENT") return [];
		throw new FileError(`${directory} cannot be read: ${(error as Error).message}`, { cause: error });
	}
}
