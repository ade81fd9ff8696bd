// Words that must go, and what to write instead.

/**
 * Who reads a text: `users` (help, messages, reports, user pages), `developers` (research and developer pages), `code` (comments).
 * @typedef {"users" | "developers" | "code"} Readers
 */

/**
 * @typedef {object} WordRule
 * @property {string} name
 * @property {RegExp} find global; looked for in one sentence, without code, options, file names and short quotations
 * @property {string} write what to write instead
 * @property {readonly Readers[]} readers whose texts it holds for
 */

const all = ["users", "developers", "code"];
const people = ["users", "developers"];
const users = ["users"];

/** British stems of words that this project uses, with the American ones. */
const spellings = [
	["(?:de|re|un)?quantis(?=e|ing|ation)", "quantiz"],
	["(?:de|re|un)?normalis(?=e|ing|ation)", "normaliz"],
	["(?:de)?serialis(?=e|ing|ation)", "serializ"],
	["(?:un)?initialis(?=e|ing|ation)", "initializ"],
	["tokenis(?=e|ing|ation)", "tokeniz"],
	["optimis(?=e|ing|ation)", "optimiz"],
	["minimis(?=e|ing|ation)", "minimiz"],
	["maximis(?=e|ing|ation)", "maximiz"],
	["summaris(?=e|ing|ation)", "summariz"],
	["organis(?=e|ing|ation)", "organiz"],
	["(?:un)?recognis(?=e|ing|able)", "recogniz"],
	["vectoris(?=e|ing|ation)", "vectoriz"],
	["sanitis(?=e|ing|ation)", "sanitiz"],
	["factoris(?=e|ing|ation)", "factoriz"],
	["linearis(?=e|ing|ation)", "lineariz"],
	["generalis(?=e|ing|ation)", "generaliz"],
	["regularis(?=e|ing|ation)", "regulariz"],
	["randomis(?=e|ing|ation)", "randomiz"],
	["parallelis(?=e|ing|ation)", "paralleliz"],
	["synchronis(?=e|ing|ation)", "synchroniz"],
	["penalis(?=e|ing|ation)", "penaliz"],
	["stabilis(?=e|ing|ation)", "stabiliz"],
	["visualis(?=e|ing|ation)", "visualiz"],
	["standardis(?=e|ing|ation)", "standardiz"],
	["realis(?=e\\b|ed\\b|es\\b|ing)", "realiz"],
	["analys(?=e\\b|ed\\b|ing)", "analyz"],
	["colour", "color"],
	["neighbour", "neighbor"],
	["behaviour", "behavior"],
	["favour", "favor"],
	["honour", "honor"],
	["flavour", "flavor"],
	["labour", "labor"],
	["centre", "center"],
	["licence", "license"],
	["defence", "defense"],
	["artefact", "artifact"],
	["catalogue", "catalog"],
	["(?:un)?labelled\\b", "labeled"],
	["modell(?=ed\\b|ing\\b)", "model"],
	["signall(?=ed\\b|ing\\b)", "signal"],
	["misspelt\\b", "misspelled"],
	["spelt\\b", "spelled"],
	["learnt\\b", "learned"],
	["grey", "gray"],
	["whilst\\b", "while"],
	["judgement", "judgment"],
	["(?:mis)?behaviour", "behavior"],
];

/** The noun "set", alone: not the verb, and not a set of some blocks or tokens. */
const aloneSet = [
	"\\b(?:a|the|this|each|every|another|no|any|one|best|better|chosen|found|measured|healed|removed|same|such)\\s+set\\b",
	"\\b(?:the|these|those|its|all|no|some|many|both|best|chosen|found|measured|healed|removed|same|such)\\s+sets\\b",
	"\\bsets that (?:it|keep|were|are|was)\\b",
]
	.map((noun) => `${noun}(?!\\s+(?:to|by|up)\\b|\\s+of\\b(?!\\s+(?:this|that|its) size))`)
	.join("|");

/** The verbs of a block that is no longer there. */
const absent = "(?:gone|spared|missed|lost)";

/** @type {readonly WordRule[]} */
export const wordRules = [
	{ name: "fold", find: /(?<![\w-])folds?\b/gi, write: "split (search, validation, held-out)", readers: all },
	{ name: "own samples", find: /\b(?:own|model's) samples\b/gi, write: "self-generated text", readers: all },
	{ name: "whole model", find: /\bwhole models?\b/gi, write: "original model", readers: all },
	{ name: "full model", find: /\bfull models?\b/gi, write: "original model", readers: all },
	{ name: "yardstick", find: /\byardsticks?\b/gi, write: "metric", readers: all },
	{ name: "foretold", find: /\bforet(?:ell(?:s|ing)?|old)\b/gi, write: "predicted", readers: all },
	{
		name: "tell apart",
		find: /\bt(?:ell|ells|old|elling)(?:\s+\S+){0,4}?\s+apart\b/gi,
		write: "tied (statistically); else distinguish",
		readers: all,
	},
	{ name: "near tie", find: /\bnear[- ]ties?\b/gi, write: "tied", readers: all },
	{ name: "equivalent sets", find: /\bequivalent (?:sets?|candidates?|ones)\b/gi, write: "tied", readers: all },
	{ name: "found out", find: /\bfound out\b/gi, write: "chosen automatically, measured", readers: all },
	{ name: "shall", find: /\bshall\b/gi, write: "will, must, or the plain present", readers: all },
	{ name: "that which", find: /\bthat which\b/gi, write: "what, or the one that", readers: all },
	{ name: "back end", find: /(?<![\w-])back[- ]ends?\b/gi, write: "backend", readers: all },
	{
		name: "blocks gone",
		find: new RegExp(`\\bblocks?\\s+(?:\\w+\\s+){0,3}${absent}\\b|\\b${absent} blocks?\\b`, "gi"),
		write: "removed blocks",
		readers: all,
	},
	{
		name: "missed",
		find: /\b(?:much|is|are) missed\b|\bmissed (?:least|most|less|more)\b/gi,
		write: "importance, least important",
		readers: all,
	},
	{ name: "Of first", find: /^Of (?!course\b|(?:these|those|them),)/g, write: "subject first, then verb and object", readers: people },
	// A comment may be no sentence, such as: Of the first file.
	{
		name: "Of first",
		find: /^Of (?!course\b|(?:these|those|them),)(?=(?:\S+\s+){6})/g,
		write: "subject first, then verb and object",
		readers: ["code"],
	},
	{ name: "no search has seen", find: /\bno search (?:has|had) seen\b/gi, write: "held-out", readers: all },
	{ name: "dangerous options", find: /\bdangerous options?\b/gi, write: "what the options do", readers: all },
	{ name: "the written one", find: /\bthe written one\b/gi, write: "the pruned model", readers: all },
	{ name: "kept runs", find: /\bkept runs?\b/gi, write: "cache", readers: people },
	{ name: "what is kept", find: /\bwhat is kept\b/gi, write: "the cache, or what is meant", readers: people },
	{ name: "smaller model", find: /\b(?:the|this) smaller model\b/gi, write: "the pruned model", readers: people },
	{ name: "texts collapsed", find: /\btexts? collapsed?\b/gi, write: "samples get stuck in a loop", readers: users },
	{ name: "make up for", find: /\bma(?:kes?|de|king) up for\b/gi, write: "recover", readers: users },
	{ name: "counts as damaged", find: /\bcounts? as damaged\b/gi, write: "is damaged", readers: users },
	{ name: "stand in for", find: /\b(?:stands?|stood|standing) in for\b/gi, write: "redundant", readers: users },
	{ name: "race", find: /\brac(?:e|es|ed|ing)\b/gi, write: "final comparison", readers: users },
	{ name: "gate", find: /\bgate(?:s|d)?\b/gi, write: "limit (quality limits)", readers: users },
	{ name: "mask", find: /(?<!\battention )\bmask(?:s|ed)?\b/gi, write: "candidate, or evaluation", readers: users },
	{ name: "objective", find: /\bobjectives?\b/gi, write: "metric", readers: users },
	{ name: "contribution", find: /\bcontributions?\b(?! (?:are )?welcome)/gi, write: "importance", readers: users },
	{ name: "set alone", find: new RegExp(aloneSet, "gi"), write: "candidate", readers: users },
	{ name: "coalition", find: /\bcoalitions?\b|\bsemivalues?\b|\bShapley\b/g, write: "candidate, importance", readers: users },
	{ name: "ledger", find: /\bledgers?\b/gi, write: "cache", readers: users },
	{
		name: "room",
		find: /\b(?:too little|enough|no|the|of) room (?:for|in|on)\b/gi,
		write: "memory budget, or space on the disk",
		readers: users,
	},
	...spellings.map(([british, american]) => ({
		name: "British spelling",
		find: new RegExp(`\\b${british}\\w*`, "gi"),
		write: `${american}...`,
		readers: all,
	})),
];

/** What is no prose in a sentence: code, options, file names, names with dots, and quotations of up to six words. */
const noProse = [
	/`[^`]*`/g,
	/\{@\w+ [^}]*\}/g,
	/https?:\/\/\S+/g,
	/(?<![\w-])--?[a-z][\w-]*(?:=\S+)?/g,
	/[\w./*-]+\.(?:ts|mjs|js|cpp|h|md|json|jsonl|gguf|html|txt|py)\b/g,
	/\b[a-zA-Z]\w*(?:\.[a-z]\w+)+/g,
	/"(?:[^\s"]+\s+){0,5}[^\s"]+"/g,
];

/**
 * @param {string} sentence
 * @param {Readers} readers
 * @returns {{ name: string, found: string, write: string }[]} words of a sentence that must go
 */
export function wrongWords(sentence, readers) {
	const prose = noProse.reduce((text, pattern) => text.replace(pattern, " Code "), sentence).trim();
	return wordRules
		.filter((rule) => rule.readers.includes(readers))
		.flatMap(({ name, find, write }) => [...prose.matchAll(find)].map(([found]) => ({ name, found: found.trim(), write })));
}
