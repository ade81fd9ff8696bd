// How many blocks are to go, and which sets of as many are raced.
import { defaultMethod, factsOf } from "../../api/methods.js";
import { InvalidOptionError } from "../../errors.js";
import type { ProposedSet, Choices } from "../methods/selection-context.js";
import { checkCount, checkedRemoval, type Header, type ReadOnce } from "../preflight/model-header.js";
import { countsForSize, type SizeRange } from "../preflight/target-size.js";
import { finalists, sizesFound } from "../race/finalists.js";
import type { Session } from "../session/session.js";
import { checkSpeedup } from "../speed/target.js";
import { limitedAmount, mostForGate } from "./amount.js";
import type {
	AmountSettings,
	HealSettings,
	LimitSettings,
	MethodSettings,
	QuantizeSettings,
	UnknownSettings,
} from "../../api/options/settings.js";

/** What says how much is removed: an option, or the limits; `curve` where nothing does. */
export type Amount =
	| "curve"
	| "gate"
	| { readonly blocks: number }
	| { readonly fraction: number }
	| { readonly remove: readonly number[] }
	| { readonly size: number };

/** The same, before it is measured how many blocks a speed-up needs. */
export type AskedAmount = Amount | { readonly speedup: number };

const amounts = ["removeBlocks", "removeFraction", "remove", "targetSize", "targetSpeedup"] as const;

/** @throws InvalidOptionError for an amount that is out of range, or said twice */
export function amountOf(options: AmountSettings & LimitSettings): AskedAmount {
	const given = amounts.filter((name) => options[name] !== undefined);
	if (given.length > 1) throw new InvalidOptionError(`${given.join(" and ")} say the same thing twice: give one of them`);
	const { removeBlocks, removeFraction, remove, targetSpeedup } = options;
	checkSpeedup(options);
	if (targetSpeedup !== undefined) return { speedup: targetSpeedup };
	if (removeBlocks !== undefined) {
		if (!Number.isInteger(removeBlocks) || removeBlocks < 1)
			throw new InvalidOptionError(`remove-blocks must be a whole number of at least 1, got ${removeBlocks}`);
		return { blocks: removeBlocks };
	}
	if (removeFraction !== undefined) {
		if (!(removeFraction > 0 && removeFraction < 1))
			throw new InvalidOptionError(`remove-blocks as a share must be between 0 and 100 %, got ${removeFraction * 100} %`);
		return { fraction: removeFraction };
	}
	if (remove !== undefined) {
		if (remove.length === 0) throw new InvalidOptionError("the list of blocks to remove is empty");
		return { remove: [...new Set(remove)].sort((a, b) => a - b) };
	}
	return limitedAmount(options) ?? "curve";
}

/** How many blocks to remove (undefined for the whole curve), and up to how many sets are searched. */
export interface Removable extends Partial<SizeRange> {
	/** At least. */
	readonly count: number | undefined;
	readonly kmax: number;
	/** The blocks themselves, where they are given: ascending. */
	readonly named?: readonly number[] | undefined;
}

/** What says how much can go, and what of it remains. */
type RemovableSettings = Pick<MethodSettings, "method"> & QuantizeSettings & UnknownSettings & HealSettings;

/**
 * @param original header of the original whose weights are quantized
 * @throws InvalidOptionError where the model cannot lose as many
 */
export async function removableOf(amount: Amount, header: Header, original: ReadOnce, options: RemovableSettings): Promise<Removable> {
	const plan = header.blocks;
	const { blocks, maxRemovable } = plan;
	const tied = !factsOf(options.method ?? defaultMethod).runs;
	if (amount === "gate") {
		const kmax = mostForGate(blocks, maxRemovable);
		// The amount is not known yet, so assume the largest file.
		return { count: kmax, kmax, counts: Array.from({ length: kmax }, (_, i) => i + 1) };
	}
	if (amount === "curve") return { count: undefined, kmax: Math.max(1, Math.min(maxRemovable, Math.floor(blocks / 3))) };
	if ("size" in amount) {
		const { file } = (await original.header()) ?? header;
		const range = countsForSize(header, { file, target: amount.size, tied }, options);
		return { ...range, count: range.counts[0], kmax: range.counts.at(-1)! };
	}
	if ("remove" in amount) {
		const named = checkedRemoval(header.path, plan, amount.remove);
		return { count: named.length, kmax: named.length, named };
	}
	const count = "blocks" in amount ? amount.blocks : Math.round(amount.fraction * blocks);
	if (count < 1)
		throw new InvalidOptionError(
			`${((amount as { fraction: number }).fraction * 100).toFixed(1)} % of ${blocks} blocks is less than one block`,
		);
	checkCount(plan, count, { tied });
	return { count, kmax: count };
}

/**
 * The sets that are raced.
 * @param choices what a method found; undefined where the blocks are given
 * @throws InvalidOptionError where no set was found of the size that is asked for
 */
export function candidates(
	session: Session,
	choices: Choices | undefined,
	{ named, count, counts, reaches = () => true }: Removable,
): ProposedSet[] {
	if (named) return [{ removed: named, method: "given" }];
	const found = finalists(session, choices!, counts ?? (count === undefined ? sizesFound(choices!) : [count]));
	const sets = found.filter(({ removed }) => reaches(removed));
	if (sets.length === 0 && found.length > 0)
		throw new InvalidOptionError(
			"no candidate that was found makes the file as small as --target-size says: give a larger size, or say how many blocks with --remove-blocks",
		);
	if (sets.length === 0) {
		const reachable = sizesFound(choices!);
		throw new InvalidOptionError(
			`exactly ${counts?.join(" or ") ?? count} blocks cannot be removed from this architecture; possible: ${reachable.join(", ") || "none"}`,
		);
	}
	return sets;
}
