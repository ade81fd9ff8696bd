// Self-generated text of a model, kept in its run folder for the next run.
import { access, readFile } from "node:fs/promises";
import type { JobOptions } from "../../api/index.js";
import { areSound, defaultMix, selfGeneratedWindows, type TextMix, windowsAsDrawn } from "../../model/calibration/index.js";
import type { Model } from "../../model/runtime/model.js";
import { llamaPin } from "../../model/runtime/paths.js";
import { makeWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { windowsPath } from "../../storage/runs.js";

/** Which windows: they are the same for the same model, binary and request. */
export interface SampleRequest {
	readonly seed: number;
	readonly count: number;
	readonly length: number;
	/** Type of the copy of the model that draws them. @default the model itself does */
	readonly copy?: string | undefined;
}

/** What they are for. */
export interface SamplePurpose {
	/** Part of the file's name, and what holds the tokens in it. */
	readonly name: string;
	/** Bumped when windows for it are drawn differently. */
	readonly version: number;
	/** For people, while they are drawn. */
	readonly phase: string;
	/** What it begins with. @default "documents" */
	readonly mix?: TextMix | undefined;
	/** Whether loops and broken text stay. @default false */
	readonly asDrawn?: boolean | undefined;
}

/** What a mix adds to the names of its text. Half chats were all that there was at first, and wide text held chats too. */
export const mixKey = (mix = defaultMix): string[] => (mix === "chats" ? [] : [mix === "wide" ? "wide documents" : mix]);

/** Where such windows are kept. Text drawn by another binary is as good: what is measured on it is kept by binary. Copies draw other text. */
export function samplesPath(folder: string, { seed, count, length, copy }: SampleRequest, { name, version, mix }: SamplePurpose): string {
	const by = copy === undefined ? [] : [{ copy }];
	return windowsPath(folder, hashOf([name, version, llamaPin.commit, count, length, seed, ...mixKey(mix), ...by]));
}

/** Whether an earlier run drew such windows. */
export function hasSamples(folder: string, request: SampleRequest, purpose: SamplePurpose): Promise<boolean> {
	return access(samplesPath(folder, request, purpose)).then(
		() => true,
		() => false,
	);
}

/** Whose text it is, and where it is kept. */
export interface SampleSource {
	readonly model: Model;
	/** Of the model's runs. */
	readonly folder: string;
	/** The copy of the model that draws what is asked of one. */
	readonly copy?: (() => Promise<Model>) | undefined;
}

/** Draws windows, or reads those that an earlier run drew. Text of a copy counts as the model's own: what is measured on it is kept by what measured it. */
export async function keptSamples(
	{ model, folder, copy }: SampleSource,
	request: SampleRequest,
	purpose: SamplePurpose,
	options: JobOptions,
): Promise<TokenWindows> {
	const { seed, count, length } = request;
	const { name, phase, mix, asDrawn = false } = purpose;
	const file = samplesPath(folder, request, purpose);
	const kept = await readFile(file, "utf8").then(
		(text) => read(text, name, request, model.facts.vocabulary),
		() => undefined, // not there, or torn by a crash: drawn again, the same for the same seed
	);
	// Text of an earlier version counts where nothing of it would be drawn again.
	if (kept?.windows && (asDrawn || kept.checked || areSound(model, kept.windows))) return kept.windows;
	const onProgress = (done: number, total: number) => options.progress?.work({ phase, done, total, unit: "tokens" });
	const draw = asDrawn ? windowsAsDrawn : selfGeneratedWindows;
	const sampler = request.copy === undefined ? model : await copy!();
	const windows = await draw(sampler, { count, length, seed, mix, signal: options.signal, onProgress });
	const text = JSON.stringify({ [name]: Array.from(windows.tokens), ...(asDrawn ? {} : { checked: true }) });
	await writeAtomically(file, { overwrite: true }, (handle) => handle.writeFile(text));
	return windows;
}

/** Windows that a cache holds; undefined for anything but as many tokens of the vocabulary as were drawn. */
export function keptWindows(
	tokens: unknown,
	{ count, length }: Pick<SampleRequest, "count" | "length">,
	vocabulary: number,
): TokenWindows | undefined {
	if (!Array.isArray(tokens) || tokens.length !== count * length) return undefined;
	const areTokens = tokens.every((token) => Number.isInteger(token) && token >= 0 && token < vocabulary);
	return areTokens ? makeWindows(Int32Array.from(tokens), length) : undefined;
}

function read(text: string, name: string, request: SampleRequest, vocabulary: number) {
	try {
		const kept = JSON.parse(text) as Record<string, unknown>;
		return { windows: keptWindows(kept[name], request, vocabulary), checked: kept.checked === true };
	} catch {
		return undefined;
	}
}
