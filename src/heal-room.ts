// Whether healing fits in memory, said before anything is searched or sampled.
import type { HealOptions, JobOptions } from "./api.js";
import { InvalidOptionError, NotEnoughMemoryError } from "./errors.js";
import type { GgufFile } from "./gguf/index.js";
import { defaultHealTokens, healText } from "./heal-windows.js";
import { factorBytes } from "./heal-factors.js";
import { cutsOf } from "./healing/cuts.js";
import { logger } from "./log.js";
import { availableMemory, sizeText } from "./runtime/memory.js";
import type { Model } from "./runtime/model.js";
import { equationBytes } from "./runtime/states.js";

/** What is healed at once. */
export interface HealShape {
	readonly cuts: number;
	readonly tokens: number;
	/** Whether factors of heads are sought as well. */
	readonly heads?: boolean | undefined;
}

/** Bytes that the states of all cuts, the equations of one and, held beside them, what factors of heads need take. */
export function healBytes(file: GgufFile, { cuts, tokens, heads }: HealShape): number {
	const fitted = cuts === 0 ? 0 : cuts * tokens * stateBytes(file) + fitBytes(file);
	return fitted + (heads ? factorBytes(file) : 0);
}

const widthOf = (file: GgufFile) => file.number(`${file.architecture}.embedding_length`) ?? 0;
const stateBytes = (file: GgufFile) => 4 * widthOf(file);

/** Whatever the tokens: equations, their solution, and five copies of the matrix in numbers and bytes. */
function fitBytes(file: GgufFile): number {
	const width = widthOf(file);
	const rows = (some: (name: string) => boolean) =>
		file.tensors.filter(({ name, dims }) => dims.length === 2 && dims[1] === width && some(name)).map(({ dims }) => dims[0]!);
	const feedForward = rows((name) => /ffn_down\.weight$/.test(name));
	const inputs = Math.max(0, ...(feedForward.length > 0 ? feedForward : rows((name) => /^blk\./.test(name))));
	return equationBytes(inputs, width) + 5 * 4 * inputs * width;
}

/** @throws NotEnoughMemoryError where it does not fit, with what would */
export function checkRoom(file: GgufFile, shape: HealShape, available = availableMemory()): void {
	if (shape.cuts === 0 && !shape.heads) return;
	const needed = healBytes(file, shape);
	if (needed <= available) return;
	const fitting = tokensThatFit(file, shape, available);
	const nothing = shape.cuts === 0 ? "leave out --heal-heads" : "leave out --heal";
	const instead = fitting === undefined ? nothing : `give --heal-tokens ${fitting} or less, or leave out --heal`;
	throw new NotEnoughMemoryError(
		`healing needs about ${sizeText(needed)} of memory beside the model and ${sizeText(available)} are free: ${instead}`,
	);
}

/** Undefined where the equations alone are too large. */
function tokensThatFit(file: GgufFile, { cuts, heads }: HealShape, available: number): number | undefined {
	if (cuts === 0) return undefined;
	const others = healBytes(file, { cuts, tokens: 0, heads });
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
export function checkHealable(model: Model, removed: readonly number[] | number, options: HealOptions & JobOptions): void {
	const { file, facts } = model;
	if (facts.bos === undefined && facts.eos === undefined)
		throw new InvalidOptionError(
			"healing fits to the model's own samples, and this model has no start token to begin them with: leave out --heal",
		);
	const text = healText(model, options.healTokens ?? defaultHealTokens, 0);
	const shape = { tokens: text.count * text.length, heads: options.healHeads };
	const available = availableMemory();
	if (typeof removed !== "number") {
		checkRoom(file, { ...shape, cuts: healableCuts(removed) }, available);
		return;
	}
	checkRoom(file, { ...shape, cuts: 1 }, available);
	const most = { ...shape, cuts: Math.min(removed, Math.floor(facts.blocks / 2)) };
	const needed = healBytes(file, most);
	if (needed <= available) return;
	const fitting = tokensThatFit(file, most, available);
	const instead = fitting === undefined ? "" : `; --heal-tokens ${fitting} fits whatever is chosen`;
	logger(options)(
		"warning",
		`healing ${most.cuts} cuts would need about ${sizeText(needed)} of memory and ${sizeText(available)} are free: such a set cannot be healed${instead}`,
	);
}
