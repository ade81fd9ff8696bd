// What of an earlier build must be made again: make takes everything for finished that is newer than its sources.
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeAtomically } from "../../storage/atomic-file.js";
import { FACTS_FILE, machineMisfitOf, readFacts } from "./binary/binary-facts.js";
import { examine } from "./binary/examine.js";
import { newestSource } from "./binary/sources.js";
import { System, type SystemFacts } from "./binary/system.js";
import type { BuildRecord } from "./build-folder.js";
import { clearLeftovers } from "./build-leftovers.js";
import { isChild } from "./child.js";

/** Nothing; the file, which was changed or damaged; or all objects too, since they are for another machine. */
export type Outdated = "nothing" | "file" | "all";

/** A build that begins. */
export interface BegunBuild {
	/** CMake's folder. */
	readonly folder: string;
	/** Where its addon appears, or is from an earlier build. */
	readonly addon: string;
	/** Folder that holds the sources. */
	readonly root: string;
	/** Hash of them. */
	readonly sources: string;
	readonly record: BuildRecord;
	readonly signal?: AbortSignal | undefined;
}

/** In a build's folder until the addon is in its place: what objects are compiled for, and from. */
const markOf = (folder: string) => join(folder, "begun.json");

/** What the mark says. */
interface Mark {
	/** Key of the machine. */
	readonly machine: string;
	/** Hash of the sources. */
	readonly sources: string;
	/** Whether no object is older than this build. */
	readonly anew: boolean;
}

/**
 * Deletes what make must not take for finished, and marks the build as begun. The addon stays until the new one is there, since other
 * programs may use it. Hold the folder's lock.
 * @returns whether all of it is compiled anew
 * @throws the signal's reason once it is aborted
 */
export async function clearOutdated(build: BegunBuild, system: SystemFacts = new System()): Promise<boolean> {
	const { folder, addon, root, sources, record } = build;
	const machine = machineKey(system);
	const begun = await readMark(folder);
	const isOther = begun !== undefined && (begun.machine !== machine || isUnseen(begun.sources, markOf(folder), build));
	const outdated = await outdatedFor(build, system);
	// Objects that are all new replace those of the addon that is there, whatever that is for.
	const isCleared = isOther || (outdated === "all" && !begun?.anew);
	if (isCleared) {
		await clearLeftovers(folder, root);
		const inside = (await readdir(folder)).filter((name) => name !== basename(dirname(addon)));
		await Promise.all(inside.map((name) => rm(join(folder, name), { recursive: true, force: true })));
		await mkdir(folder, { recursive: true });
	} else if (outdated === "file") {
		await record.begin();
		await rm(join(folder, "linked"), { recursive: true, force: true });
	}
	const anew = isCleared || (begun ? begun.anew : !existsSync(addon));
	await writeMark(folder, { machine, sources, anew });
	return anew;
}

async function outdatedFor(build: BegunBuild, system: SystemFacts): Promise<Outdated> {
	const { addon, signal } = build;
	const isOther = isUnseen(readFacts(addon)?.sources, join(dirname(addon), FACTS_FILE), build);
	return isOther ? "all" : outdatedPart(addon, { system, signal });
}

async function readMark(folder: string): Promise<Mark | undefined> {
	try {
		const { machine, sources, anew } = JSON.parse(await readFile(markOf(folder), "utf8")) as Partial<Mark>;
		return machine && sources ? { machine, sources, anew: anew === true } : undefined;
	} catch {
		return undefined;
	}
}

/** Also if one is there: its time is when objects began to be compiled from these sources. */
async function writeMark(folder: string, mark: Mark): Promise<void> {
	await writeAtomically(markOf(folder), { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(mark)));
}

/**
 * Whether sources changed, and make would not see it: files that were copied or unpacked may have an older date than what was compiled from
 * those before them. A build of before, which does not say what it was made from, is left to make.
 * @param written file that was written with `before`, the hash of what it was made from
 */
function isUnseen(before: string | undefined, written: string, { root, sources }: BegunBuild): boolean {
	return before !== undefined && before !== sources && newestSource(root) < statSync(written).mtimeMs;
}

/** The new addon is in its place, with its stamp. */
export async function endBegun(folder: string): Promise<void> {
	await rm(markOf(folder), { force: true });
}

/**
 * What of a build that is there must be made again. A fault that may pass, such as a lack of memory while it was tried, is no reason.
 * @throws the signal's reason once it is aborted
 * @internal
 */
export async function outdatedPart(
	addon: string,
	{ system, signal }: { readonly system: SystemFacts; readonly signal?: AbortSignal | undefined },
): Promise<Outdated> {
	if (!existsSync(addon)) return "nothing";
	const facts = readFacts(addon);
	if (facts && machineMisfitOf(facts, system)) return "all";
	// Without facts it is only tried, as one that was named.
	const candidate = { kind: facts ? "built" : "named", path: addon, name: basename(addon), facts } as const;
	const one = await examine(candidate, system, { signal, unprobed: isChild() });
	if (one.usable) return "nothing";
	if (one.damaged) return "file";
	return one.why === "elsewhere" || one.lasting ? "all" : "nothing";
}

const machineKey = ({ platform, arch, cpu, libc }: SystemFacts): string =>
	createHash("sha256")
		.update(JSON.stringify([platform, arch, libc, cpu.model, [...(cpu.flags ?? [])].sort()]))
		.digest("hex");
