import type { PlanLimits, PlanLimit } from "../storage/plan-limits.js";

// The quality gate and the size that a written model must meet: shared by `pruneGguf` and `applyPlan`.

export type { PlanLimits, PlanLimit };

/** Limits that a written model must keep. */
export interface LimitOptions {
	/** Perplexity after over perplexity before at most, at least 1. @default no bound */
	readonly maxPplRatio?: number | undefined;
	/** KL divergence of the original model from the pruned one at most, nats per token, above 0. @default no bound */
	readonly maxKl?: number | undefined;
	/**
	 * Accuracy at least, a share above 0 and up to 1, by the name of a file of questions (with or without its endings): of JSON Lines the
	 * share of questions whose right choice is the most likely one, of HellaSwag's text the same by log-likelihood over tokens. @default no bound
	 */
	readonly minAccuracy?: Readonly<Record<string, number>> | undefined;
	/** Files of the questions that `minAccuracy` names, beside those that are searched by: a third of each for the validation split, the rest for the held-out split. */
	readonly questions?: readonly string[] | undefined;
	/** Write a model that misses the gate all the same; its plan and report say so. @default false */
	readonly ignore?: boolean | undefined;
}

export interface LimitedOptions {
	/** Limits that the model must keep. Where nothing else says how much to remove, they do. @default none */
	readonly limits?: LimitOptions | undefined;
}
