/** The three disjoint splits: for searching, for choosing among the found sets, and for the final figures only. */
export const splitNames = ["search", "validation", "heldOut"] as const;
export type SplitName = (typeof splitNames)[number];
