import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FileError, InvalidLedgerError } from "../errors.js";
import type { Coalition } from "../game/coalition.js";
import type { Measurement } from "../game/game.js";
import { makePrivate } from "./cache-folder.js";
import { asStored, encodeHeader, encodeMeasurement, type LedgerHeader, parseHeader, parseLedger } from "./ledger-format.js";
import { guarded, readIfThere } from "./ledger-file.js";
import { type Lock, lockFile } from "./lock.js";

export { ledgerKey } from "./ledger-format.js";

/** A header for a new ledger; `created` defaults to now. */
export type NewLedgerHeader = Omit<LedgerHeader, "created"> & { readonly created?: string };

/** The same, with settings that are measured only if a ledger is begun, while its lock is held. */
export type OpenLedgerHeader = Omit<NewLedgerHeader, "settings"> & {
	readonly settings: LedgerHeader["settings"] | (() => Promise<LedgerHeader["settings"]>);
};

/** What a ledger is told by those who know what it keeps. */
export interface LedgerOptions {
	/** Asked before lines are written. If it throws they are not, and the ledger takes nothing more. */
	readonly check?: (() => Promise<void>) | undefined;
	/** Names of figures that every measurement has: one that is read back without them counts as not measured. @default none */
	readonly figures?: readonly string[] | undefined;
}

/** Longest time that finished measurements stay unsynced, milliseconds. */
const SYNC_INTERVAL = 3000;
/** Measurements that an estimate of time is made of. */
const TIMES_KEPT = 50;

/**
 * Every coalition that was measured, kept on disk: append-only JSON Lines, one measurement a line, so that a run
 * that is killed goes on where it stopped.
 * @example
 * await using ledger = await Ledger.open(path, { key, players: 30, windows: { count: 10, length: 128 }, settings: {} });
 */
export class Ledger {
	/** The file, or undefined for a ledger in memory. */
	readonly path: string | undefined;
	/** As on disk: of a resumed ledger, with the settings and the date of its first run. */
	readonly header: LedgerHeader;
	/** Measurements that were there when the ledger was opened. */
	readonly resumed: number;

	readonly #known = new Map<string, Measurement>();
	/** The latest times, in seconds. */
	#times: number[];
	readonly #file: FileHandle | undefined;
	readonly #lock: Lock | undefined;
	readonly #check: LedgerOptions["check"];
	#pending: string[] = [];
	#writing: Promise<void> | undefined;
	#lastSync = 0;
	#unsynced = false;
	#syncTimer: NodeJS.Timeout | undefined;
	#failure: Error | undefined;
	#closing: Promise<void> | undefined;

	private constructor(
		header: LedgerHeader,
		known: readonly Measurement[],
		times: readonly number[],
		storage?: { path: string; file: FileHandle; lock: Lock } & LedgerOptions,
	) {
		this.header = header;
		this.#times = times.slice(-TIMES_KEPT);
		// The first measurement of a coalition stays: what was read back once is what every later run sees.
		for (const measurement of known)
			if (!this.#known.has(measurement.coalition.key)) this.#known.set(measurement.coalition.key, measurement);
		this.resumed = this.#known.size;
		this.path = storage?.path;
		this.#file = storage?.file;
		this.#lock = storage?.lock;
		this.#check = storage?.check;
	}

	/**
	 * Begins a ledger, or resumes the one at `path`. Holds a lock on it until `close()`.
	 * A last line torn by a crash is cut away.
	 * @throws InvalidLedgerError where the file belongs to another game or is damaged before its last line
	 * @throws FileError where it cannot be read or written, or another live process uses it
	 */
	static async open(path: string, header: OpenLedgerHeader, { check, figures = [] }: LedgerOptions = {}): Promise<Ledger> {
		await guard(path, () => makePrivate(dirname(path)));
		const lock = await lockFile(path);
		let file: FileHandle | undefined;
		try {
			const found = parseLedger(await guard(path, () => readIfThere(path)), path);
			if (found.header) {
				checkSameGame(found.header, header, path);
				file = await guard(path, () => open(path, "a+"));
				await resume(path, file, found.validBytes);
				const whole = found.measurements.filter((one) => figures.every((name) => one.figures?.[name]));
				return new Ledger(found.header, whole, found.seconds, { path, file, lock, check });
			}
			// Nothing, or a header torn by a crash.
			const settings = typeof header.settings === "function" ? await header.settings() : header.settings;
			const begun = parseHeader(encodeHeader(withDate({ ...header, settings })), path);
			file = await guard(path, () => open(path, "a+"));
			await begin(path, file, begun);
			return new Ledger(begun, [], [], { path, file, lock, check });
		} catch (error) {
			await file?.close().catch(() => {});
			await lock.release();
			throw error;
		}
	}

	/** A ledger that is kept in memory only: same behavior, nothing to resume. */
	static inMemory(header: NewLedgerHeader): Ledger {
		return new Ledger(withDate(header), [], []);
	}

	/**
	 * Reads a ledger without locking or changing it.
	 * @throws InvalidLedgerError where it is damaged before its last line, or holds not even a header
	 * @throws FileError where it cannot be read
	 */
	static async read(path: string): Promise<{ header: LedgerHeader; measurements: readonly Measurement[] }> {
		const found = parseLedger(await guard(path, () => readFile(path)), path);
		if (!found.header) throw new InvalidLedgerError(`${path} is empty: it is not a cache of prune-gguf.`);
		return { header: found.header, measurements: found.measurements };
	}

	/** Number of distinct coalitions measured. */
	get size(): number {
		return this.#known.size;
	}

	/** Seconds that a measurement took of late, by this run or an earlier one; undefined where none says. */
	get secondsPerMask(): number | undefined {
		const times = this.#times;
		return times.length > 0 ? times.reduce((sum, time) => sum + time, 0) / times.length : undefined;
	}

	/** What was measured for a coalition, or undefined. */
	get(coalition: Coalition): Measurement | undefined {
		return this.#known.get(coalition.key);
	}

	/** All measurements, oldest first. */
	measurements(): Measurement[] {
		return [...this.#known.values()];
	}

	/**
	 * Keeps a measurement. It can be read back at once; the disk follows in batches, without waiting for it here.
	 * A coalition that is already known is left as it was.
	 * @param seconds time that it took beyond the evaluations before it, for estimates of later runs
	 * @throws InvalidLedgerError for a measurement of another shape
	 * @throws FileError where an earlier write failed, or the ledger is closed, and what its check threw
	 */
	append(measurement: Measurement, seconds?: number): Measurement {
		if (this.#failure) throw this.#failure;
		if (this.#closing) throw new FileError(`the cache ${this.path ?? "in memory"} is closed.`);
		this.#checkShape(measurement);
		const known = this.#known.get(measurement.coalition.key);
		if (known) return known;
		const stored = asStored(measurement);
		this.#known.set(stored.coalition.key, stored);
		if (seconds !== undefined) this.#times = [...this.#times, seconds].slice(-TIMES_KEPT);
		if (this.#file) {
			this.#pending.push(encodeMeasurement(stored, seconds));
			this.#startWriting();
		}
		return stored;
	}

	/** Waits until everything appended so far was handed to the system (a killed process loses none of it). @throws FileError */
	async flush(): Promise<void> {
		while (this.#writing) await this.#writing;
		if (this.#failure) throw this.#failure;
	}

	/** Writes and syncs what is left, frees the lock. Idempotent. @throws FileError where something could not be written */
	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #close(): Promise<void> {
		while (this.#writing) await this.#writing;
		clearTimeout(this.#syncTimer);
		if (!this.#failure) await this.#sync();
		await this.#file?.close().catch(() => {});
		await this.#lock?.release();
		if (this.#failure) throw this.#failure;
	}

	#checkShape({ coalition, losses, figures = {} }: Measurement): void {
		const { players, windows } = this.header;
		const whole = [losses, ...Object.values(figures)].every((values) => values.length === windows.count);
		if (coalition.players === players && whole) return;
		throw new InvalidLedgerError(
			`a measurement of ${coalition.players} blocks and ${losses.length} windows does not belong in a cache of ${players} blocks and ${windows.count} windows.`,
		);
	}

	#startWriting(): void {
		this.#writing ??= this.#writePending().finally(() => this.#settle());
	}

	async #writePending(): Promise<void> {
		// Lets the appends of one turn of the event loop share a write.
		await Promise.resolve();
		while (this.#pending.length > 0 && !this.#failure) {
			const text = this.#pending.join("");
			this.#pending = [];
			try {
				await this.#check?.();
			} catch (error) {
				this.#failure = error as Error;
				return;
			}
			try {
				await this.#file?.appendFile(text);
				this.#unsynced = true;
			} catch (error) {
				// No further line may follow one that is half written: the ledger takes nothing more.
				this.#failure = writeFailure(this.path, error);
				return;
			}
			if (performance.now() - this.#lastSync >= SYNC_INTERVAL) await this.#sync();
			else this.#syncLater();
		}
	}

	#syncLater(): void {
		this.#syncTimer ??= setTimeout(() => {
			this.#syncTimer = undefined;
			// Behind a write in progress, so that close() waits for it too.
			if (!this.#writing) this.#writing = this.#sync().finally(() => this.#settle());
		}, SYNC_INTERVAL).unref();
	}

	#settle(): void {
		this.#writing = undefined;
		// Something may have been appended after the last look at what is pending.
		if (this.#pending.length > 0 && !this.#failure) this.#startWriting();
	}

	async #sync(): Promise<void> {
		if (!this.#file || !this.#unsynced) return;
		try {
			this.#unsynced = false;
			await this.#file.datasync();
			this.#lastSync = performance.now();
		} catch (error) {
			this.#failure ??= writeFailure(this.path, error);
		}
	}
}

function withDate(header: NewLedgerHeader): LedgerHeader {
	return { ...header, created: header.created ?? new Date().toISOString() };
}

function checkSameGame(found: LedgerHeader, asked: Pick<LedgerHeader, "key" | "players" | "windows">, path: string): void {
	const advice = "Choose another file, or move this one away to start a new one.";
	if (found.key !== asked.key) {
		throw new InvalidLedgerError(
			`${path} belongs to another run (other model, calibration text, backend or settings): its key is ${found.key.slice(0, 12)}, expected ${asked.key.slice(0, 12)}. ${advice}`,
		);
	}
	const { count, length } = asked.windows;
	if (found.players === asked.players && found.windows.count === count && found.windows.length === length) return;
	throw new InvalidLedgerError(
		`${path} holds ${found.players} blocks and ${found.windows.count} x ${found.windows.length} tokens, expected ${asked.players} blocks and ${count} x ${length}. ${advice}`,
	);
}

async function resume(path: string, file: FileHandle, validBytes: number): Promise<void> {
	await guard(path, async () => {
		await file.truncate(validBytes);
		// So that a ledger that is only read counts as used.
		const now = new Date();
		await file.utimes(now, now);
	});
}

async function begin(path: string, file: FileHandle, header: LedgerHeader): Promise<void> {
	await guard(path, async () => {
		await file.truncate(0);
		await file.appendFile(encodeHeader(header));
		await file.sync();
	});
}

function guard<T>(path: string, action: () => Promise<T>): Promise<T> {
	return guarded({ full: `the cache ${path} cannot be written`, failed: `the cache ${path} cannot be used` }, action);
}

function writeFailure(path: string | undefined, error: unknown): FileError {
	return new FileError(
		`the cache ${path} cannot be written: ${(error as Error).message}. What it holds so far is kept; free some space and run the same command again.`,
		{ cause: error },
	);
}
