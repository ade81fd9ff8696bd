// How blocks are chosen, and what a search may spend.
import { STRATA_PRESETS } from "../../game/strata.js";
import { stateTypes } from "../../model/runtime/state-types.js";
import { efforts, searchGranularities, workingWeights } from "../measure.js";
import {
	comparableMethods,
	comparedMethods,
	defaultMethod,
	factsOf,
	isEstimator,
	type MethodOption,
	methods,
	type RankMethod,
	rankMethods,
} from "../methods.js";
import type { OptionRows } from "./row.js";

/** The methods of a command that read an option; the help names no others. */
const readers = (option: MethodOption, taken: readonly RankMethod[] = methods) =>
	taken.filter((method) => !isEstimator(method) && factsOf(method).reads?.includes(option)).join(", ");

const effortHelp = (taken: readonly RankMethod[]) =>
	`How many candidates are evaluated: ${efforts.join(", ")} (${readers("effort", taken)})`;
const timeOfAllHelp = `Time for the whole run, e.g. 20m. If it is short, samples, speed, further text, further finalists and the search are left out, in this order. Time is the limit then, so the effort is thorough unless you give --effort (${readers("maxTime")})`;
const timeHelp = (taken: readonly RankMethod[]) =>
	`Time for the search, e.g. 20m; the best result so far counts. Time is the limit then, so the effort is thorough unless you give --effort (${readers("maxTime", taken)})`;
const tokensHelp = (taken: readonly RankMethod[]) =>
	`Most tokens that the search measures. Tokens are the limit then, so the effort is thorough unless you give --effort (${readers("maxTokens", taken)})`;
const evaluationsHelp = (taken: readonly RankMethod[]) => `Most candidates that are evaluated (${readers("maxEvaluations", taken)})`;
const evaluationsDefault = (taken: readonly RankMethod[]) =>
	`by effort; paper 8000, paper-repaired 1000${taken.some(isEstimator) ? ", estimators 26 per block, 300 to 800" : ""}`;

const usualGranularity = "half-block if the method and the architecture allow it, else block";

export const searchRows = {
	methods: {
		flag: "methods",
		path: "methods",
		value: { kind: "choices", of: comparableMethods },
		help: "Methods to compare, e.g. auto,greedy,greedy:half-block (the last one with half-block cuts)",
		default: comparedMethods.join(", "),
		group: "search",
		commands: ["compare"],
	},
	types: {
		flag: "types",
		path: "quantize.types",
		value: { kind: "fileTypes" },
		help: "Types to try in addition to the file's own, e.g. Q8_0,Q4_K_M",
		default: "Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M and Q2_K, if they make the file smaller",
		group: "search",
		commands: ["frontier"],
	},
	method: {
		flag: "method",
		path: "search.method",
		value: { kind: "choice", of: methods },
		help: `How blocks are chosen: ${methods.join(", ")} (compare --help explains them)`,
		default: defaultMethod,
		group: "search",
		commands: ["prune", "rank", "frontier"],
		plan: "method",
		per: {
			rank: {
				value: { kind: "choice", of: rankMethods },
				help: "How importance is measured, see below",
				default: "leave-one-out",
			},
		},
	},
	granularity: {
		flag: "granularity",
		path: "search.granularity",
		value: { kind: "choice", of: searchGranularities },
		help: `Remove only whole blocks (block), also the second half of one with the first of the next (half-block), or attention parts alone (attention; ${readers("granularity")})`,
		default: usualGranularity,
		group: "search",
		commands: ["prune", "rank", "frontier"],
		plan: "granularity",
		printedAfter: "method",
		per: {
			prune: { default: `${usualGranularity}; attention with an amount of attention parts` },
			rank: {
				help: "Rank whole blocks (block), also half-block cuts between neighbors (half-block; leave-one-out, auto), or attention parts alone (attention; these methods and the estimators)",
			},
		},
	},
	effort: {
		flag: "effort",
		path: "search.effort",
		value: { kind: "choice", of: efforts },
		meta: "<LEVEL>",
		help: effortHelp(methods),
		default: "standard",
		group: "search",
		commands: ["prune", "rank", "frontier"],
		plan: "effort",
		per: { rank: { help: effortHelp(rankMethods) } },
	},
	maxTime: {
		flag: "max-time",
		path: "search.maxTime",
		value: { kind: "duration" },
		help: timeOfAllHelp,
		group: "search",
		commands: ["prune", "rank", "frontier"],
		plan: "maxTime",
		per: { rank: { help: timeHelp(rankMethods) }, frontier: { help: timeHelp(methods) } },
	},
	maxTokens: {
		flag: "max-tokens",
		path: "search.maxTokens",
		value: { kind: "integer", min: 1 },
		help: tokensHelp(methods),
		group: "search",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "maxTokens",
		per: { rank: { help: tokensHelp(rankMethods) }, compare: { help: "Most tokens that each method may measure" } },
	},
	maxEvaluations: {
		flag: "max-evaluations",
		path: "search.maxEvaluations",
		value: { kind: "integer", min: 1 },
		help: evaluationsHelp(methods),
		default: evaluationsDefault(methods),
		group: "search",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "maxEvaluations",
		printedAfter: "method",
		per: {
			rank: { help: evaluationsHelp(rankMethods), default: evaluationsDefault(rankMethods) },
			compare: { help: "Most candidates that each method may evaluate", default: "26 per block, 300 to 800", after: "methods" },
		},
	},
	strata: {
		flag: "strata",
		path: "search.strata",
		value: { kind: "counts" },
		help: "Numbers of kept blocks that method paper samples, e.g. 28,25,22",
		group: "search",
		level: "research",
		commands: ["prune", "rank", "frontier"],
		plan: "strata",
	},
	strataPreset: {
		flag: "strata-preset",
		path: "search.strataPreset",
		value: { kind: "choice", of: Object.keys(STRATA_PRESETS) },
		help: `Strata of one of the paper's runs, scaled to the model: ${Object.keys(STRATA_PRESETS).join(", ")}`,
		default: "by the kind of model",
		group: "search",
		level: "research",
		commands: ["prune", "rank", "frontier"],
		plan: "strataPreset",
	},
	attributionSamples: {
		flag: "attribution-samples",
		path: "search.attributionSamples",
		value: { kind: "integer", min: 1 },
		help: "Samples from the surrogate for the importance of blocks (paper)",
		default: "80000",
		group: "search",
		level: "research",
		commands: ["prune", "rank", "frontier"],
		plan: "attributionSamples",
	},
	epochs: {
		flag: "epochs",
		path: "search.epochs",
		value: { kind: "integer", min: 1 },
		help: "Epochs that the surrogate network is trained for (paper, paper-repaired)",
		default: "300",
		group: "search",
		level: "research",
		commands: ["prune", "rank", "frontier"],
		plan: "epochs",
	},
	seed: {
		flag: "seed",
		path: "search.seed",
		value: { kind: "integer", max: 2 ** 32 - 1 },
		help: "Seed of everything random",
		default: "0",
		group: "search",
		commands: ["prune", "rank", "compare", "frontier", "apply"],
		printedAfter: "windowLength",
		per: { apply: { group: "text" } },
	},
	rounds: {
		flag: "rounds",
		path: "search.rounds",
		value: { kind: "integer", min: 1 },
		help: "Rounds of ranking blocks and removing an equal share (leave-one-out, paper-repaired)",
		default: "1",
		group: "search",
		level: "research",
		commands: ["prune"],
		api: ["frontier"],
		plan: "rounds",
	},
} as const satisfies OptionRows;

/** How a search measures: what it takes of the machine, and how exact it is. */
export const sweepRows = {
	workingWeights: {
		flag: "working-weights",
		path: "search.workingWeights",
		value: { kind: "choice", of: workingWeights },
		meta: "<TYPE>",
		help: "Weights that the search runs on: own, a type such as Q8_0 for a copy in memory, or auto",
		default: "auto; rank: own",
		group: "machine",
		level: "research",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "workingWeights",
	},
	ubatch: {
		flag: "ubatch",
		path: "search.ubatch",
		value: { kind: "integer", min: 1, max: 65536 },
		help: "Tokens that the search runs through a block at once; changes the last bits of results",
		default: "as the search began; for a long new search the fastest",
		group: "machine",
		level: "research",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "ubatch",
	},
	scoreShare: {
		flag: "score-share",
		path: "search.scoreShare",
		value: { kind: "share" },
		help: "Share of the search text that is scored, e.g. 25%; faster, less exact",
		default: "all",
		group: "machine",
		level: "research",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "scoreShare",
	},
	racing: {
		flag: "racing",
		path: "search.racing",
		value: { kind: "switch" },
		help: "Measure candidates that are clearly worse on the first windows on no further ones (text of one --calibration file, metric loss)",
		group: "search",
		level: "research",
		commands: ["prune", "rank", "frontier"],
		plan: "racing",
	},
	stateBytes: {
		flag: "state-bytes",
		path: "search.stateBytes",
		value: { kind: "size", min: 0 },
		help: "Memory budget for hidden states; beyond it they are computed again",
		default: "1GiB",
		group: "machine",
		level: "research",
		commands: ["prune", "rank", "compare", "frontier"],
	},
	referenceBytes: {
		flag: "reference-bytes",
		path: "search.referenceBytes",
		value: { kind: "size", min: 0 },
		help: "Memory budget for reference logits; a KL divergence that needs more is refused or left out",
		default: "1GiB",
		group: "machine",
		level: "research",
		commands: ["prune", "rank", "compare", "frontier", "apply"],
	},
	stateType: {
		flag: "state-type",
		path: "search.stateType",
		value: { kind: "choice", of: stateTypes },
		meta: "<TYPE>",
		help: "Type of hidden states in memory: F32, or F16 for half the memory and slightly different results",
		default: "F32",
		group: "machine",
		level: "research",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "stateType",
		printedAfter: "scoreShare",
	},
} as const satisfies OptionRows;
