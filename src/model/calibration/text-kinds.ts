// The kinds of text that a model writes by itself.
import { openingKinds } from "./openings.js";

/** What a window of self-generated text is: a document from nothing, a chat, or what goes on with an opening of some kind. */
export const textKinds = ["document", "chat", ...openingKinds] as const;
export type TextKind = (typeof textKinds)[number];

/** The kinds that are there, and how many windows of each. */
export function countKinds(kinds: readonly TextKind[]): { kind: TextKind; count: number }[] {
	return textKinds.map((kind) => ({ kind, count: kinds.filter((one) => one === kind).length })).filter(({ count }) => count > 0);
}
