/** How a matrix is changed: fitted as a whole, or by a square map on its output (ReplaceMe). */
export const fitKinds = ["refit", "map"] as const;
export type FitKind = (typeof fitKinds)[number];

/** Kinds to try: one, or both. */
export const healKinds = ["auto", ...fitKinds] as const;
export type HealKind = (typeof healKinds)[number];

/** Types that a healed matrix may be stored in. `auto`: the file's own if it has 8 bits per weight or more, else Q8_0; `same`: the file's own. */
export const healTypes = ["auto", "same", "Q8_0", "F16", "BF16", "F32", "Q6_K", "Q5_K", "Q4_K"] as const;
export type HealType = (typeof healTypes)[number];
