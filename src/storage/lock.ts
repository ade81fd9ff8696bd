import { randomBytes } from "node:crypto";
import { link, readFile, rename, unlink, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import { FileError } from "../errors.js";
import { hashOf } from "./hash.js";
import { failureOf } from "./ledger-file.js";
import { isSilent, lockTimes, staysSilent, touchedAt } from "./silent-lock.js";
import { machineId, processFacts, processSpace } from "./process-space.js";

/** Who holds a lock file. */
export interface LockOwner {
	readonly pid: number;
	readonly host: string;
	/** Tells two processes with the same id apart where the system offers it, else empty. */
	readonly start: string;
	/** The space that numbers its process: containers of one host name have different ones. Only on Linux; earlier versions did not keep it. */
	readonly space?: string | undefined;
	/** Distinguishes machines of one name. A hash, since others may read the lock. Only on Linux; earlier versions did not keep it. */
	readonly machine?: string | undefined;
	/** Of this lock alone. Earlier versions did not keep it. */
	readonly id?: string | undefined;
}

/** A held lock; `release` is idempotent. */
export interface Lock {
	readonly path: string;
	release(): Promise<void>;
}

const ownerSchema = v.object({
	pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
	host: v.string(),
	start: v.string(),
	space: v.optional(v.string()),
	machine: v.optional(v.string()),
	id: v.optional(v.string()),
});
/** Ids of locks that were freed in this thread, and whose files could not be deleted. */
const freed = new Set<string>();

/**
 * Takes the lock file beside `path` (`PATH.lock`), so that two processes never write one ledger.
 * The lock of a process that is gone is taken over. So is one of another container or machine of this host name that was not touched for 10
 * minutes, nor while it is watched for 90 seconds: a holder touches its lock every minute.
 * @throws FileError where another live process holds it
 */
export async function lockFile(path: string): Promise<Lock> {
	const taken = await tryLock(path, {});
	if ("release" in taken) return taken;
	throw inUse(taken, path);
}

/** How a lock is waited for. */
export interface LockWait {
	readonly signal?: AbortSignal | undefined;
	/** Called once for each holder that is waited for. */
	readonly onWait?: ((owner: LockOwner) => void) | undefined;
	/** Milliseconds between two looks. @default 500 */
	readonly every?: number | undefined;
	/**
	 * Takes over the lock of another machine that was not touched for 10 minutes, instead of failing: for work that begins again without
	 * harm if its holder lives after all. @default false
	 */
	readonly takeSilent?: boolean | undefined;
}

/**
 * Takes the lock as `lockFile` does, and waits while another live process holds it.
 * @throws FileError for a holder of another machine that has not touched its lock for 10 minutes, unless `takeSilent`: it may be gone
 * @throws the signal's reason once it is aborted
 */
export async function waitForLock(path: string, { signal, onWait, every = 500, takeSilent = false }: LockWait = {}): Promise<Lock> {
	let told: string | undefined;
	const tell = (holder: LockOwner) => {
		const owner = JSON.stringify(holder);
		if (owner !== told) onWait?.(holder);
		told = owner;
	};
	for (;;) {
		signal?.throwIfAborted();
		const taken = await tryLock(path, { takeSilent, signal, onWait: tell });
		if ("release" in taken) return taken;
		if (taken.host !== hostname() && !takeSilent && isSilent(`${path}.lock`)) throw inUse(taken, path);
		tell(taken);
		// Rejects with an error of its own, where the signal's reason is wanted.
		await delay(every, undefined, { signal }).catch(() => {});
	}
}

/** The lock, or the live process that holds it. */
async function tryLock(path: string, wait: LockWait): Promise<Lock | LockOwner> {
	const lockPath = `${path}.lock`;
	const start = processFacts(process.pid)?.start ?? "";
	const id = randomBytes(8).toString("hex");
	const own: LockOwner = { pid: process.pid, host: hostname(), start, space: processSpace(), machine: machineHash(), id };
	const content = `${JSON.stringify(own)}\n`;
	for (let attempt = 0; attempt < 20; attempt++) {
		if (await create(lockPath, content)) {
			const touching = setInterval(() => touch(lockPath), lockTimes.touch);
			touching.unref();
			return {
				path: lockPath,
				release: () => {
					clearInterval(touching);
					return release(lockPath, content, id);
				},
			};
		}
		const live = await evictStale(lockPath, wait);
		if (live) return live;
	}
	throw new FileError(`${lockPath} could not be taken: other processes keep taking it. Try again.`);
}

/** The live process that holds the lock of `path`, or undefined. A lock made on another machine counts as live, one of another container while it is touched. */
export async function lockOwner(path: string): Promise<LockOwner | undefined> {
	const content = await readIfThere(`${path}.lock`);
	const owner = content === undefined ? undefined : parseOwner(content);
	return owner && isLive(owner, `${path}.lock`) ? owner : undefined;
}

/** Without failing: a lock that was deleted is no concern of its holder. */
function touch(lockPath: string): void {
	const now = new Date();
	utimes(lockPath, now, now).catch(() => {});
}

async function create(lockPath: string, content: string): Promise<boolean> {
	// A link appears with its content at once; "wx" alone would let another process read an empty lock.
	const temporary = `${lockPath}.${process.pid}-${randomBytes(4).toString("hex")}`;
	try {
		await writeFile(temporary, content, { flag: "wx" });
		await link(temporary, lockPath);
		return true;
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code;
		if (code === "EEXIST") return false;
		// File systems without hard links (exFAT, some network shares).
		if (code === "EPERM" || code === "ENOTSUP" || code === "ENOSYS" || code === "EOPNOTSUPP") return createPlain(lockPath, content);
		throw unwritable(lockPath, error);
	} finally {
		await unlink(temporary).catch(() => {});
	}
}

function unwritable(lockPath: string, error: unknown): Error {
	const said = `the lock ${lockPath} cannot be written`;
	return failureOf({ full: said, failed: said }, error as NodeJS.ErrnoException);
}

async function createPlain(lockPath: string, content: string): Promise<boolean> {
	try {
		await writeFile(lockPath, content, { flag: "wx" });
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw unwritable(lockPath, error);
	}
}

/** Removes a lock that was left behind. @returns who holds it, if it was not */
async function evictStale(lockPath: string, wait: LockWait): Promise<LockOwner | undefined> {
	let content = await readIfThere(lockPath);
	if (content === "") {
		await delay(200);
		content = await readIfThere(lockPath);
	}
	if (content === undefined) return undefined;
	const owner = parseOwner(content);
	const touched = touchedAt(lockPath);
	const asked = owner !== undefined && !isElsewhere(owner);
	if (owner && (asked ? isLive(owner, lockPath) : !(await isGivenUp(owner, lockPath, wait))))
		// It may have been freed while it was watched.
		return touchedAt(lockPath) === undefined ? undefined : owner;
	const moved = `${lockPath}.stale-${process.pid}-${randomBytes(4).toString("hex")}`;
	try {
		await rename(lockPath, moved);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw new FileError(`the stale lock ${lockPath} cannot be taken over: ${(error as Error).message}`, { cause: error });
	}
	// Between reading and renaming another process may have taken over, or a holder that cannot be asked has touched its lock: then what was
	// moved is a live lock, and goes back.
	const movedContent = await readIfThere(moved);
	const isLiveLock = movedContent !== content || (!asked && touchedAt(moved) !== touched);
	if (movedContent !== undefined && isLiveLock) await putBack(moved, lockPath, movedContent);
	await unlink(moved).catch(() => {});
	return undefined;
}

/** Whether the lock of a holder that cannot be asked may be taken over. */
async function isGivenUp(owner: LockOwner, lockPath: string, { takeSilent, signal, onWait }: LockWait): Promise<boolean> {
	if ((owner.host !== hostname() && !takeSilent) || !isSilent(lockPath)) return false;
	onWait?.(owner);
	return staysSilent(lockPath, JSON.stringify(owner), signal);
}

/** Gives a lock its name again; nothing if another process has taken that meanwhile. */
async function putBack(moved: string, lockPath: string, content: string): Promise<void> {
	const code = await link(moved, lockPath).then(
		() => undefined,
		(error: NodeJS.ErrnoException) => error.code,
	);
	// File systems without hard links.
	if (code !== undefined && code !== "EEXIST") await createPlain(lockPath, content).catch(() => {});
}

function inUse(owner: LockOwner, path: string): FileError {
	const where =
		owner.host !== hostname() ? ` on ${owner.host}` : isElsewhere(owner) ? " in another container, or on another machine of this name" : "";
	return new FileError(
		`${path} is in use by process ${owner.pid}${where}. Wait until that run has ended; if there is no such run, delete ${path}.lock.`,
	);
}

function isLive(owner: LockOwner, lockPath: string): boolean {
	if (owner.host !== hostname()) return true;
	if (isElsewhere(owner)) return !isSilent(lockPath);
	if (owner.id !== undefined && freed.has(owner.id)) return false;
	// Another thread may hold it, which cannot be asked. Without an id it is what an earlier process of this number left.
	if (owner.pid === process.pid && owner.start === "") return owner.id !== undefined;
	try {
		process.kill(owner.pid, 0);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
	}
	const facts = processFacts(owner.pid);
	if (!facts) return true;
	return !facts.ended && (owner.start === "" || facts.start === owner.start);
}

/** A process of another machine (a shared home directory, also of one host name) or container cannot be asked whether it lives. */
function isElsewhere({ host, space, machine }: LockOwner): boolean {
	return host !== hostname() || differs(space, processSpace()) || differs(machine, machineHash());
}

/** What is not said may be the same. */
const differs = (said: string | undefined, own: string | undefined) => said !== undefined && said !== own;

function machineHash(): string | undefined {
	const id = machineId();
	return id === "" ? undefined : hashOf(["lock", id]).slice(0, 16);
}

function parseOwner(content: string): LockOwner | undefined {
	try {
		const parsed = v.safeParse(ownerSchema, JSON.parse(content));
		return parsed.success ? parsed.output : undefined;
	} catch {
		return undefined;
	}
}

async function readIfThere(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw new FileError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
	}
}

async function release(lockPath: string, content: string, id: string): Promise<void> {
	if ((await readIfThere(lockPath)) === content) await unlink(lockPath).catch(() => void freed.add(id));
}
