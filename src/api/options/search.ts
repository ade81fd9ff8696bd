// How blocks are chosen, and what a search may spend.
import { STRATA_PRESETS } from "../../game/strata.js";
import { stateTypes } from "../../model/runtime/state-types.js";
import { efforts, workingWeights } from "../measure.js";
import {
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

const effortHelp = (taken: readonly RankMethod[]) => `How many masks are spent: ${efforts.join(", ")}; for ${readers("effort", taken)}`;
const timeHelp = (taken: readonly RankMethod[]) =>
	`Time that the search takes, such as 20m; it ends with the best so far; for ${readers("maxTime", taken)}`;
const tokensHelp = (taken: readonly RankMethod[]) => `Tokens that the search measures at most; for ${readers("maxTokens", taken)}`;
const masksHelp = (taken: readonly RankMethod[]) =>
	`Masks that are measured at most: ${readers("effort", taken)} [default: by effort], paper [8000], paper-repaired [1000]${taken.some(isEstimator) ? ", the estimators [26 a block, 300 to 800]" : ""}`;

export const searchRows = {
	methods: {
		flag: "methods",
		path: "methods",
		value: { kind: "choices", of: methods },
		help: "Methods to compare, such as auto,greedy",
		default: comparedMethods.join(","),
		group: "method",
		commands: ["compare"],
	},
	types: {
		flag: "types",
		path: "quantize.types",
		value: { kind: "fileTypes" },
		help: "Types to quantize to, beside the weights as they are, such as Q8_0,Q4_K_M",
		default: "of Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M, Q2_K those that make the file smaller",
		group: "method",
		commands: ["frontier"],
	},
	method: {
		flag: "method",
		path: "search.method",
		value: { kind: "choice", of: methods },
		help: `How blocks are chosen: ${methods.join(", ")} (compare --help says what they do)`,
		default: defaultMethod,
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "method",
		per: {
			rank: {
				value: { kind: "choice", of: rankMethods },
				help: `How blocks are judged: ${rankMethods.join(", ")}`,
				default: "leave-one-out",
			},
		},
	},
	effort: {
		flag: "effort",
		path: "search.effort",
		value: { kind: "choice", of: efforts },
		help: effortHelp(methods),
		default: "standard",
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "effort",
		per: { rank: { help: effortHelp(rankMethods) } },
	},
	maxTime: {
		flag: "max-time",
		path: "search.maxTime",
		value: { kind: "duration" },
		help: timeHelp(methods),
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "maxTime",
		per: { rank: { help: timeHelp(rankMethods) } },
	},
	maxTokens: {
		flag: "max-tokens",
		path: "search.maxTokens",
		value: { kind: "integer", min: 1 },
		help: tokensHelp(methods),
		group: "method",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "maxTokens",
		per: { rank: { help: tokensHelp(rankMethods) }, compare: { help: "The same in tokens; the smaller one holds" } },
	},
	masks: {
		flag: "masks",
		path: "search.maxEvaluations",
		value: { kind: "integer", min: 1 },
		help: masksHelp(methods),
		group: "method",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "masks",
		printedAfter: "method",
		per: {
			rank: { help: masksHelp(rankMethods) },
			compare: { help: "Masks that each method may ask for", default: "26 a block, 300 to 800", after: "methods" },
		},
	},
	strata: {
		flag: "strata",
		path: "search.strata",
		value: { kind: "counts" },
		help: "The paper's numbers of kept blocks, such as 28,25,22",
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "strata",
	},
	strataPreset: {
		flag: "strata-preset",
		path: "search.strataPreset",
		value: { kind: "choice", of: Object.keys(STRATA_PRESETS) },
		help: `The strata of one of the paper's runs, scaled to the model: ${Object.keys(STRATA_PRESETS).join(", ")}`,
		default: "by the model's kind",
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "strataPreset",
	},
	attributionSamples: {
		flag: "attribution-masks",
		path: "search.attributionSamples",
		value: { kind: "integer", min: 1 },
		help: "The paper's masks for the contributions",
		default: "80000",
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "attributionSamples",
	},
	epochs: {
		flag: "epochs",
		path: "search.epochs",
		value: { kind: "integer", min: 1 },
		help: "The network's passes over the masks, for the paper's methods",
		default: "300",
		group: "method",
		commands: ["prune", "rank", "frontier"],
		plan: "epochs",
	},
	seed: {
		flag: "seed",
		path: "search.seed",
		value: { kind: "integer", max: 2 ** 32 - 1 },
		help: "Seed of everything drawn at random",
		default: "0",
		group: "method",
		commands: ["prune", "rank", "compare", "frontier", "apply"],
		printedAfter: "windowLength",
	},
	rounds: {
		flag: "rounds",
		path: "search.rounds",
		value: { kind: "integer", min: 1 },
		help: "Rank, cut an equal share, play again: so often, for leave-one-out and paper-repaired",
		default: "1",
		group: "method",
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
		help: "Weights that a search runs on: own, a type such as Q8_0 for a copy in memory, or auto: a copy where it pays",
		default: "auto; rank: own",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "workingWeights",
	},
	ubatch: {
		flag: "ubatch",
		path: "search.ubatch",
		value: { kind: "integer", min: 1, max: 65536 },
		help: "Tokens that run through a block at once in the search; changes bits",
		default: "as the search was begun; of a long new one what is fastest",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "ubatch",
	},
	scoreShare: {
		flag: "score-share",
		path: "search.scoreShare",
		value: { kind: "share" },
		help: "Share of the search text's positions that are scored, such as 25%: quicker, less exact; finalists and figures take all",
		default: "all",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "scoreShare",
	},
	stateBytes: {
		flag: "state-bytes",
		path: "search.stateBytes",
		value: { kind: "integer" },
		help: "Memory for hidden states kept between masks, bytes; beyond it they are computed again",
		default: "1073741824",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier"],
	},
	referenceBytes: {
		flag: "reference-bytes",
		path: "search.referenceBytes",
		value: { kind: "integer" },
		help: "Memory for the original model's distributions on one split, bytes; a KL divergence that needs more is refused, or left out of figures",
		default: "1073741824",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier", "apply"],
	},
	stateType: {
		flag: "state-type",
		path: "search.stateType",
		value: { kind: "choice", of: stateTypes },
		help: "Type of hidden states kept between masks: F32, or F16 for half the memory and other bits",
		default: "F32",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier"],
		plan: "stateType",
		printedAfter: "scoreShare",
	},
} as const satisfies OptionRows;
