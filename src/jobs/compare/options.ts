// What a comparison is asked to do, checked against the model.
import type { BlockPlan, CountOptions } from "../../model/architectures/index.js";
import { nameAmong, readDocuments, refuseRepeated, windowsOfDocuments, weightedFiles } from "../../model/calibration/index.js";
import { leastMasks } from "../../pipeline/methods/registry.js";
import { contenderOf } from "./contender.js";
import { InvalidOptionError } from "../../errors.js";
import { findEqualFiles } from "../../storage/equal-files.js";
import { checkGranularity } from "../../pipeline/preflight/method-options.js";
import { checkCount, nearestCounts } from "../../pipeline/preflight/model-header.js";
import { comparableMethods, comparedMethods, type ComparedMethod, factsOf } from "../../api/methods.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import type { Session } from "../../pipeline/session/session.js";
import { searchBudget } from "../../pipeline/methods/budget.js";
import type { CompareJob } from "../../pipeline/preflight/job.js";
import type { Settings } from "../../api/options/settings.js";

/** Shares of the blocks that are removed where nothing is said. */
const usualShares = [0.1, 0.2, 0.33];

/** What to compare. */
export interface Comparison {
	readonly methods: readonly ComparedMethod[];
	/** Numbers of removed blocks, ascending. */
	readonly counts: readonly number[];
	/** Masks that each method may ask for. */
	readonly limit: number;
}

function unknownMethod(method: string): string {
	return method.endsWith(":attention")
		? `${method} is no method: attention parts are not compared with blocks here. Search for them with prune-gguf MODEL --remove-attention N, and measure sets of either kind with prune-gguf evaluate MODEL --remove BLOCKS`
		: `${method} is no method; known are ${comparableMethods.join(", ")}`;
}

/**
 * @param tokens that a mask runs, where that is known; those of the windows where it is not, and for questions no bound at all
 * @throws InvalidOptionError for what the model cannot do, methods named twice, or a budget too small for a method
 */
export function comparisonOf(blocks: BlockPlan, options: Settings<"compare">, tokens?: number): Comparison {
	const list = options.methods ?? comparedMethods;
	if (list.length === 0) throw new InvalidOptionError("no method to compare: name some, or leave methods out");
	for (const [i, method] of list.entries()) {
		if (!comparableMethods.includes(method)) throw new InvalidOptionError(unknownMethod(method));
		if (list.indexOf(method) !== i) throw new InvalidOptionError(`the method ${method} is named twice`);
	}
	for (const name of list) checkGranularity(contenderOf(name), blocks);
	const counts = countsOf(blocks, options, { tied: !list.some((name) => factsOf(contenderOf(name).method).runs) });
	for (const name of ["maxEvaluations", "maxTokens"] as const) {
		const value = options[name];
		if (value !== undefined && (!Number.isInteger(value) || value < 1))
			throw new InvalidOptionError(`${name} must be a whole number of at least 1, got ${value}`);
	}
	// A budget of tokens forbids nothing until the tokens of the questions are known: only they say how many evaluations it holds.
	const maxTokens = options.questions !== undefined && tokens === undefined ? undefined : options.maxTokens;
	const limit = searchBudget(blocks.blocks, counts.at(-1)!, { ...options, maxTokens, effort: "thorough" }, tokens);
	for (const name of list) {
		const { method, granularity } = contenderOf(name);
		const least = leastMasks(method, blocks.blocks, counts.at(-1)!, granularity);
		if (least > limit)
			throw new InvalidOptionError(
				`${name} needs at least ${least} evaluations to remove up to ${counts.at(-1)} of ${blocks.blocks} blocks, and each method may spend ${limit}: give more, or leave it out`,
			);
	}
	return { methods: list, counts, limit };
}

function countsOf(blocks: BlockPlan, { removeBlocks, removeFraction }: Settings<"compare">, counting: CountOptions): number[] {
	for (const share of removeFraction ?? [])
		if (!(share > 0 && share < 1)) throw new InvalidOptionError(`a share of the blocks is between 0 and 1, got ${share}`);
	const shares = (removeFraction ?? usualShares).map((share) => Math.max(1, Math.round(share * blocks.blocks)));
	const usual = removeBlocks === undefined && removeFraction === undefined;
	const wanted = usual
		? shares.flatMap((count) => nearestCounts(blocks, count).slice(0, 1))
		: [...(removeBlocks ?? []), ...(removeFraction === undefined ? [] : shares)];
	if (wanted.length === 0) throw new InvalidOptionError("no number of blocks to remove: the list is empty");
	for (const count of wanted) {
		if (!Number.isInteger(count) || count < 1)
			throw new InvalidOptionError(`the number of blocks to remove must be a whole number of at least 1, got ${count}`);
		checkCount(blocks, count, counting);
	}
	return [...new Set(wanted)].sort((a, b) => a - b);
}

/** A text to score on. */
export interface EvalText {
	readonly name: string;
	readonly windows: TokenWindows;
}

/** Checks before hours of searching that no text is also searched on or given twice. @throws InvalidOptionError, CalibrationError */
export async function checkEvalFiles(options: CompareJob): Promise<void> {
	const { eval: files = [], evalWindows, evalWindowLength } = options;
	if (files.length === 0 && (evalWindows !== undefined || evalWindowLength !== undefined))
		throw new InvalidOptionError("evalWindows and evalWindowLength cut the texts of eval: name some, or leave them out");
	if (evalWindows !== undefined && (!Number.isInteger(evalWindows) || evalWindows < 2))
		throw new InvalidOptionError(`evalWindows must be a whole number of at least 2, got ${evalWindows}`);
	if (evalWindowLength !== undefined && (!Number.isInteger(evalWindowLength) || evalWindowLength < 8))
		throw new InvalidOptionError(`evalWindowLength must be a whole number of at least 8 tokens, got ${evalWindowLength}`);
	await refuseEqualTexts(files, options);
	for (const file of files) await readDocuments(file);
}

/** Two equal calibration files are refused as such, before they are held against the texts. */
async function refuseEqualTexts(files: readonly string[], { calibration = [], signal }: CompareJob): Promise<void> {
	if (files.length === 0) return;
	const searched = weightedFiles(calibration).map(({ path }) => path);
	await refuseRepeated(searched, signal);
	const all = [...searched, ...files];
	const equal = await findEqualFiles(all, signal);
	if (!equal) return;
	const [first, second] = equal.at.map((at) => all[at]!);
	if (equal.at[0] >= searched.length)
		throw new InvalidOptionError(
			equal.oneFile
				? `${second} is named twice among the texts to score on`
				: `${first} and ${second} are texts to score on with the same content: give only one of them`,
		);
	const why = "candidates are scored on text that they were not chosen on";
	throw new InvalidOptionError(
		equal.oneFile
			? `${second} is a calibration file too: ${why}`
			: `${second} has the same content as the calibration file ${first}: ${why}`,
	);
}

/** The windows to score on. @throws InvalidOptionError also for texts that give the same windows, CalibrationError where one is too short */
export async function evalTexts({ model, calibration }: Session, options: CompareJob): Promise<EvalText[]> {
	const { eval: files = [], evalWindows = 24 } = options;
	const { contextLength } = model.facts;
	const length = options.evalWindowLength ?? Math.min(256, contextLength);
	if (length > contextLength)
		throw new InvalidOptionError(
			`windows of ${length} tokens exceed the model's context of ${contextLength}: give --eval-window-length ${contextLength} or less`,
		);
	if (files.length === 0) return [{ name: `held-out split of ${calibration.source}`, windows: calibration.splits.heldOut }];
	const texts: EvalText[] = [];
	const known = new Map<string, string>();
	const named = files.map((path) => ({ path }));
	for (const file of files) {
		const windows = windowsOfDocuments(model, await readDocuments(file), { count: evalWindows, length, name: file });
		const hash = hashWindows(windows);
		const other = known.get(hash);
		if (other !== undefined) throw new InvalidOptionError(`${other} and ${file} give the same windows to score on: give only one of them`);
		known.set(hash, file);
		texts.push({ name: nameAmong(file, named), windows });
	}
	return texts;
}
