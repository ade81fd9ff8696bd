/** How a matrix is changed: fitted anew as a whole, or by a square map on what it gives (ReplaceMe). */
export const fitKinds = ["refit", "map"] as const;
export type FitKind = (typeof fitKinds)[number];

/** What is tried: one kind, or both. */
export const healKinds = ["auto", ...fitKinds] as const;
export type HealKind = (typeof healKinds)[number];
