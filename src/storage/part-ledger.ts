import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { InvalidLedgerError } from "../errors.js";
import { makePrivate } from "./cache-folder.js";
import { ADVICE, checkVersion, formatOf, guarded, readIfThere, tryJson } from "./ledger-file.js";
import type { LedgerSetting } from "./ledger-format.js";
import { type Lock, lockFile } from "./lock.js";

// What an evaluation has measured, part by part: windows of a text, or batches of questions.

/** What was measured of one part: lists of numbers by name; NaN where the model broke down. */
export type PartValues = Readonly<Record<string, readonly number[]>>;

/** Whether values that are read back are such as were measured of a part: of another shape, they count as not measured. */
export type FitsPart = (part: number, values: PartValues) => boolean;

export interface PartLedgerHeader {
	/** SHA-256 (hex) over what identifies the evaluation, see `ledgerKey`. */
	readonly key: string;
	/** What a part is, for people. */
	readonly unit: string;
	/** Parts in all. */
	readonly parts: number;
	/** Settings that can change bits. */
	readonly settings: Readonly<Record<string, LedgerSetting>>;
}

const FORMAT = "prune-gguf-evaluation";
const VERSION = 1;
const HEADER_START = `{"format":"${FORMAT}"`;

const natural = v.pipe(v.number(), v.integer(), v.minValue(0));
const headerSchema = v.object({
	format: v.literal(FORMAT),
	version: v.literal(VERSION),
	key: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
	unit: v.string(),
	parts: natural,
	settings: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])),
});
const lineSchema = v.object({ part: natural, values: v.record(v.string(), v.array(v.nullable(v.number()))) });

/**
 * An append-only file of JSON Lines, one part a line, so that an evaluation that is killed goes on where it stopped. A last line torn
 * by a crash is cut away. What is read back is what was measured, bit for bit.
 */
export class PartLedger {
	/** Undefined for one in memory. */
	readonly path: string | undefined;
	/** Parts that were there when it was opened. */
	readonly resumed: number;
	readonly #known: Map<number, PartValues>;
	readonly #file: FileHandle | undefined;
	readonly #lock: Lock | undefined;

	private constructor(known: Map<number, PartValues>, storage?: { path: string; file: FileHandle; lock: Lock }) {
		this.#known = known;
		this.resumed = known.size;
		this.path = storage?.path;
		this.#file = storage?.file;
		this.#lock = storage?.lock;
	}

	/**
	 * Begins a ledger, or resumes the one at `path`. Holds a lock on it until `close()`.
	 * @throws InvalidLedgerError where the file belongs to another evaluation or is damaged before its last line
	 * @throws FileError where it cannot be read or written, or another live process uses it
	 */
	static async open(path: string, header: PartLedgerHeader, fits: FitsPart = () => true): Promise<PartLedger> {
		await guard(path, () => makePrivate(dirname(path)));
		const lock = await lockFile(path);
		let file: FileHandle | undefined;
		try {
			const bytes = await guard(path, () => readIfThere(path));
			const found = parse(bytes, path, fits);
			if (found.header && found.header.key !== header.key)
				throw new InvalidLedgerError(`${path} belongs to another evaluation (other model, text or settings). ${ADVICE}`);
			const handle = await guard(path, () => open(path, "a+"));
			file = handle;
			await guard(path, async () => {
				await handle.truncate(found.validBytes);
				if (!found.header) await handle.appendFile(`${JSON.stringify({ format: FORMAT, version: VERSION, ...header })}\n`);
				// So that a ledger that is only read counts as used.
				else await handle.utimes(new Date(), new Date());
			});
			return new PartLedger(found.parts, { path, file, lock });
		} catch (error) {
			await file?.close().catch(() => {});
			await lock.release();
			throw error;
		}
	}

	/** One that is kept in memory only. */
	static inMemory(): PartLedger {
		return new PartLedger(new Map());
	}

	get(part: number): PartValues | undefined {
		return this.#known.get(part);
	}

	get size(): number {
		return this.#known.size;
	}

	/** Keeps parts, on disk when it returns; those that are known stay as they were. @throws FileError */
	async append(parts: readonly (readonly [part: number, values: PartValues])[]): Promise<void> {
		const fresh = parts.filter(([part]) => !this.#known.has(part)).map(([part, values]) => [part, asStored(values)] as const);
		for (const [part, values] of fresh) this.#known.set(part, values);
		const { path, ...file } = { path: this.path, handle: this.#file };
		if (!file.handle || path === undefined || fresh.length === 0) return;
		const { handle } = file;
		await guard(path, async () => {
			// A number that is not finite is null in JSON.
			await handle.appendFile(fresh.map(([part, values]) => `${JSON.stringify({ part, values })}\n`).join(""));
			await handle.datasync();
		});
	}

	/** Idempotent. */
	async close(): Promise<void> {
		await this.#file?.close().catch(() => {});
		await this.#lock?.release();
	}
}

/** The first line of such a file. @throws InvalidLedgerError */
export function parsePartHeader(line: string, path: string): PartLedgerHeader {
	const value = tryJson(line);
	if (formatOf(value) === FORMAT) checkVersion(value, VERSION, path);
	const parsed = v.safeParse(headerSchema, value);
	if (!parsed.success) throw new InvalidLedgerError(`${path}, line 1: this is no evaluation of prune-gguf, or a damaged one. ${ADVICE}`);
	const { key, unit, parts, settings } = parsed.output;
	return { key, unit, parts, settings };
}

interface Parsed {
	readonly header: PartLedgerHeader | undefined;
	readonly parts: Map<number, PartValues>;
	/** What follows is a line torn by a crash. */
	readonly validBytes: number;
}

function parse(bytes: Buffer, path: string, fits: FitsPart): Parsed {
	const nothing = { header: undefined, parts: new Map<number, PartValues>(), validBytes: 0 };
	const end = bytes.lastIndexOf(10) + 1;
	const lines = bytes.toString("utf8", 0, end).split("\n").slice(0, -1);
	const [first, ...rest] = lines;
	if (first === undefined) {
		const torn = bytes.toString("utf8");
		if (torn.startsWith(HEADER_START) || HEADER_START.startsWith(torn)) return nothing;
		throw new InvalidLedgerError(`${path}, line 1: this is no evaluation of prune-gguf. ${ADVICE}`);
	}
	const header = parsePartHeader(first, path);
	const parts = new Map<number, PartValues>();
	for (const [i, line] of rest.entries()) {
		const parsed = v.safeParse(lineSchema, tryJson(line));
		if (!parsed.success || parsed.output.part >= header.parts) throw new InvalidLedgerError(`${path}, line ${i + 2}: damaged. ${ADVICE}`);
		const { part } = parsed.output;
		const lists = Object.entries(parsed.output.values).map(([name, list]) => [name, list.map((value) => value ?? Number.NaN)] as const);
		const values = Object.fromEntries(lists);
		if (!parts.has(part) && fits(part, values)) parts.set(part, values);
	}
	return { header, parts, validBytes: end };
}

/** As it comes back from disk, so that a straight run and a resumed one hold the same bits. */
function asStored(values: PartValues): PartValues {
	const stored = (list: readonly number[]) => list.map((value) => (Number.isFinite(value) ? value + 0 : Number.NaN));
	return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, stored(list)]));
}

function guard<T>(path: string, action: () => Promise<T>): Promise<T> {
	const failed = `the evaluation ${path} cannot be kept`;
	return guarded({ full: failed, failed }, action);
}
