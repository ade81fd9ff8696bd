// The parts that methods are made of, for those who compare or make them: designs, surrogates, attribution, searches. Pure, seeded, and
// on any `Game`: a loaded model (`EvaluatorGame`), a measured table (`TableGame`), a function (`FunctionGame`).
export { type Attribution, ranking } from "./game/attribution/attribution.js";
export { closedFormContributions } from "./game/attribution/closed-form.js";
export { cutVerdicts } from "./game/attribution/cut.js";
export { exactShapley, exactWeightedBanzhaf, exactWindowSemivalue } from "./game/attribution/exact.js";
export { pairInteractions } from "./game/attribution/interactions.js";
export { windowLeastSquares } from "./game/attribution/least-squares.js";
export { leaveOneOutContributions } from "./game/attribution/leave-one-out.js";
export { pairwiseContributions } from "./game/attribution/pairwise.js";
export { surrogateContributions } from "./game/attribution/paper.js";
export { permutationContributions } from "./game/attribution/permutation.js";
export { posteriorContributions } from "./game/attribution/posterior.js";
export { commonSetContributions, weightedBanzhafContributions } from "./game/attribution/sampled.js";
export { shiftedContributions } from "./game/attribution/shifted-window.js";
export { surrogateWindowContributions } from "./game/attribution/surrogate-window.js";
export { auto } from "./game/search/auto-method.js";
export { EvaluatorGame } from "./pipeline/session/evaluator-game.js";
export { Coalition } from "./game/coalition.js";
export { alternatingDesign } from "./game/alternating.js";
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
export { paperRepaired } from "./game/search/paper-repaired.js";
export { activeSearch } from "./game/search/active.js";
export { beamSearch } from "./game/search/beam.js";
export { contiguous } from "./game/search/contiguous.js";
export { evolutionary } from "./game/search/evolutionary.js";
export { greedy, lazyGreedy } from "./game/search/greedy.js";
export { leaveOneOut, rankAndCut } from "./game/search/ranked.js";
export { inRounds } from "./game/search/rounds.js";
export type { SearchResult } from "./game/search/search.js";
export { swapSearch } from "./game/search/swap.js";
export { fitGpHamming } from "./game/surrogate/gp-hamming.js";
export { crossJudge, type Judgement, judgeSurrogate } from "./game/surrogate/judge.js";
export { fitMixedGp } from "./game/surrogate/mixed-gp.js";
export { fitMlp } from "./game/surrogate/mlp.js";
export { fitPairwise } from "./game/surrogate/pairwise.js";
export type { PosteriorSurrogate, Surrogate } from "./game/surrogate/surrogate.js";
