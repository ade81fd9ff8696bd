/**
 * What self-generated text begins with: `documents` with the start token, `chats` half of it with a user's turn of a chat, `wide` half of it with
 * openings of many kinds.
 */
export const textMixes = ["documents", "chats", "wide"] as const;
export type TextMix = (typeof textMixes)[number];
export const defaultMix: TextMix = "documents";
