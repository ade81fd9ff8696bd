// Every method that chooses or ranks blocks: its name, what it does, what it reads. Names and words only, so that help is quick.

/** Options that only some methods read. */
export const methodOptions = [
	"granularity",
	"maxEvaluations",
	"strata",
	"strataPreset",
	"epochs",
	"attributionSamples",
	"effort",
	"maxTime",
	"maxTokens",
	"rounds",
] as const;
export type MethodOption = (typeof methodOptions)[number];

interface MethodFacts {
	/** One line for people. */
	readonly does: string;
	/** Options of {@link methodOptions} that it reads. @default none */
	readonly reads?: readonly MethodOption[];
	/** Gives a number to each block, so that `rank` can show it. @default false */
	readonly ranks?: true;
	/** Its candidates are runs of neighboring blocks, whatever groups a model's rules tie together. @default false */
	readonly runs?: true;
	/** Its candidates take part in the final comparison with those of others. @default false */
	readonly raced?: true;
}

const budgeted = ["maxEvaluations", "effort", "maxTokens"] as const;

export const methodFacts = {
	auto: {
		does: "greedy, then a search guided by a surrogate; the best candidates meet in a final comparison",
		reads: [...budgeted, "maxTime", "granularity"],
		ranks: true,
		raced: true,
	},
	greedy: {
		does: "removes one block after the other, always the one that adds the least loss; final comparison with leave-one-out",
		reads: ["granularity"],
		raced: true,
	},
	"leave-one-out": { does: "removes the blocks that add the least loss when removed alone", reads: ["rounds", "granularity"], ranks: true },
	paper: {
		does: "arXiv 2602.07804 as published: random candidates, a neural network, one ranking",
		reads: ["maxEvaluations", "strata", "strataPreset", "epochs", "attributionSamples"],
		ranks: true,
	},
	"paper-repaired": {
		does: "paper, with the faults of its code corrected",
		reads: ["maxEvaluations", "strataPreset", "epochs", "rounds"],
		ranks: true,
	},
	beam: { does: "greedy along four paths at once; final comparison as for greedy", reads: ["granularity"], raced: true },
	swap: {
		does: "greedy, then swaps of two blocks until none helps; final comparison as for greedy",
		reads: [...budgeted, "granularity"],
		raced: true,
	},
	evolutionary: { does: "random swaps in the best candidate so far, as EvoPress (arXiv 2410.14649)", reads: [...budgeted, "granularity"] },
	contiguous: { does: "the best run of neighboring blocks; every run is measured", reads: ["granularity"], runs: true },
	"block-influence": { does: "the blocks that change the hidden state least (ShortGPT, arXiv 2403.03853)", ranks: true },
	angular: { does: "the run of blocks that changes the hidden state least (arXiv 2403.17887)", runs: true },
	magnitude: { does: "the blocks whose weight matrices have the smallest norm", ranks: true },
	random: { does: "the best of random candidates", reads: [...budgeted, "granularity"] },
	first: { does: "the first blocks" },
	last: { does: "the last blocks except the very last one (arXiv 2403.17887)" },
} as const satisfies Record<string, MethodFacts>;

export type Method = keyof typeof methodFacts;

/** Chooses if none is named; `rank` has leave-one-out, which needs one evaluation per block. */
export const defaultMethod = "auto" satisfies Method;

/** Methods that choose or rank blocks. */
export const methods = Object.keys(methodFacts) as readonly Method[];

/** Facts of one method, without the narrow types of the table. */
export const factsOf = (method: Method): MethodFacts => methodFacts[method];

/** Those that give each block a number. */
export const rankingMethods = methods.filter((method) => factsOf(method).ranks);

/** Estimators of importance that choose no candidates: `rank` has them beside {@link rankingMethods}. Each reads `maxEvaluations`. */
export const estimatorFacts = {
	shapley: "Shapley values: by enumeration if all 2^n candidates fit --max-evaluations, else by random orders",
	"window-semivalue": "what a block adds to candidates with fewer than k removed blocks: by enumeration if they fit, else by random orders",
	"weighted-banzhaf": "the same if every other block is removed with chance k/n: by enumeration or sampling",
	permutation: "window-semivalue by random orders of removal, k deep",
	"common-sets": "window-semivalue by all single flips of random candidates (CMCS)",
	"least-squares": "window-semivalue by weighted least squares (as KernelSHAP)",
} as const satisfies Record<string, string>;

export type Estimator = keyof typeof estimatorFacts;

/** What `rank` can judge blocks by. */
export type RankMethod = Method | Estimator;
export const rankMethods = [...rankingMethods, ...Object.keys(estimatorFacts)] as readonly RankMethod[];

export const isEstimator = (method: RankMethod): method is Estimator => method in estimatorFacts;

/** What can be compared: a method on whole blocks, or with half-block cuts too, if it takes them. */
export type ComparedMethod = Method | `${Method}:half-block`;
export const comparableMethods = [
	...methods,
	...methods.filter((method) => factsOf(method).reads?.includes("granularity")).map((method) => `${method}:half-block` as const),
] as readonly ComparedMethod[];

/** Methods that are compared if none are named. */
export const comparedMethods = [
	"auto",
	"greedy",
	"leave-one-out",
	"contiguous",
	"block-influence",
	"angular",
	"random",
	"paper",
	"paper-repaired",
] as const satisfies readonly Method[];
