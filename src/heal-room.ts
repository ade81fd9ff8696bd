// Whether healing fits in memory, said before anything is searched or sampled.
import type { HealOptions, JobOptions } from "./api.js";
import { InvalidOptionError, NotEnoughMemoryError } from "./errors.js";
import type { GgufFile } from "./gguf/index.js";
import { defaultHealTokens, healText } from "./heal-windows.js";
import { factorBytes } from "./heal-factors.js";
import { cutsOf } from "./healing/cuts.js";
import { type FitKind, fitKinds, type HealKind } from "./healing/kinds.js";
import { logger } from "./log.js";
import { availableMemory, sizeText } from "./runtime/memory.js";
import type { Model } from "./runtime/model.js";
import { equationBytes, solutionBytes } from "./runtime/states.js";

/** What is healed at once. */
export interface HealShape {
	readonly cuts: number;
	readonly tokens: number;
	/** Whether factors of heads are sought as well. */
	readonly heads?: boolean | undefined;
	/** Kinds that are tried. @default all */
	readonly kinds?: readonly FitKind[] | undefined;
}

/** Bytes that the states of all cuts, the equations of one and, held beside them, what factors of heads need take. */
export function healBytes(file: GgufFile, { cuts, tokens, heads, kinds = fitKinds }: HealShape): number {
	const fitted = cuts === 0 ? 0 : cuts * tokens * stateBytes(file) + fitBytes(file, kinds);
	return fitted + (heads ? factorBytes(file) : 0);
}

/**
 * What is tried: the kind that is wanted; of `auto` both, or maps alone where only their equations, which are as small as the model is
 * wide, fit in memory.
 */
export function kindsFor(file: GgufFile, shape: HealShape, wanted: HealKind = "auto", available = availableMemory()): readonly FitKind[] {
	if (wanted !== "auto") return [wanted];
	const fits = (kinds: readonly FitKind[]) => healBytes(file, { ...shape, kinds }) <= available;
	return !fits(fitKinds) && fits(["map"]) ? ["map"] : fitKinds;
}

const widthOf = (file: GgufFile) => file.number(`${file.architecture}.embedding_length`) ?? 0;
const stateBytes = (file: GgufFile) => 4 * widthOf(file);

/** Of the matrices that may be healed: how many values they are multiplied with at most, and how many they give. */
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

/** Whatever the tokens: equations of each kind, the solution of one, and five copies of the matrix in numbers and bytes. */
function fitBytes(file: GgufFile, kinds: readonly FitKind[]): number {
	const { inputs, width } = fitSizes(file);
	const features = kinds.map((kind) => (kind === "refit" ? inputs : width));
	const equations = features.reduce((sum, each) => sum + equationBytes(each, width), 0);
	return equations + solutionBytes(Math.max(0, ...features), width) + 5 * 4 * inputs * width;
}

/** @throws NotEnoughMemoryError where it does not fit, with what would */
export function checkRoom(file: GgufFile, shape: HealShape, available = availableMemory()): void {
	if (shape.cuts === 0 && !shape.heads) return;
	const needed = healBytes(file, shape);
	if (needed <= available) return;
	const fitting = tokensThatFit(file, shape, available);
	const nothing = shape.cuts === 0 ? "leave out --heal-heads" : "leave out --heal";
	const maps = { ...shape, kinds: ["map"] } as const;
	const smaller = fitting === undefined && (healBytes(file, maps) <= available || tokensThatFit(file, maps, available) !== undefined);
	const kind = smaller ? "give --heal-kind map, or " : "";
	const instead = fitting === undefined ? `${kind}${nothing}` : `give --heal-tokens ${fitting} or less, or leave out --heal`;
	throw new NotEnoughMemoryError(
		`healing needs about ${sizeText(needed)} of memory beside the model and ${sizeText(available)} are free: ${instead}`,
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

/** Cuts of a set that have a block before them: the others are left alone. @param removed ascending */
export const healableCuts = (removed: readonly number[]) => cutsOf(removed).filter(({ before }) => before !== undefined).length;

/**
 * Whether the model can be healed at all, before anything is sampled or searched.
 * @param removed the set, ascending; or the most blocks that are removed, where a search will say which
 * @throws NotEnoughMemoryError where it cannot fit: the given set, or a single cut
 * @throws InvalidOptionError where the model has no token to begin samples with
 */
export function checkHealable(
	model: Model,
	removed: readonly number[] | number,
	options: HealOptions & JobOptions,
	available = availableMemory(),
): void {
	const { file, facts } = model;
	if (facts.bos === undefined && facts.eos === undefined)
		throw new InvalidOptionError(
			"healing fits to the model's own samples, and this model has no start token to begin them with: leave out --heal",
		);
	const text = healText(model, options.healTokens ?? defaultHealTokens, 0);
	const tokens = text.count * text.length;
	const known = typeof removed !== "number";
	const cuts = known ? healableCuts(removed) : 1;
	const shape = { cuts, tokens, heads: options.healHeads };
	const kinds = kindsFor(file, shape, options.healKind, available);
	checkRoom(file, { ...shape, kinds }, available);
	const most = known ? cuts : Math.min(removed, Math.floor(facts.blocks / 2));
	noteMaps(file, { ...shape, kinds }, options, available);
	if (most > cuts) noteCuts(file, { ...shape, kinds, cuts: most }, options, available);
}

/** That only maps are fitted although nobody asked for that. */
function noteMaps(file: GgufFile, shape: HealShape, options: HealOptions & JobOptions, available: number): void {
	if (options.healKind === "map" || shape.kinds?.includes("refit") || shape.cuts === 0) return;
	const needed = healBytes(file, { ...shape, kinds: fitKinds });
	logger(options)(
		"warning",
		`matrices are healed by square maps only: fitting them anew as a whole needs about ${sizeText(needed)} of memory and ${sizeText(available)} are free`,
	);
}

/** That a set of many cuts would not fit, or only with maps. */
function noteCuts(file: GgufFile, shape: HealShape, options: HealOptions & JobOptions, available: number): void {
	const needed = healBytes(file, shape);
	if (needed <= available) return;
	const fitting = tokensThatFit(file, shape, available);
	const instead = fitting === undefined ? "" : `; --heal-tokens ${fitting} fits whatever is chosen`;
	const maps = healBytes(file, { ...shape, kinds: kindsFor(file, shape, options.healKind, available) }) <= available;
	logger(options)(
		"warning",
		`healing ${shape.cuts} cuts would need about ${sizeText(needed)} of memory and ${sizeText(available)} are free: such a set ${maps ? "is healed by square maps only" : "cannot be healed"}${instead}`,
	);
}
