// The parts that methods are made of, for those who compare or make them: designs, surrogates, attribution, searches. Pure, seeded, and
// on any `Game`: a loaded model (`EvaluatorGame`), a measured table (`TableGame`), a function (`FunctionGame`).
export { type Attribution, ranking } from "./attribution/attribution.js";
export { closedFormContributions } from "./attribution/closed-form.js";
export { cutVerdicts } from "./attribution/cut.js";
export { exactShapley, exactWeightedBanzhaf, exactWindowSemivalue } from "./attribution/exact.js";
export { pairInteractions } from "./attribution/interactions.js";
export { windowLeastSquares } from "./attribution/least-squares.js";
export { leaveOneOutContributions } from "./attribution/leave-one-out.js";
export { pairwiseContributions } from "./attribution/pairwise.js";
export { surrogateContributions } from "./attribution/paper.js";
export { permutationContributions } from "./attribution/permutation.js";
export { posteriorContributions } from "./attribution/posterior.js";
export { commonSetContributions, weightedBanzhafContributions } from "./attribution/sampled.js";
export { surrogateWindowContributions } from "./attribution/surrogate-window.js";
export { auto } from "./auto.js";
export { EvaluatorGame } from "./evaluator-game.js";
export { Coalition } from "./game/coalition.js";
export {
	balancedDesign,
	bernoulliDesign,
	flipDesign,
	pairDesign,
	permutationDesign,
	swapDesign,
	tiltedDesign,
	windowDesign,
} from "./game/designs.js";
export { FunctionGame } from "./game/function-game.js";
export { type Game, type Measurement, meanLoss, valueOfLoss } from "./game/game.js";
export type { Predictor } from "./game/predictor.js";
export { Random } from "./game/random.js";
export { type Sample, toSamples } from "./game/sample.js";
export { drawStrata, STRATA_PRESETS, strataSizes } from "./game/strata.js";
export { TableGame } from "./game/table-game.js";
export { paperRepaired } from "./paper-repaired.js";
export { activeSearch } from "./search/active.js";
export { beamSearch } from "./search/beam.js";
export { contiguous } from "./search/contiguous.js";
export { evolutionary } from "./search/evolutionary.js";
export { greedy, lazyGreedy } from "./search/greedy.js";
export { leaveOneOut, rankAndCut } from "./search/ranked.js";
export { inRounds } from "./search/rounds.js";
export type { SearchResult } from "./search/search.js";
export { swapSearch } from "./search/swap.js";
export { fitGpHamming } from "./surrogate/gp-hamming.js";
export { crossJudge, type Judgement, judge } from "./surrogate/judge.js";
export { fitMixedGp } from "./surrogate/mixed-gp.js";
export { fitMlp } from "./surrogate/mlp.js";
export { fitPairwise } from "./surrogate/pairwise.js";
export type { PosteriorSurrogate, Surrogate } from "./surrogate/surrogate.js";
