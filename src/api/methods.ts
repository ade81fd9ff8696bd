// Every method that chooses or ranks blocks: its name, what it does, what it reads. Names and words only, so that help is quick.

/** Options that only some methods read. */
export const methodOptions = [
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
	/** Of {@link methodOptions}, those that mean something to it. @default none */
	readonly reads?: readonly MethodOption[];
	/** Gives a number to each block, so that `rank` can show it. @default false */
	readonly ranks?: true;
	/** Its sets are runs of neighboring blocks, whatever groups a model's rules tie together. @default false */
	readonly runs?: true;
	/** Its sets are raced against those of others. @default false */
	readonly raced?: true;
}

const budgeted = ["maxEvaluations", "effort", "maxTokens"] as const;

export const methodFacts = {
	auto: {
		does: "greedy, then a surrogate's active search; its best sets are raced",
		reads: [...budgeted, "maxTime"],
		ranks: true,
		raced: true,
	},
	greedy: { does: "removes, one after the other, the block that adds least; its set is raced against that of leave-one-out", raced: true },
	"leave-one-out": { does: "removes the blocks that cost least alone", reads: ["rounds"], ranks: true },
	paper: {
		does: "arXiv 2602.07804 as published: random masks, a network, one ranking",
		reads: ["maxEvaluations", "strata", "strataPreset", "epochs", "attributionSamples"],
		ranks: true,
	},
	"paper-repaired": {
		does: "the same without the faults of its code",
		reads: ["maxEvaluations", "strataPreset", "epochs", "rounds"],
		ranks: true,
	},
	beam: { does: "greedy with four paths at once; raced as greedy is", raced: true },
	swap: { does: "greedy, then the best exchange of two blocks until none helps; raced as greedy is", reads: budgeted, raced: true },
	evolutionary: { does: "random exchanges in the best set so far, as EvoPress (arXiv 2410.14649)", reads: budgeted },
	contiguous: { does: "the best run of neighboring blocks, every run measured", runs: true },
	"block-influence": { does: "the blocks that turn the hidden state least (ShortGPT, arXiv 2403.03853)", ranks: true },
	angular: { does: "the run of blocks across which the hidden state turns least (arXiv 2403.17887)", runs: true },
	magnitude: { does: "the blocks whose weight matrices have the smallest norm", ranks: true },
	random: { does: "the best of random sets", reads: budgeted },
	first: { does: "the first blocks" },
	last: { does: "the last blocks but the very last one (arXiv 2403.17887)" },
} as const satisfies Record<string, MethodFacts>;

export type Method = keyof typeof methodFacts;

/** Chooses where none is named; `rank` has leave-one-out, which needs one mask a block. */
export const defaultMethod = "auto" satisfies Method;

/** Methods that choose or rank blocks. */
export const methods = Object.keys(methodFacts) as readonly Method[];

/** Facts of one method, without the narrow types of the table. */
export const factsOf = (method: Method): MethodFacts => methodFacts[method];

/** Those that give each block a number. */
export const rankingMethods = methods.filter((method) => factsOf(method).ranks);

/** Estimators of contributions that choose no sets: `rank` has them beside {@link rankingMethods}. Each reads `maxEvaluations`. */
export const estimatorFacts = {
	shapley: "Shapley values; by enumeration where the masks hold every set (2^n), else by permutation walks",
	"window-semivalue": "what a block adds to sets that miss fewer than k others; by enumeration where the masks hold them, else by walks",
	"weighted-banzhaf": "the same where every other block is gone with chance k of n; by enumeration, or sampled",
	permutation: "the window's semivalue by random orders of removal, k deep",
	"common-sets": "the window's semivalue by all single flips of random sets (CMCS)",
	"least-squares": "the window's semivalue by weighted least squares (as KernelSHAP)",
} as const satisfies Record<string, string>;

export type Estimator = keyof typeof estimatorFacts;

/** What `rank` can judge blocks by. */
export type RankMethod = Method | Estimator;
export const rankMethods = [...rankingMethods, ...Object.keys(estimatorFacts)] as readonly RankMethod[];

export const isEstimator = (method: RankMethod): method is Estimator => method in estimatorFacts;

/** Methods that are compared where none are named. */
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
