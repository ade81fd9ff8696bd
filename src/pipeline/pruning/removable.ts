// How many blocks are to go, and which sets of as many are raced.
import { defaultMethod, factsOf } from "../../api/methods.js";
import { InvalidOptionError } from "../../errors.js";
import type { ProposedSet, Choices } from "../methods/selection-context.js";
import { usualAttentions } from "../preflight/method-options.js";
import { checkCount, checkedRemoval, type Header, type ReadOnce } from "../preflight/model-header.js";
import { countsForSize } from "../preflight/target-size.js";
import { finalists, sizesFound } from "../race/finalists.js";
import type { Session } from "../session/session.js";
import { checkSpeedup } from "../speed/target.js";
import { limitedAmount, mostForGate } from "./amount.js";
import type { Amount, AskedAmount, AttentionAmount, Removable } from "./asked-amount.js";
import type {
	AmountSettings,
	HealSettings,
	LimitSettings,
	MethodSettings,
	QuantizeSettings,
	UnknownSettings,
} from "../../api/options/settings.js";

const amounts = ["removeBlocks", "removeAttention", "removeFraction", "remove", "targetSize", "targetSpeedup", "targetKv"] as const;

/** @throws InvalidOptionError for an amount that is out of range, or said twice */
export function amountOf(options: AmountSettings & LimitSettings & Pick<MethodSettings, "granularity">): AskedAmount {
	const given = amounts.filter((name) => options[name] !== undefined);
	if (given.length > 1) checkTogether(given);
	const { removeBlocks, removeFraction, remove, targetSpeedup, targetKv } = options;
	checkSpeedup(options);
	if (options.removeAttention !== undefined) return attentionsOf(options);
	if (targetKv !== undefined) {
		if (!(targetKv > 0 && targetKv < 1))
			throw new InvalidOptionError(`target-kv must be a share between 0 and 100 %, such as 50%; got ${targetKv * 100} %`);
		return { kv: targetKv };
	}
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

/** Only a number of blocks goes beside attention parts. @throws InvalidOptionError for other amounts that are given together */
function checkTogether(given: readonly (typeof amounts)[number][]): void {
	const pair = given.join();
	if (pair === "removeBlocks,removeAttention") return;
	if (pair === "removeAttention,removeFraction")
		throw new InvalidOptionError(
			"beside remove-attention give a number of blocks, not a share of them: -n 3 on the command line, removeBlocks: 3 in a program",
		);
	const names = given.map((name) => (name === "removeFraction" ? "removeBlocks" : name));
	throw new InvalidOptionError(`${names.join(" and ")} say the same thing twice: give one of them`);
}

/** @throws InvalidOptionError for numbers that are none */
function attentionsOf({ removeAttention, removeBlocks }: AmountSettings): AttentionAmount {
	for (const [name, number] of Object.entries({ "remove-attention": removeAttention, "remove-blocks": removeBlocks }))
		if (number !== undefined && !(Number.isInteger(number) && number >= 1))
			throw new InvalidOptionError(`${name} must be a whole number of at least 1, got ${number}`);
	return { attentions: removeAttention!, ...(removeBlocks === undefined ? {} : { blocks: removeBlocks }) };
}

/** What says how much can go, and what of it remains. */
type RemovableSettings = Pick<MethodSettings, "method" | "granularity"> & QuantizeSettings & UnknownSettings & HealSettings;

/**
 * @param original header of the original whose weights are quantized
 * @throws InvalidOptionError where the model cannot lose as many
 */
export async function removableOf(amount: Amount, header: Header, original: ReadOnce, options: RemovableSettings): Promise<Removable> {
	const plan = header.blocks;
	const { blocks, maxRemovable } = plan;
	const tied = !factsOf(options.method ?? defaultMethod).runs;
	if (options.granularity === "attention" && !(typeof amount === "object" && "remove" in amount))
		return removableAttention(plan, amount as AttentionAmount | "gate" | "curve", tied);
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
	const count = "fraction" in amount ? Math.round(amount.fraction * blocks) : amount.blocks!;
	if (count < 1)
		throw new InvalidOptionError(
			`${((amount as { fraction: number }).fraction * 100).toFixed(1)} % of ${blocks} blocks is less than one block`,
		);
	checkCount(plan, count, { tied });
	return { count, kmax: count };
}

/** The same of attention parts; without a number up to half of them. @throws InvalidOptionError where the model cannot lose as many blocks */
function removableAttention(plan: Header["blocks"], amount: AttentionAmount | "gate" | "curve", tied: boolean): Removable {
	if (typeof amount === "object") {
		const { attentions, blocks: base = 0, time, range } = amount;
		if (base > 0) checkCount(plan, base, { tied });
		if (range) return { ...range, count: attentions, kmax: range.counts.at(-1)!, base };
		return { count: attentions + base, kmax: attentions + base, base, ...(time ? { time, reaches: time.reaches } : {}) };
	}
	const kmax = usualAttentions(plan);
	const counts = Array.from({ length: kmax }, (_, i) => i + 1);
	return { kmax, base: 0, ...(amount === "gate" ? { count: kmax, counts } : { count: undefined }) };
}

/**
 * The sets that are raced.
 * @param choices what a method found; undefined where the blocks are given
 * @throws InvalidOptionError where no set was found of the size that is asked for
 */
export function candidates(
	session: Session,
	choices: Choices | undefined,
	{ named, count, counts, time, base, reaches = () => true }: Removable,
): ProposedSet[] {
	if (named) return [{ removed: named, method: "given" }];
	const found = finalists(session, choices!, counts ?? (count === undefined || time ? sizesFound(choices!) : [count]));
	const sets = found.filter(({ removed }) => reaches(removed));
	if (sets.length === 0 && found.length > 0) throw new InvalidOptionError(`no candidate that was found ${missedTarget({ time, base })}`);
	if (sets.length === 0) {
		const reachable = sizesFound(choices!);
		throw new InvalidOptionError(
			`exactly ${counts?.join(" or ") ?? count} ${countedParts(base)} cannot be removed from this architecture; possible: ${reachable.join(", ") || "none"}`,
		);
	}
	return sets;
}

/** What is counted. @param base blocks among it, where attention parts are searched */
function countedParts(base: number | undefined): string {
	if (base === undefined) return "blocks";
	return base === 0 ? "attention parts" : "blocks and attention parts together";
}

/** Which target candidates miss, and what to give instead. */
function missedTarget({ time, base }: Pick<Removable, "time" | "base">): string {
	const parts = "or say how many attention parts with --remove-attention";
	if (time) return `reaches --target-speedup at the context: give a smaller one, more evaluations where these are limited, ${parts}`;
	if (base !== undefined) return `leaves as little of the KV cache as --target-kv says: give a larger share, ${parts}`;
	return "makes the file as small as --target-size says: give a larger size, or say how many blocks with --remove-blocks";
}
