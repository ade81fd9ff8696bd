// How many tokens healing can be fitted to in a given time, by how fast this machine draws, runs and solves.
import { readFile } from "node:fs/promises";
import type { JobOptions, MachineOptions } from "../../api/index.js";
import { InvalidOptionError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { timed } from "../session/timings.js";
import { computingIdentity } from "../../model/evaluation/kept.js";
import { factorTokens, mostPasses } from "./head-factors.js";
import { featuresOf, fitSizes, type FitSizes, healableCuts, kindsOf, tokensThatFit } from "./memory.js";
import { defaultHealTokens, type HealText, hasHealWindows, healTextOf, raceTokens } from "./text.js";
import { defaultRelatives, normRidges } from "../../model/fitting/matrix-fit.js";
import { type FitKind, fitKinds } from "../../model/fitting/kinds.js";
import { logger } from "../../api/logger.js";
import { formatDuration } from "../../report/format.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { availableMemory } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { equationFlops, solutionFlops } from "../../model/runtime/states.js";
import { makeWindows } from "../../model/runtime/windows.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { type PlanHeal, readKeptTokens } from "../../storage/plan-heal.js";
import { keptHealPath } from "../../storage/runs.js";
import { fewestTokens, mostTokens } from "../preflight/heal-options.js";
import type { HealSettings } from "../../api/options/settings.js";

/** Sets that are going to be healed. */
export interface HealedSetsAhead {
	/** With all of the tokens, of them with the heads behind the cuts, and with a part of the tokens, to be compared. */
	readonly sets: number;
	readonly headSets: number;
	readonly raced: number;
	/** Cuts of a set: as far as is known, and at most. */
	readonly cuts: number;
	readonly mostCuts: number;
}

/** The set that was asked for and no other. @param removed in any order */
export function onlySet(removed: readonly number[]): HealedSetsAhead {
	const cuts = healableCuts([...removed].sort((a, b) => a - b));
	return { sets: 1, headSets: 1, raced: 0, cuts, mostCuts: cuts };
}

/** What is going to be done. */
export interface HealWork extends HealedSetsAhead {
	/** Tokens of the text that decides between variants, and of those that are judged on. */
	readonly tuning: number;
	readonly judged: number;
	readonly heads: boolean;
	/** Whether a norm stands behind the matrices, whose weights are fitted too. */
	readonly normed: boolean;
	readonly kinds: readonly FitKind[];
}

/** Of this machine with this model. */
export interface HealSpeed {
	/** Seconds to draw a token, and to run one through the original model. */
	readonly draw: number;
	readonly pass: number;
	/** Products and sums a second, of normal equations and of their solution. */
	readonly summing: number;
	readonly solving: number;
}

/** Ridges of each kind that are tried for a cut, about. */
const ridges = 4;
/** Sequences that are drawn at once (native/sampler.cpp), and tokens of each that are timed. */
const drawnAtOnce = 64;
const drawnEach = 32;
/** Bumped when the forecast changes. */
const version = 1;

/** Seconds that healing takes whatever the tokens, and for each of them. */
export interface HealForecast {
	readonly fixed: number;
	readonly perToken: number;
}

/** Removed blocks are counted as if they ran. */
export function forecast(work: HealWork, speed: HealSpeed, sizes: FitSizes): HealForecast {
	const { sets, headSets, raced, cuts, tuning, judged, heads, normed, kinds } = work;
	const { draw, pass } = speed;
	const { equations, solutions } = fitOf(kinds, speed, sizes);
	const weightings = defaultRelatives.length;
	const norm = normed ? 1 : 0;
	const tried = weightings * ridges * kinds.length + norm * normRidges.length;
	const whole = cuts * (weightings * ridges * solutions + tried * tuning * pass) + 2 * judged * pass;
	const rough = raceTokens * (pass * (1 + cuts) + cuts * equations) + cuts * solutions + tuning * pass;
	const factors = heads ? headSets * mostPasses * factorTokens * pass : 0;
	return {
		fixed: sets * whole + raced * rough + factors,
		perToken: draw + sets * (pass * (1 + (weightings + norm) * cuts) + weightings * cuts * equations),
	};
}

/** The same of a set that is healed as a plan says: with one fit of each cut, and no text that decides. */
export function forecastAgain({ cuts, kinds }: Pick<HealWork, "cuts" | "kinds">, speed: HealSpeed, sizes: FitSizes): HealForecast {
	const { equations, solutions } = fitOf(kinds, speed, sizes);
	return { fixed: cuts * solutions, perToken: speed.draw + speed.pass * (1 + cuts) + cuts * equations };
}

/** Seconds of the equations of a token, and of a solution, with every kind. */
function fitOf(kinds: readonly FitKind[], { summing, solving }: HealSpeed, { inputs, width }: FitSizes) {
	const sum = (of: (features: number, kind: FitKind) => number) =>
		kinds.reduce((total, kind) => total + of(featuresOf(kind, { inputs, width }), kind), 0);
	return {
		equations: sum((features) => equationFlops(features, width)) / summing,
		solutions: sum((features, kind) => solutionFlops(features, width, kind === "map" ? inputs : 0)) / solving,
	};
}

/** Where healing draws, runs and keeps what it knows. */
export interface HealPlace {
	readonly model: Model;
	readonly evaluator: Evaluator;
	/** Of the model's runs. */
	readonly folder: string;
	readonly seed: number;
	/** What the original model's distributions will take that are held through healing and not made yet, bytes. @default 0 */
	readonly referenceBytes?: number | undefined;
}

/** Options whose time became a number of tokens, and the seconds that healing takes with them, about; undefined if no time was given. */
export interface HealInTime<T> {
	readonly options: T;
	readonly seconds?: number | undefined;
}

/**
 * The options with as many tokens as can be drawn and fitted to in `healTime`, where that is given: at least 1,024, and no more than fit in
 * memory. What is found is kept in the run folder, so that a run that was stopped goes on with the same text.
 * @throws InvalidOptionError if even 1,024 tokens take more than twice that time
 */
export async function withHealTime<T extends HealSettings & JobOptions & MachineOptions>(
	place: HealPlace,
	ahead: HealedSetsAhead & Pick<HealWork, "tuning" | "judged">,
	options: T,
): Promise<HealInTime<T>> {
	const { healTime, healKind, healHeads } = options;
	if (healTime === undefined) return { options };
	const { model, evaluator, folder } = place;
	const heads = healHeads === true;
	const asked = { healTime, healKind, heads, ahead, threads: evaluator.threads, ubatch: evaluator.ubatch };
	const path = keptHealPath(folder, hashOf(["heal-time", version, asked, computingIdentity(model, options)]));
	const kept = await readFile(path, "utf8").then(readKeptTokens, () => undefined);
	const work = { ...ahead, heads, normed: isNormed(model.file), kinds: kindsOf(healKind) };
	if (kept) {
		// What was found is kept to: other text would make all of the healing anew.
		logger(options)("note", `${tokensText(kept.healTokens, healTime, kept.seconds)} (cached from an earlier run)`);
		return { options: { ...options, healTokens: kept.healTokens, healTime: undefined }, seconds: kept.seconds };
	}
	const { tokens, cost } = await tokensIn(healTime, place, work, options);
	const healTokens = Math.min(tokens, tokensInMemory(model.file, work, place.referenceBytes));
	const seconds = cost.fixed + healTokens * cost.perToken;
	await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify({ healTokens, seconds })));
	const text = healTokens < tokens ? `${usesText(healTokens)}, as many as fit in memory` : tokensText(healTokens, healTime, seconds);
	logger(options)("note", text);
	return { options: { ...options, healTokens, healTime: undefined }, seconds };
}

const usesText = (tokens: number) => `healing uses ${tokens.toLocaleString("en")} tokens`;

/** How many tokens healing uses, and why. @param seconds that it takes with them, about */
export function tokensText(tokens: number, healTime: number, seconds = 0): string {
	const isLeast = tokens === fewestTokens && seconds > healTime;
	return `${usesText(tokens)}, ${isLeast ? "the fewest that it can use" : `as many as ${formatDuration(healTime)} allow`}`;
}

/**
 * What is said if even the fewest tokens take longer than allowed: a warning, as an estimate may be off by that much.
 * @param least seconds that these take, about
 * @param compares whether candidates are compared, which `apply` does not
 * @throws InvalidOptionError if they take more than twice as long
 */
export function overTimeText(least: number, healTime: number, compares = true): string | undefined {
	if (least <= healTime) return undefined;
	const few = fewestTokens.toLocaleString("en");
	const text = `healing takes about ${formatDuration(least)} even with ${few} tokens`;
	if (least <= 2 * healTime) return `${text}, more than the ${formatDuration(healTime)} that --heal allows`;
	throw new InvalidOptionError(
		`${text}, more than twice the ${formatDuration(healTime)} that --heal allows. Give --heal=${Math.ceil(least / 60)}m or more, or leave out --heal.` +
			(compares ? " To heal blocks that you name, prune-gguf apply takes less time: it compares no candidates." : ""),
	);
}

/** What a run has measured already, or need not do. */
export type KnownSpeed = Partial<Pick<HealSpeed, "draw" | "pass">>;

/** Seconds that healing takes with as many tokens as the options say, about. What is not known of the speed is measured. */
export async function healSeconds(
	place: HealPlace,
	ahead: HealedSetsAhead & Pick<HealWork, "tuning" | "judged">,
	options: HealSettings & JobOptions,
	known: KnownSpeed,
): Promise<number> {
	const { healKind, healHeads, healTokens = defaultHealTokens } = options;
	const { model, seed } = place;
	const work = { ...ahead, heads: healHeads === true, normed: isNormed(model.file), kinds: kindsOf(healKind) };
	const speed = await speedOn(place, healTextOf(model, healTokens, seed), known, options);
	const { fixed, perToken } = forecast(work, speed, fitSizes(model.file));
	return fixed + healTokens * perToken;
}

/** The same of a set that is healed as its plan says. @param removed in any order */
export async function healAgainSeconds(
	place: HealPlace,
	{ removed, section }: { readonly removed: readonly number[]; readonly section: PlanHeal },
	options: JobOptions,
	known: KnownSpeed,
): Promise<number> {
	const { applied, cuts, fit } = section;
	if (!applied) return 0;
	const work = { cuts: onlySet(removed).cuts, kinds: fitKinds.filter((kind) => cuts.some(({ recipe }) => recipe?.kind === kind)) };
	const { fixed, perToken } = forecastAgain(work, await speedOn(place, fit, known, options), fitSizes(place.model.file));
	return fixed + fit.count * fit.length * perToken;
}

/** The speed with a text, which is not drawn where an earlier run drew it. */
async function speedOn(place: HealPlace, text: HealText, known: KnownSpeed, options: JobOptions): Promise<HealSpeed> {
	const drawn = await hasHealWindows(place.folder, text);
	return measureSpeed(place, options, drawn ? { ...known, draw: 0 } : known);
}

const isNormed = ({ tensors }: GgufFile): boolean => tensors.some(({ name }) => /^blk\.\d+\.post_ffw_norm\.weight$/.test(name));

/** Tokens that fit in memory for a set of as many cuts as there may be. */
function tokensInMemory(file: GgufFile, { mostCuts, heads, kinds }: HealWork, references: number | undefined): number {
	const shape = { cuts: mostCuts, tokens: fewestTokens, heads, kinds, references };
	return tokensThatFit(file, shape, availableMemory()) ?? fewestTokens;
}

async function tokensIn(
	seconds: number,
	place: HealPlace,
	work: HealWork,
	options: HealSettings & JobOptions,
): Promise<{ readonly tokens: number; readonly cost: HealForecast }> {
	const started = performance.now();
	const speed = await measureSpeed(place, options);
	const cost = forecast(work, speed, fitSizes(place.model.file));
	const { fixed, perToken } = cost;
	const log = logger(options);
	log(
		"debug",
		`tokens a second: ${(1 / speed.draw).toFixed(0)} drawn, ${(1 / speed.pass).toFixed(0)} run; GFLOP/s: ${(speed.summing / 1e9).toFixed(1)} in equations, ${(speed.solving / 1e9).toFixed(1)} in solutions; healing takes ${fixed.toFixed(1)} s and ${(fewestTokens * perToken).toFixed(2)} s for every ${fewestTokens} tokens`,
	);
	const left = seconds - (performance.now() - started) / 1000;
	const over = overTimeText(fixed + fewestTokens * perToken, seconds, work.raced > 0);
	if (over) log("warning", over);
	return { tokens: tokensWithin(left, cost), cost };
}

/** Whole thousands (of 1,024), at least one and at most as many as the option takes. */
export function tokensWithin(seconds: number, { fixed, perToken }: HealForecast): number {
	return Math.min(mostTokens, Math.max(fewestTokens, Math.floor((seconds - fixed) / perToken / fewestTokens) * fewestTokens));
}

/** Draws and runs a little text, as far as it is not known how fast that is, and solves small equations. */
async function measureSpeed(
	{ model, evaluator, seed }: HealPlace,
	{ signal, progress }: JobOptions,
	known: KnownSpeed = {},
): Promise<HealSpeed> {
	progress?.work({ phase: "timing healing", done: 0, total: 0, unit: "percent" });
	const both = known.draw !== undefined && known.pass !== undefined;
	const text = both
		? { draw: known.draw, pass: known.pass }
		: { ...(await measureText({ model, evaluator, seed }, known.pass, signal)), ...known };
	const size = { inputs: 1024, outputs: 512, rows: 4096, threads: evaluator.threads, onOutputs: false };
	const { inputs, outputs, rows } = size;
	const seconds = await model.runWithAddon(signal, (addon, cancel) => addon.timeLeastSquares(size, cancel));
	return {
		...text,
		summing: (rows * equationFlops(inputs, outputs)) / seconds.accumulate,
		solving: solutionFlops(inputs, outputs) / seconds.solve,
	};
}

/** @param pass seconds in which a token runs through the model; measured if it is not known */
async function measureText(
	{ model, evaluator, seed }: Pick<HealPlace, "model" | "evaluator" | "seed">,
	pass: number | undefined,
	signal: AbortSignal | undefined,
): Promise<Pick<HealSpeed, "draw" | "pass">> {
	const { bos, eos, contextLength, blocks } = model.facts;
	const length = Math.min(drawnEach, contextLength);
	const prompts = Array.from({ length: drawnAtOnce }, () => Int32Array.of((bos ?? eos)!));
	const [drawn, drawing] = await timed(() => model.sample(prompts, { length, seed, signal }));
	const tokens = Int32Array.from(drawn.flatMap((sequence) => [...sequence]));
	const draw = drawing / tokens.length;
	if (pass !== undefined) return { draw, pass };
	const windows = makeWindows(tokens, length);
	const full = Coalition.full(blocks);
	// The first one makes what a run needs.
	await evaluator.evaluate([full], windows, { signal });
	const [, running] = await timed(() => evaluator.evaluate([full], windows, { signal }));
	return { draw, pass: running / tokens.length };
}
