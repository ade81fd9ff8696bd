// What a killed build leaves: programs that still run, and files that it had half written.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { processFacts } from "../../storage/process-space.js";

/** The program that works in a build folder. */
interface Mark {
	/** The number of cmake, which begins a session and a group of its own. */
	readonly pid: number;
	/** Empty without procfs. */
	readonly start: string;
}

const markOf = (folder: string) => join(folder, "running.json");
/** Milliseconds before its newest file in which a killed compiler can have begun to write one. */
const WRITING = 10_000;
/** Milliseconds for programs to end by themselves after they were asked to. */
const PATIENCE = 10_000;

/** Says that a program works in the folder, so that the next build knows if this one is killed. */
export async function markRunning(folder: string, pid: number): Promise<void> {
	const mark: Mark = { pid, start: processFacts(pid)?.start ?? "" };
	await writeFile(markOf(folder), JSON.stringify(mark));
}

/** The program has ended in order: nothing is left behind. */
export async function unmarkRunning(folder: string): Promise<void> {
	await rm(markOf(folder), { force: true });
}

/**
 * Ends what a killed build left running in the folder, and deletes the files that it may have left half written: make would take them for
 * finished. Does nothing after a build that ended in order. Hold the folder's lock.
 * @returns whether there was such a build
 */
export async function clearLeftovers(folder: string, root: string): Promise<boolean> {
	const mark = readMark(folder);
	if (!mark) return false;
	await endPrograms(() => (process.platform === "linux" ? bySession(mark, [folder, root]) : byGroup(mark, folder)));
	await deleteHalfWritten(folder);
	await unmarkRunning(folder);
	return true;
}

function readMark(folder: string): Mark | undefined {
	try {
		const { pid, start } = JSON.parse(readFileSync(markOf(folder), "utf8")) as Partial<Mark>;
		return typeof pid === "number" && pid > 1 ? { pid, start: String(start ?? "") } : undefined;
	} catch (error) {
		// Cut short: the build was killed while it wrote the mark, and nothing ran yet.
		return error instanceof SyntaxError ? { pid: Number.MAX_SAFE_INTEGER, start: "" } : undefined;
	}
}

async function endPrograms(left: () => number[]): Promise<void> {
	const send = (signal: NodeJS.Signals) => {
		for (const pid of left()) {
			try {
				process.kill(pid, signal);
			} catch {
				// It has ended meanwhile.
			}
		}
	};
	send("SIGTERM");
	const end = Date.now() + PATIENCE;
	while (left().length > 0 && Date.now() < end) await delay(50);
	send("SIGKILL");
	while (left().length > 0 && Date.now() < end + PATIENCE) await delay(50);
}

/** Programs of the session that the build began, in its folders: another session may have got its number since. */
function bySession(mark: Mark, folders: readonly string[]): number[] {
	const leader = processFacts(mark.pid);
	if (leader && !leader.ended && leader.start !== mark.start) return [];
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.map(Number)
		.filter((pid) => {
			const facts = processFacts(pid);
			return facts?.session === mark.pid && !facts.ended && folders.some((folder) => isInside(workingFolder(pid), folder));
		});
}

const workingFolder = (pid: number): string => {
	try {
		return readlinkSync(`/proc/${pid}/cwd`);
	} catch {
		return "";
	}
};

const isInside = (path: string, folder: string) => path === folder || path.startsWith(folder + sep);

/** Where there is no procfs: the group of cmake, if its command names the folder. Nothing on Windows, where programs end with their pipe. */
export function byGroup(mark: { readonly pid: number }, folder: string): number[] {
	if (process.platform === "win32") return [];
	const { stdout } = spawnSync("ps", ["-A", "-o", "pid=", "-o", "pgid=", "-o", "args="], { encoding: "utf8" });
	const members = [...(stdout ?? "").matchAll(/^\s*(\d+)\s+(\d+)\s+(.*)$/gm)]
		.map(([, pid, group, args]) => ({ pid: Number(pid), group: Number(group), args: args! }))
		.filter(({ group }) => group === mark.pid);
	return members.some(({ args }) => args.includes(folder)) ? members.map(({ pid }) => pid) : [];
}

/** Libraries are made again in a second; of objects those go that were written last. */
async function deleteHalfWritten(folder: string): Promise<void> {
	const found = (await readdir(folder, { recursive: true, withFileTypes: true }))
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name));
	const written = await Promise.all(found.map(async (path) => ({ path, at: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 })));
	const objects = written.filter(({ path }) => /\.(?:o|obj)$/.test(path));
	const newest = Math.max(...objects.map(({ at }) => at));
	const half = objects.filter(({ at }) => at > newest - WRITING);
	const linked = written.filter(({ path }) => /\.(?:a|lib|partial)$/.test(path) || path.includes(`${sep}linked${sep}`));
	await Promise.all([...half, ...linked].map(({ path }) => rm(path, { force: true })));
}
