// How many tokens healing can be fitted to in a given time, by how fast this machine draws, runs and solves.
import { readFile } from "node:fs/promises";
import type { HealOptions, JobOptions } from "./api.js";
import { ownSamples } from "./calibration/index.js";
import { InvalidOptionError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { factorTokens, mostPasses } from "./heal-factors.js";
import { fitSizes, type FitSizes, kindsFor, tokensThatFit } from "./heal-room.js";
import { healText, raceTokens } from "./heal-windows.js";
import type { FitKind } from "./healing/kinds.js";
import { logger } from "./log.js";
import { formatDuration } from "./report/format.js";
import type { Evaluator } from "./runtime/evaluator.js";
import { availableMemory } from "./runtime/memory.js";
import type { Model } from "./runtime/model.js";
import { writeAtomically } from "./storage/atomic-file.js";
import { hashOf } from "./storage/hash.js";
import { windowsPath } from "./storage/runs.js";

/** What is going to be healed. */
export interface HealWork {
	/** Sets that are healed with all of the tokens. */
	readonly sets: number;
	/** Sets that are healed with a part of them to be compared. */
	readonly raced: number;
	/** Cuts of a set, of which a search is not known to find more than two. */
	readonly cuts: number;
	/** Tokens of the text that decides between variants, and of those that are judged on. */
	readonly tuning: number;
	readonly judged: number;
	readonly heads: boolean;
	readonly kinds: readonly FitKind[];
}

/** Of this machine with this model. */
export interface HealSpeed {
	/** Seconds to draw a token, and to run one through the whole model. */
	readonly draw: number;
	readonly pass: number;
	/** Products and sums a second in least squares. */
	readonly flops: number;
}

/** Weightings of tokens, and ridges of each kind that are tried for a cut; see healing/heal.ts. */
const weightings = 2;
const ridges = 4;
const fewest = 1024;
/** Bumped when the forecast changes. */
const version = 1;

/** Seconds that healing takes whatever the tokens, and for each of them. Removed blocks are counted as if they ran. */
export function forecast(
	work: HealWork,
	{ draw, pass, flops }: HealSpeed,
	{ inputs, width }: FitSizes,
): { fixed: number; perToken: number } {
	const { sets, raced, cuts, tuning, judged, heads, kinds } = work;
	const features = kinds.map((kind) => (kind === "refit" ? inputs : width));
	const sum = (of: (n: number) => number) => features.reduce((total, n) => total + of(n), 0);
	const equations = sum((n) => n * (n + 2 * width)) / flops;
	const map = kinds.includes("map") ? 2 * inputs * width ** 2 : 0;
	const solutions = (sum((n) => n ** 3 / 3 + 4 * n * n * width) + map) / flops;
	const whole = cuts * weightings * ridges * (solutions + kinds.length * tuning * pass) + 2 * judged * pass;
	const rough = raceTokens * (pass * (1 + cuts) + cuts * equations) + cuts * solutions + tuning * pass;
	const factors = heads ? mostPasses * factorTokens * pass : 0;
	return {
		fixed: sets * whole + raced * rough + factors,
		perToken: draw + sets * (pass * (1 + weightings * cuts) + weightings * cuts * equations),
	};
}

/** Where healing draws, runs and keeps what it knows. */
export interface HealPlace {
	readonly model: Model;
	readonly evaluator: Evaluator;
	/** Of the model's runs. */
	readonly folder: string;
	readonly seed: number;
}

/**
 * The options with as many tokens as can be drawn and fitted to in `healTime`, where that is given: at least 1,024, and no more than fit in
 * memory. What is found is kept in the run folder, so that a run that was stopped goes on with the same text.
 */
export async function withHealTime<T extends HealOptions & JobOptions>(
	place: HealPlace,
	foreseen: Omit<HealWork, "kinds" | "heads">,
	options: T,
): Promise<T> {
	const { healTime, healKind, healHeads } = options;
	if (healTime === undefined) return options;
	const { model, evaluator, folder } = place;
	const heads = healHeads === true;
	const shape = { cuts: foreseen.cuts, tokens: fewest, heads };
	const kinds = kindsFor(model.file, shape, healKind);
	const work = { ...foreseen, heads, kinds };
	const path = windowsPath(folder, hashOf(["heal-time", version, healTime, work, evaluator.threads, evaluator.ubatch]));
	const kept = await readFile(path, "utf8").then(keptTokens, () => undefined);
	const healTokens = kept ?? (await tokensIn(healTime, place, work, options));
	if (kept === undefined) await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify({ healTokens })));
	logger(options)("note", `healing is fitted to ${healTokens.toLocaleString("en")} tokens, as many as ${formatDuration(healTime)} allow`);
	return { ...options, healTokens, healTime: undefined };
}

function keptTokens(text: string): number | undefined {
	try {
		const { healTokens } = JSON.parse(text) as { healTokens: unknown };
		return Number.isInteger(healTokens) && (healTokens as number) >= fewest ? (healTokens as number) : undefined;
	} catch {
		return undefined;
	}
}

async function tokensIn(seconds: number, place: HealPlace, work: HealWork, options: HealOptions & JobOptions): Promise<number> {
	const { file } = place.model;
	const started = performance.now();
	const speed = await measureSpeed(place, options);
	const { fixed, perToken } = forecast(work, speed, fitSizes(file));
	logger(options)(
		"debug",
		`tokens a second: ${(1 / speed.draw).toFixed(0)} drawn, ${(1 / speed.pass).toFixed(0)} run; ${(speed.flops / 1e9).toFixed(1)} GFLOP/s; healing takes ${fixed.toFixed(1)} s and ${(1024 * perToken).toFixed(2)} s for every 1,024 tokens`,
	);
	const left = seconds - (performance.now() - started) / 1000;
	const least = fixed + fewest * perToken;
	if (least > left)
		logger(options)(
			"warning",
			`healing takes about ${formatDuration(least)} even with ${fewest} tokens, more than the ${formatDuration(seconds)} of --heal-time`,
		);
	const most = tokensThatFit(file, { ...work, tokens: fewest }, availableMemory()) ?? fewest;
	return tokensWithin(left, { fixed, perToken }, most);
}

/** Whole thousands (of 1,024), at least one. */
export function tokensWithin(seconds: number, { fixed, perToken }: { fixed: number; perToken: number }, most: number): number {
	const tokens = Math.min(most, (seconds - fixed) / perToken);
	return Math.max(fewest, Math.floor(tokens / fewest) * fewest);
}

/** Draws and runs a little text, and solves small equations. */
async function measureSpeed({ model, evaluator, seed }: HealPlace, { signal, onProgress }: JobOptions): Promise<HealSpeed> {
	onProgress?.({ phase: "timing what healing takes", done: 0, total: 1, unit: "masks" });
	const text = healText(model, 2 * fewest, seed);
	const tokens = text.count * text.length;
	const [windows, drawing] = await timed(() => ownSamples(model, { ...text, signal }));
	const full = Coalition.full(model.facts.blocks);
	// The first one loads what a run needs.
	await evaluator.evaluate([full], windows, { signal });
	const [, running] = await timed(() => evaluator.evaluate([full], windows, { signal }));
	const size = { inputs: 1024, outputs: 512, rows: 4096, threads: evaluator.threads, onOutputs: false };
	const { accumulate } = await model.runWithAddon(signal, (addon, cancel) => addon.timeLeastSquares(size, cancel));
	const products = size.rows * size.inputs * (size.inputs + 2 * size.outputs);
	return { draw: drawing / tokens, pass: running / tokens, flops: products / accumulate };
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
	const started = performance.now();
	const result = await work();
	return [result, (performance.now() - started) / 1000];
}

/** @throws InvalidOptionError */
export function checkHealTime({ healTime, healTokens }: HealOptions): void {
	if (healTime === undefined) return;
	if (!(healTime > 0)) throw new InvalidOptionError(`heal-time must be a time above 0 seconds, got ${healTime}`);
	if (healTokens !== undefined) throw new InvalidOptionError("heal-time finds the number of tokens: give it or heal-tokens");
}
