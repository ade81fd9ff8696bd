import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BlockPlan } from "../architectures/types.js";
import { ModelLoadError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { cacheFolder } from "../../storage/cache-folder.js";
import { childEnv, isChild, noDevices, runChild } from "./child.js";
import { textCheckOf } from "./vocabulary.js";

// llama.cpp asserts much about a file instead of reporting it, and an assertion ends the process. So a file that was not seen before is
// first loaded and run in a process that may end.

/** Task of the child. @internal */
export interface TrialRequest {
	/** Path of the addon. */
	readonly addon: string;
	/** Path of the model's first file. */
	readonly model: string;
	readonly load: { readonly gpuLayers: 0; readonly mmap: boolean };
	readonly rules: {
		readonly leadingCounts: readonly string[];
		readonly outputs: readonly (readonly string[])[];
		readonly empty: readonly number[];
	};
	/** Text to tokenize; undefined if the vocabulary can tokenize none. */
	readonly text: string | undefined;
	/** A user's message, to apply the chat template to. */
	readonly chat: string;
	/** Number of tokens to compute with; 0 if the model cannot be measured. */
	readonly tokens: number;
	readonly threads: number;
}

/** A file to try, and how it will be loaded. */
export interface Trial {
	readonly file: GgufFile;
	readonly blocks: BlockPlan;
	/** Path of the addon. */
	readonly addon: string;
	readonly mmap: boolean;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
	/** Called with 0..1 while the child loads. */
	readonly onProgress?: ((fraction: number) => void) | undefined;
}

const ENTRY = fileURLToPath(new URL("./trial-child.mjs", import.meta.url));
const TEXT = "Hello, world! 12 + 34 = 46\n\tIt's naïve.";
const TOKENS = 8;
/** Seconds that the child has to begin: a program other than Node.js never does. */
const START_SECONDS = 15;
/** Most lines in the record of files seen, 64 characters each; the older half is deleted when it is full. */
const MOST_SEEN = 4096;
/** Lines of llama.cpp's log in the error's message; all kept lines are its cause. */
const SHOWN_LINES = 2;

/** Keys of files that passed, as far as this process knows. @internal */
export const passedHere = new Set<string>();

/**
 * Returns if llama.cpp can load a file and compute with it on the processor, or will report itself why it cannot. It returns at once for a
 * file that was tried before, and in a process that is a trial itself. The child has ended, and freed its memory, before this returns.
 * @throws ModelLoadError if llama.cpp ends the process, with the last lines of its log
 * @throws the signal's reason once it is aborted
 */
export async function tryModel(trial: Trial): Promise<void> {
	if (isChild()) return;
	const key = await keyOf(trial);
	if (key !== undefined && (await isKnown(key))) return;
	const { passed, fault, log } = await runTrial(trial);
	if (passed && key !== undefined) await remember(key);
	if (fault === undefined) return;
	throw new ModelLoadError(
		`${trial.file.paths[0]}: llama.cpp ends the process ${fault}, so the model is not loaded here: ${log.slice(-SHOWN_LINES).join("; ")}`,
		{ cause: new Error(log.join("\n")) },
	);
}

/** @returns how llama.cpp ended the process; undefined if it did not, or no trial was possible */
async function runTrial(trial: Trial): Promise<{ passed: boolean; fault?: string; log: readonly string[] }> {
	const { signal, onProgress } = trial;
	const late = new AbortController();
	const timer = setTimeout(() => late.abort(), START_SECONDS * 1000);
	let stage: string | undefined;
	let passed = false;
	const onLine = (line: string) => {
		const [word, rest] = [line.split(" ", 1)[0], line.slice(line.indexOf(" ") + 1)];
		if (word === "stage") stage = rest;
		clearTimeout(timer);
		if (word === "progress") onProgress?.(Number(rest));
		passed ||= word === "passed";
		return passed || word === "failed";
	};
	const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
	try {
		const { done, cause, log } = await runChild({
			entry: ENTRY,
			request: requestOf(trial),
			env: { ...childEnv, ...noDevices },
			signal: either,
			onLine,
		});
		// If no process can be started, or it ends before it opens the file, this says nothing about the file.
		return done || cause === undefined || stage === undefined ? { passed, log } : { passed, log, fault: `(${cause}) while ${stage}` };
	} catch (error) {
		if (late.signal.aborted && !signal?.aborted) return { passed, log: [] };
		throw error;
	} finally {
		clearTimeout(timer);
	}
}

function requestOf({ file, blocks, addon, mmap, threads }: Trial): TrialRequest {
	const { leadingCounts, empty, outputs } = blocks.view;
	return {
		...{ addon, model: file.paths[0]!, load: { gpuLayers: 0, mmap }, threads, chat: "Hello" },
		rules: { leadingCounts, empty, outputs: Array.from({ length: blocks.blocks }, (_, block) => outputs(block)) },
		text: takes(file, TEXT) ? TEXT : undefined,
		tokens: blocks.unmeasurable === undefined ? TOKENS : 0,
	};
}

/** Whether the vocabulary can tokenize a text: if not, the error comes when a text is given. */
function takes(file: GgufFile, text: string): boolean {
	try {
		textCheckOf(file)(text, true);
		return true;
	} catch {
		return false;
	}
}

/**
 * Key of a trial: the addon, whether the file is mapped, the header, and for each file what changes when anything is written to it (the time of the last
 * change is the system's, no program sets it). Hashing the weights would cost more than the trial. Undefined if that time is unknown.
 */
async function keyOf({ file, addon, mmap }: Trial): Promise<string | undefined> {
	try {
		const hash = createHash("sha256");
		const identities: string[] = [];
		for (const path of [addon, ...file.paths]) {
			const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
			identities.push([dev, ino, size, mtimeNs, ctimeNs].join());
		}
		hash.update(JSON.stringify([identities, mmap]));
		for (const { key, raw } of file.entries) hash.update(`${key}\0`).update(raw);
		for (const { name, dims, type, source } of file.tensors) hash.update(`${name}\0${dims} ${type} ${source.offset}\0`);
		return hash.digest("hex");
	} catch {
		return undefined;
	}
}

const record = () => join(cacheFolder(), "tried.txt");

/** A key that the record held once counts in this process, whatever happens to the record. */
async function isKnown(key: string): Promise<boolean> {
	if (!passedHere.has(key) && (await seen()).includes(key)) passedHere.add(key);
	return passedHere.has(key);
}

async function seen(): Promise<string[]> {
	return (await readFile(record(), "utf8").catch(() => "")).split("\n").filter((line) => line.length === 64);
}

/** A cache folder that cannot be written costs one trial per process, and is not an error. */
async function remember(key: string): Promise<void> {
	passedHere.add(key);
	try {
		await mkdir(cacheFolder(), { recursive: true, mode: 0o700 });
		const known = await seen();
		if (known.length < MOST_SEEN) await appendFile(record(), `${key}\n`, { mode: 0o600 });
		else await writeFile(record(), `${[...known.slice(MOST_SEEN / 2), key].join("\n")}\n`, { mode: 0o600 });
	} catch {
		// As it says.
	}
}
