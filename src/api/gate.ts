import type { PlanLimits, PlanLimit } from "../storage/plan-limits.js";

// The quality limits that a written model must meet: shared by `pruneGguf` and `applyPlan`.

export type { PlanLimits, PlanLimit };

/** Quality limits of the written model. */
export interface LimitOptions {
	/** Largest perplexity of the pruned model over that of the original one, at least 1. @default no limit */
	readonly maxPplRatio?: number | undefined;
	/** Largest KL divergence from the original model, KL(original || pruned), nats per token, above 0. @default no limit */
	readonly maxKl?: number | undefined;
	/**
	 * Least accuracy, a share above 0 and up to 1, by the name of a file of questions (with or without its endings). For JSON Lines: the
	 * share of questions whose right choice is the most likely one. For HellaSwag's text: the same by log-likelihood over tokens.
	 * @default no limit
	 */
	readonly minAccuracy?: Readonly<Record<string, number>> | undefined;
	/**
	 * Files of the questions that `minAccuracy` names, in addition to those of the metric: a third of each for the validation split, the
	 * rest for the held-out split.
	 */
	readonly questions?: readonly string[] | undefined;
	/** Write the model even if it misses a limit; its plan and report say so. @default false */
	readonly ignore?: boolean | undefined;
}

export interface LimitedOptions {
	/** Limits that the model must meet. If nothing else says how much to remove, they do. @default none */
	readonly limits?: LimitOptions | undefined;
}
