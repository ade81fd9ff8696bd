// Whether healing fits in memory, said before anything is searched or sampled.
import type { JobOptions } from "../../api/index.js";
import { InvalidOptionError, NotEnoughMemoryError } from "../../errors.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { defaultHealTokens, healTextOf } from "./text.js";
import { factorBytes } from "./head-factors.js";
import { defaultParts, isPlace, placesOf } from "../../model/fitting/cuts.js";
import { type FitKind, fitKinds, type HealKind } from "../../model/fitting/kinds.js";
import { logger } from "../../api/logger.js";
import { availableMemory, sizeText } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { equationBytes, solutionBytes } from "../../model/runtime/states.js";
import { fewestTokens } from "../preflight/heal-options.js";
import type { HealSettings } from "../../api/options/settings.js";

/** What is healed at once. */
export interface HealShape {
	readonly cuts: number;
	readonly tokens: number;
	/** Whether factors of heads are sought as well. */
	readonly heads?: boolean | undefined;
	/** Kinds that are tried. @default all */
	readonly kinds?: readonly FitKind[] | undefined;
	/** Bytes of the original model's distributions that are held at the same time and not made yet. @default 0 */
	readonly references?: number | undefined;
	/** Whether options say how much text these are on. @default true */
	readonly sized?: boolean | undefined;
}

/** Bytes that the states of all cuts, the equations of one and, held beside them, what factors of heads need and distributions take. */
export function healBytes(file: GgufFile, { cuts, tokens, heads, kinds = fitKinds, references = 0 }: HealShape): number {
	const fitted = cuts === 0 ? 0 : cuts * tokens * stateBytes(file) + fitBytes(file, kinds);
	return fitted + (heads ? factorBytes(file) : 0) + references;
}

/** What an option asks for. */
export const kindsOf = (wanted: HealKind = "auto"): readonly FitKind[] => (wanted === "auto" ? fitKinds : [wanted]);

/** Of `auto` what fits in memory: both kinds, else whole matrices alone, else maps, whose equations are as small as the model is wide. */
function fittingKinds(file: GgufFile, shape: HealShape, available: number): readonly FitKind[] | undefined {
	const choices: readonly (readonly FitKind[])[] = [fitKinds, ["refit"], ["map"]];
	return choices.find((kinds) => healBytes(file, { ...shape, kinds }) <= available);
}

/** What is fitted where sets are only compared: whole matrices, or maps where they alone are wanted or fit in memory. */
export function roughKind(file: GgufFile, shape: Omit<HealShape, "kinds">, wanted: HealKind | undefined): FitKind {
	const [first, ...others] = kindsOf(wanted);
	const available = availableMemory();
	return [first!, ...others].find((kind) => healBytes(file, { ...shape, kinds: [kind] }) <= available) ?? first!;
}

/**
 * The options with the only kind that fits in memory, where `auto` tries both and they do not: what is fitted must be known before
 * anything that is kept is named by it. A warning says so.
 * @throws NotEnoughMemoryError where nothing fits
 */
export function settleKind<T extends HealSettings & JobOptions>(
	file: GgufFile,
	shape: Omit<HealShape, "kinds">,
	options: T,
	available = availableMemory(),
): T {
	const wanted = kindsOf(options.healKind);
	const kinds = wanted.length === 1 ? wanted : (fittingKinds(file, shape, available) ?? wanted);
	checkHealMemory(file, { ...shape, kinds }, available);
	if (kinds.length === wanted.length || shape.cuts === 0) return options;
	const healKind = kinds[0]!;
	const needed = sizeText(healBytes(file, { ...shape, kinds: wanted }));
	const fewer = tokensThatFit(file, { ...shape, kinds: wanted }, available);
	const instead = fewer === undefined ? "" : `; both with --heal=${fewer} or less`;
	logger(options)(
		"warning",
		`only one kind of healing is tried (${healKind}): both need about ${needed} of memory, and ${sizeText(available)} are free${instead}`,
	);
	return { ...options, healKind };
}

const widthOf = (file: GgufFile) => file.number(`${file.architecture}.embedding_length`) ?? 0;
const stateBytes = (file: GgufFile) => 4 * widthOf(file);

/** Sizes of the matrices that may be healed: how many values they are multiplied with at most, and how many they give. */
export interface FitSizes {
	readonly inputs: number;
	readonly width: number;
}

export function fitSizes(file: GgufFile): FitSizes {
	const width = widthOf(file);
	const rows = (some: (name: string) => boolean) =>
		file.tensors.filter(({ name, dims }) => dims.length === 2 && dims[1] === width && some(name)).map(({ dims }) => dims[0]!);
	const feedForward = rows((name) => /ffn_down\.weight$/.test(name));
	return { inputs: Math.max(0, ...(feedForward.length > 0 ? feedForward : rows((name) => /^blk\./.test(name)))), width };
}

/** How many values of a token a matrix is fitted to. */
export const featuresOf = (kind: FitKind, { inputs, width }: FitSizes): number => (kind === "refit" ? inputs : width);

/** At most, as 32-bit numbers: in JavaScript, in the addon, and in the model, as values and as bytes. */
const matrixCopies = 7;

/** Whatever the tokens: equations of each kind, the solution of one, and copies of the matrix in numbers and bytes. */
function fitBytes(file: GgufFile, kinds: readonly FitKind[]): number {
	const { inputs, width } = fitSizes(file);
	const features = kinds.map((kind) => featuresOf(kind, { inputs, width }));
	const equations = features.reduce((sum, each) => sum + equationBytes(each, width), 0);
	return equations + solutionBytes(Math.max(0, ...features), width) + matrixCopies * 4 * inputs * width;
}

/** @throws NotEnoughMemoryError where it does not fit, with what would */
export function checkHealMemory(file: GgufFile, shape: HealShape, available = availableMemory()): void {
	if (shape.cuts === 0 && !shape.heads) return;
	const needed = healBytes(file, shape);
	if (needed <= available) return;
	const fitting = tokensThatFit(file, shape, available);
	const nothing = shape.cuts === 0 ? "leave out --heal-heads" : "leave out --heal";
	const maps = { ...shape, kinds: ["map"] } as const;
	const smaller = fitting === undefined && (healBytes(file, maps) <= available || tokensThatFit(file, maps, available) !== undefined);
	const kind = smaller ? "give --heal-kind map, or " : "";
	const instead = fitting === undefined ? `${kind}${nothing}` : `give --heal=${fitting} or less, or leave out --heal`;
	const { references = 0, sized = true } = shape;
	const part = references > 0 ? ` (${sizeText(references)} of it for the original model's distributions)` : "";
	const windows = references > 0 && sized ? ", or fewer or shorter windows (--windows, --window-length)" : "";
	throw new NotEnoughMemoryError(
		`healing needs about ${sizeText(needed)} of memory beside the model${part} and ${sizeText(available)} are free: ${instead}${windows}`,
	);
}

/** Undefined where the equations alone are too large. */
export function tokensThatFit(file: GgufFile, shape: HealShape, available: number): number | undefined {
	const { cuts } = shape;
	if (cuts === 0) return undefined;
	const others = healBytes(file, { ...shape, tokens: 0 });
	const tokens = Math.floor((available - others) / (cuts * stateBytes(file)) / 1024) * 1024;
	return tokens >= 1024 ? tokens : undefined;
}

/** Matrices of a set that are fitted: none at a cut that no block comes before. @param removed ascending */
export const healableCuts = (removed: readonly number[]) => placesOf(removed, defaultParts).filter(isPlace).length;

/** Shape of a set with so many healed cuts. Tokens are those asked for, or the fewest if a time is to say how many. */
export function shapeOf(model: Model, cuts: number, { healTokens, healTime, healHeads }: HealSettings): Omit<HealShape, "kinds"> {
	const text = healTextOf(model, healTokens ?? (healTime === undefined ? defaultHealTokens : fewestTokens), 0);
	return { cuts, tokens: text.count * text.length, heads: healHeads };
}

/** What is removed at most, where a search will say which. Half-block cuts count as blocks. */
export interface MostRemoved {
	readonly blocks: number;
	readonly attentions: number;
}

/** Cuts of what is removed, at most. Blocks that follow each other are one; each attention part is one. */
export const mostCuts = (model: Model, { blocks, attentions }: MostRemoved): number =>
	attentions + Math.min(blocks, Math.floor(model.facts.blocks / 2));

/**
 * Whether the model can be healed at all, before anything is sampled or searched.
 * @param removed the set, ascending; or the most that is removed, where a search will say which
 * @param references bytes of the original model's distributions that are made before healing and held through it
 * @param sized whether options say how much text these are on
 * @param alike whether all sets are healed by the same kind: the one that fits for the most cuts
 * @returns the options, with the kind that fits where only one does
 * @throws NotEnoughMemoryError where it cannot fit: the given set, or a single cut
 * @throws InvalidOptionError where the model has no token to begin samples with
 */
export function checkHealable<T extends HealSettings & JobOptions>(
	model: Model,
	removed: readonly number[] | MostRemoved,
	options: T,
	{
		alike = false,
		references = 0,
		sized = true,
		available = availableMemory(),
	}: { alike?: boolean; references?: number; sized?: boolean; available?: number } = {},
): T {
	const { file, facts } = model;
	if (facts.bos === undefined && facts.eos === undefined)
		throw new InvalidOptionError("healing needs self-generated text, and this model has no start token to begin it with: leave out --heal");
	const shape = (cuts: number) => ({ ...shapeOf(model, cuts, options), references, sized });
	if (!("attentions" in removed)) return settleKind(file, shape(healableCuts(removed)), options, available);
	const most = shape(mostCuts(model, removed));
	if (alike && fittingKinds(file, most, available)) return settleKind(file, most, options, available);
	const settled = settleKind(file, { ...most, cuts: 1 }, options, available);
	noteCuts(file, { ...most, kinds: kindsOf(settled.healKind) }, settled, available);
	return settled;
}

/** That a set of many cuts would not fit, or only with one kind. */
function noteCuts(file: GgufFile, shape: HealShape, options: HealSettings & JobOptions, available: number): void {
	const needed = healBytes(file, shape);
	if (needed <= available) return;
	const kinds = (options.healKind ?? "auto") === "auto" ? fittingKinds(file, shape, available) : undefined;
	const fitting = tokensThatFit(file, shape, available);
	const instead = fitting === undefined ? "" : `; --heal=${fitting} fits whatever is chosen`;
	const left = kinds ? `is healed by one kind only (${kinds[0]})` : "cannot be healed";
	logger(options)(
		"warning",
		`healing ${shape.cuts} cuts needs about ${sizeText(needed)} of memory, and ${sizeText(available)} are free: such a candidate ${left}${instead}`,
	);
}
