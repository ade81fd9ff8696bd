/** The three disjoint folds: for searching, for choosing among the found sets, and for the final figures only. */
export const foldNames = ["search", "validation", "report"] as const;
export type FoldName = (typeof foldNames)[number];
