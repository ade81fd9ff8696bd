// What probes gave, in the cache folder: a later start need not try a binary again.
import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { cacheFolder } from "../../../storage/cache-folder.js";
import type { SystemFacts } from "./system.js";

const shortText = v.pipe(v.string(), v.maxLength(200));
const recordSchema = v.object({
	key: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
	/** SHA-256 of the file. */
	sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
	passed: v.boolean(),
	/** What it said of its own making. */
	level: v.optional(shortText),
	compiler: v.optional(shortText),
	/** Why not. */
	reason: v.optional(v.pipe(v.string(), v.maxLength(2000))),
	/** Milliseconds since 1970 after which it no longer counts. */
	until: v.optional(v.number()),
	/** Milliseconds within which it did not answer. */
	limit: v.optional(v.number()),
});

/** What a probe gave. */
export type ProbeRecord = v.InferOutput<typeof recordSchema>;

/** Most lines in the file; the older half is deleted when it is full. */
const MOST = 256;

/** Records that this process made: they count here, whatever happens to the file. @internal */
export const knownHere = new Map<string, ProbeRecord>();

/**
 * Key of a probe: the file, with what changes when anything is written to it (the time of the last change is the system's, no program
 * sets it), Node.js and the processor. Undefined if there is no such file.
 */
export async function probeKey(path: string, { node, arch, cpu }: Pick<SystemFacts, "node" | "arch" | "cpu">): Promise<string | undefined> {
	try {
		const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
		const file = [dev, ino, size, mtimeNs, ctimeNs].map(String);
		const machine = [node, arch, cpu.model, [...(cpu.flags ?? [])].sort().join(" ")];
		return createHash("sha256")
			.update(JSON.stringify([path, file, machine]))
			.digest("hex");
	} catch {
		return undefined;
	}
}

/** The newest record of a key that still counts. */
export async function recordOf(key: string, now = Date.now()): Promise<ProbeRecord | undefined> {
	const known = knownHere.get(key) ?? (await records()).findLast((one) => one.key === key);
	if (!known || (known.until !== undefined && known.until < now)) return undefined;
	knownHere.set(key, known);
	return known;
}

/** A cache folder that cannot be written costs one probe per process, and is not an error. */
export async function record(one: ProbeRecord): Promise<void> {
	knownHere.set(one.key, one);
	await change(async (path) => {
		const known = await records();
		if (known.length < MOST) await appendFile(path, lineOf(one), { mode: 0o600 });
		else await writeFile(path, [...known.slice(MOST / 2), one].map(lineOf).join(""), { mode: 0o600 });
	});
}

/** For a binary that passed, and does not load all the same. */
export async function forget(key: string): Promise<void> {
	knownHere.delete(key);
	const known = await records();
	if (known.some((one) => one.key === key))
		await change((path) =>
			writeFile(
				path,
				known
					.filter((one) => one.key !== key)
					.map(lineOf)
					.join(""),
				{ mode: 0o600 },
			),
		);
}

const recordPath = () => join(cacheFolder(), "binaries.jsonl");
const lineOf = (one: ProbeRecord) => `${JSON.stringify(one)}\n`;

/** A line that another process writes at the same time may be torn: it does not count. */
async function records(): Promise<ProbeRecord[]> {
	const text = await readFile(recordPath(), "utf8").catch(() => "");
	return text.split("\n").flatMap((line) => {
		try {
			const { success, output } = v.safeParse(recordSchema, JSON.parse(line));
			return success ? [output] : [];
		} catch {
			return [];
		}
	});
}

async function change(write: (path: string) => Promise<void>): Promise<void> {
	try {
		await mkdir(cacheFolder(), { recursive: true, mode: 0o700 });
		await write(recordPath());
	} catch {
		// As `record` says.
	}
}
