// What says how much is removed.
import type { MostRemoved } from "../healing/memory.js";
import type { TimeToSave } from "../methods/timed.js";
import type { SizeRange } from "../preflight/target-size.js";

/** What says how much is removed: an option, or the limits; `curve` where nothing does. */
export type Amount =
	| "curve"
	| "gate"
	| { readonly blocks: number }
	| { readonly fraction: number }
	| { readonly remove: readonly number[] }
	| { readonly size: number }
	| AttentionAmount;

/** An amount of attention parts, and of blocks beside them. */
export interface AttentionAmount {
	/** With a share of the KV cache the fewest that may leave it. */
	readonly attentions: number;
	/** @default 0 */
	readonly blocks?: number;
	/** If a share of the KV cache says how many: numbers that may be the fewest, and which sets leave it. */
	readonly range?: SizeRange;
	/** If a speed-up says how many: what other sets must save to take part. */
	readonly time?: TimeToSave & Required<Pick<SizeRange, "reaches">>;
}

/** The same, before it is measured how many blocks a speed-up needs, or how many attention parts a share of the KV cache. */
export type AskedAmount = Amount | { readonly speedup: number } | { readonly kv: number };

/** What is removed at most. */
export const mostRemoved = ({ kmax, base }: Pick<Removable, "kmax" | "base">): MostRemoved =>
	base === undefined ? { blocks: kmax, attentions: 0 } : { blocks: base, attentions: kmax - base };

/** How many blocks to remove (undefined for the whole curve), and up to how many sets are searched. */
export interface Removable extends Partial<SizeRange> {
	/** At least. */
	readonly count: number | undefined;
	readonly kmax: number;
	/** With attention parts: what other sets must save to take part, of which the one that loses least is taken. */
	readonly time?: TimeToSave | undefined;
	/** With attention parts: how many whole blocks, or half-block cuts, are among what is counted. */
	readonly base?: number | undefined;
	/** The blocks themselves, where they are given: ascending. */
	readonly named?: readonly number[] | undefined;
}
