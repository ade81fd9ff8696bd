/** The three disjoint splits: for searching, for choosing among the found sets, and for the final figures only. */
export const splitNames = ["search", "validation", "heldOut"] as const;
export type SplitName = (typeof splitNames)[number];
/** The name of a split for people; other names stay as they are. */
export const splitTitle = (name: string): string => (name === "heldOut" ? "held-out" : name);
