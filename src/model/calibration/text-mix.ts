/** What self-generated text begins with: `plain` from nothing and with chat turns, `wide` also with openings of many kinds. */
export const textMixes = ["plain", "wide"] as const;
export type TextMix = (typeof textMixes)[number];
