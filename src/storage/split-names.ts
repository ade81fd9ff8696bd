/** The three disjoint splits: for searching, for choosing among the found sets, and for the final figures only. */
export const splitNames = ["search", "validation", "heldOut"] as const;
/** Their names for people. */
export const splitTitles = { search: "search", validation: "validation", heldOut: "held-out" } as const;
export type SplitName = (typeof splitNames)[number];
