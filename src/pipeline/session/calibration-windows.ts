// The calibration windows of a run: drawn or read, self-generated text kept for the next run.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import {
	areSound,
	type Calibration,
	calibrate,
	inSplits,
	knowsChats,
	type SplitName,
	furtherDraws,
	type FurtherText,
	furtherText,
	oneSource,
	selfGenerated,
	textKinds,
} from "../../model/calibration/index.js";
import { InvalidOptionError } from "../../errors.js";
import type { SourceShare } from "../../game/sources.js";
import { metricOf } from "../preflight/metric.js";
import { hasSamples, keptSamples, keptWindows, mixKey, type SamplePurpose, type SampleSource } from "./cached-samples.js";
import { logger } from "../../api/logger.js";
import type { Model } from "../../model/runtime/model.js";
import { llamaPin } from "../../model/runtime/paths.js";
import { hashOf } from "../../storage/hash.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { windowsPath } from "../../storage/runs.js";
import { type DrawingLimit, SlowTextError, watchDrawing } from "./text-limit.js";
import { timed } from "./timings.js";
import type { SessionSettings } from "../../api/options/settings.js";

/** Windows of the search split and of the validation split, and tokens in a window, as the paper has them. */
export const defaultWindows = 10;
/**
 * Windows of the search split where it goes by the divergence from the original model: its mean over half as many is about as exact as that of
 * the loss (docs/research/decisions.md).
 */
const divergenceWindows = 5;
export const defaultWindowLength = 128;
/** Windows of the splits in a run whose limit of time drawing the usual text takes too much of: those that the search has anyway. */
export const fewWindows = divergenceWindows;
/** Bumped when self-generated text is drawn differently: kept windows of another version are not used. */
const samplerVersion = 1;

/** Where the windows of a split come from, where there are several sources. */
export function splitSources({ sources }: Pick<Calibration, "sources">, split: SplitName): readonly SourceShare[] | undefined {
	return sources.length < 2 ? undefined : sources.map(({ name, weight, counts }) => ({ name, weight, count: counts[split] }));
}

/** Windows of each split, and tokens in a window. @throws InvalidOptionError */
export function splitCounts(options: SessionSettings): Record<SplitName, number> & { length: number } {
	const validation = options.windows ?? defaultWindows;
	const search = options.windows ?? (wantsDivergence(options) ? divergenceWindows : defaultWindows);
	const length = options.windowLength ?? defaultWindowLength;
	if (!Number.isInteger(search) || search < 2) throw new InvalidOptionError(`windows must be a whole number of at least 2, got ${search}`);
	if (!Number.isInteger(length) || length < 8)
		throw new InvalidOptionError(`window-length must be a whole number of at least 8 tokens, got ${length}`);
	return { search, validation, heldOut: Math.ceil(1.5 * validation), length };
}

/** Tokens that an evaluation on the search split reads; undefined for questions, whose number is known once they are read. */
export function searchTokens(options: SessionSettings): number | undefined {
	if (options.metric === "accuracy") return undefined;
	const { search, length } = splitCounts(options);
	return search * length;
}

/**
 * Whether the search is to go by the divergence: the metric is the loss, and the text the model's own. Not with `--racing`, whose parts of the
 * split are compared by loss.
 */
export function wantsDivergence(options: SessionSettings): boolean {
	return metricOf(options) === "loss" && onSelfGenerated(options) && !options.racing;
}

/** Whether a run is measured on self-generated text, not on files. */
export const onSelfGenerated = ({ calibration = [] }: Pick<SessionSettings, "calibration">): boolean => calibration.length === 0;

/** Which text a run draws, and in which time. */
export interface TextRequest extends DrawingLimit {
	readonly seed: number;
	/** Says what computes, and on how many threads: the same draws as fast in the next run. */
	readonly by: string;
}

/** The text of a run. */
export interface SessionText extends Calibration {
	/** Seconds in which it was drawn as this run computes, by this run or an earlier one. Missing for files, and if nobody knows. */
	readonly drawnIn?: number | undefined;
}

/**
 * The windows of the options' files, or self-generated text, which is kept in the run folder.
 * @throws InvalidOptionError for self-generated text that cannot be drawn in time
 * @throws SlowTextError where it takes longer than it should, or did in an earlier run
 */
export async function calibrationOf(
	model: Model,
	folder: string,
	{ seed, by, ...limit }: TextRequest,
	options: SessionSettings,
): Promise<SessionText> {
	const { length, ...counts } = splitCounts(options);
	const draw = () => {
		const watch = watchDrawing(onSelfGenerated(options) ? limit : {}, options.signal);
		return calibrate(model, {
			files: options.calibration,
			counts,
			length,
			seed,
			mix: options.selfText,
			signal: watch.signal,
			onProgress: (done, total) => {
				options.progress?.work({ phase: "generating text", done, total, unit: "tokens" });
				watch.onProgress(done, total);
			},
		});
	};
	noteUnusedMix(model, options);
	if (!onSelfGenerated(options)) return draw();
	// Self-generated text is kept: a resumed run must see the same windows, and drawing them takes a while.
	const file = textPath(folder, seed, options);
	const kept = await readKept(model, file, { ...counts, length, by });
	if (kept) return kept;
	if (await goesOnWithLess(model, folder, { seed, by, ...limit }, options)) throw new SlowTextError();
	const [drawn, drawnIn] = await timed(draw);
	const splits = inSplits((split) => Array.from(drawn.splits[split].tokens));
	const text = JSON.stringify({ splits, kinds: drawn.kinds, checked: true, drawn: { seconds: drawnIn, by } });
	await writeAtomically(file, { overwrite: true }, (handle) => handle.writeFile(text));
	return { ...drawn, drawnIn };
}

/** Says that `--self-text` changes nothing: text was given, or the model knows no chats. */
function noteUnusedMix(model: Model, { selfText, ...options }: SessionSettings): void {
	if (selfText === undefined) return;
	if (!onSelfGenerated(options))
		logger(options)("note", `--self-text ${selfText} changes nothing: the text is that of --calibration. Leave one of them out`);
	else if (selfText === "chats" && !knowsChats(model))
		logger(options)(
			"note",
			"--self-text chats changes nothing: the model's file has no chat template that llama.cpp knows, so that all of its text is documents",
		);
}

/**
 * Says that a race costs more than it saves: without it the search of self-generated text goes by the divergence, on half as many windows. To be asked once
 * the text is settled, which may be less than the usual one.
 */
export function noteDearRacing(options: SessionSettings): void {
	if (!options.racing || !onSelfGenerated(options)) return;
	const { search } = splitCounts(options);
	const without = splitCounts({ ...options, racing: false }).search;
	if (without >= search) return;
	logger(options)(
		"warning",
		`with --racing the search measures ${search} windows of self-generated text by loss; without it ${without} by the divergence from the original model, which takes less time. Leave it out, or give text with --calibration`,
	);
}

/**
 * Whether an earlier run drew less text, in a time in which the usual text takes too much of this limit, or nearly: a stopped run goes on with that,
 * however fast the rest would be drawn now.
 */
async function goesOnWithLess(model: Model, folder: string, { seed, by, most }: TextRequest, options: SessionSettings): Promise<boolean> {
	if (most === undefined) return false;
	const few = { ...options, windows: fewWindows };
	const less = await readKept(model, textPath(folder, seed, few), { ...splitCounts(few), by });
	const windowsOf = ({ search, validation, heldOut }: ReturnType<typeof splitCounts>) => search + validation + heldOut;
	const usual = ((less?.drawnIn ?? 0) * windowsOf(splitCounts(options))) / windowsOf(splitCounts(few));
	return usual > most / 2;
}

/** Where the text of the splits is kept: under the names of version 1 of plans, so that text which it drew is found. */
function textPath(folder: string, seed: number, options: SessionSettings): string {
	const { length, heldOut, ...others } = splitCounts(options);
	return windowsPath(
		folder,
		hashOf([samplerVersion, llamaPin.commit, { ...others, report: heldOut }, length, seed, ...mixKey(options.selfText)]),
	);
}

const furtherPurpose = ({ selfText }: SessionSettings): SamplePurpose => ({
	...{ name: "further", version: samplerVersion, phase: "generating more text", mix: selfText },
});

/**
 * Tokens that each draw of further self-generated text still takes: 0 for what the run folder holds.
 * @param copy type of the copy that draws it, undefined for the model itself
 */
export function furtherToDraw(folder: string, copy: string | undefined, options: SessionSettings): Promise<number[]> {
	const { length, ...counts } = splitCounts(options);
	const left = furtherDraws({ counts, seed: options.seed ?? 0 }).map(async ({ count, seed }) =>
		(await hasSamples(folder, { count, length, seed, copy }, furtherPurpose(options))) ? 0 : count * length,
	);
	return Promise.all(left);
}

/**
 * Further windows of the same kind, self-generated text kept in the run folder: an interrupted race goes on with the same, unless memory for the copy
 * that drew it is missing now.
 * @param drawnBy type of the copy that draws it, undefined for the model itself
 */
export function furtherOf(
	source: SampleSource,
	drawnBy: () => Promise<string | undefined>,
	{ splits }: Calibration,
	options: SessionSettings,
): FurtherText {
	const { length, ...counts } = splitCounts(options);
	return furtherText(source.model, {
		calibration: { files: options.calibration, counts, length, seed: options.seed ?? 0 },
		splits: Object.values(splits),
		draw: async (count, seed) => keptSamples(source, { count, length, seed, copy: await drawnBy() }, furtherPurpose(options), options),
		onProblem: (problem) => logger(options)("warning", `there is no more text for tied candidates: ${problem}`),
	});
}

/** What a cache holds of the splits; `folds` is what an earlier version wrote. */
interface KeptSplits {
	readonly splits?: Readonly<Record<SplitName, number[]>>;
	readonly folds?: Readonly<Record<"search" | "validation" | "report", number[]>>;
	/** The kind of each window; nothing in what an earlier version wrote. */
	readonly kinds?: unknown;
	/** Whether loops and broken text were drawn again. Text of an earlier version counts where it has none. */
	readonly checked?: true;
	/** Seconds in which it was drawn, and by what. */
	readonly drawn?: { readonly seconds?: unknown; readonly by?: unknown };
}

async function readKept(
	model: Model,
	file: string,
	{ length, by, ...counts }: ReturnType<typeof splitCounts> & { readonly by: string },
): Promise<SessionText | undefined> {
	try {
		const kept = JSON.parse(await readFile(file, "utf8")) as KeptSplits;
		const splits = kept.splits ?? (kept.folds && { ...kept.folds, heldOut: kept.folds.report });
		const read = (split: SplitName) => keptWindows(splits?.[split], { count: counts[split], length }, model.facts.vocabulary);
		const [search, validation, heldOut] = [read("search"), read("validation"), read("heldOut")];
		if (!search || !validation || !heldOut) return undefined;
		const windows = { search, validation, heldOut };
		if (!kept.checked && !Object.values(windows).every((split) => areSound(model, split))) return undefined;
		const seconds = kept.drawn?.by === by ? kept.drawn?.seconds : undefined;
		const drawnIn = typeof seconds === "number" && seconds > 0 ? { drawnIn: seconds } : {};
		return { ...oneSource(selfGenerated, windows, keptKinds(kept.kinds, counts)), ...drawnIn };
	} catch {
		return undefined; // not there, or torn by a crash: drawn again, the same for the same seed
	}
}

const knownKinds = v.array(v.picklist(textKinds));

/** Undefined for anything but one known kind a window. */
function keptKinds(kept: unknown, counts: Readonly<Record<SplitName, number>>): Calibration["kinds"] {
	const schema = v.object(inSplits((split) => v.pipe(knownKinds, v.length(counts[split]))));
	const read = v.safeParse(schema, kept);
	return read.success ? read.output : undefined;
}
