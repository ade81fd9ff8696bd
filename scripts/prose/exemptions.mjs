// Sentences that may say a word that must go. Each says why.

/**
 * @typedef {object} Exemption
 * @property {string} file from the root
 * @property {string} word name of the rule (words.mjs)
 * @property {string} says part of the sentence; all of them if empty
 * @property {string} why
 */

/** @type {readonly Exemption[]} */
export const exemptions = [
	{ file: "src/api/methods.ts", word: "coalition", says: "", why: "the help of an estimator names what it computes" },
];
