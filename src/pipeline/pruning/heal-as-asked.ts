// Healing a set that is given: as its plan says, or anew.
import type { JobOptions } from "../../api/index.js";
import { restore } from "../../model/fitting/standing.js";
import type { Plan } from "../../storage/plan.js";
import { healAgain, type Healing, type HealJob } from "../healing/heal-model.js";
import { asksToHeal } from "../preflight/heal-options.js";
import type { HealSettings } from "../../api/options/settings.js";

/** What is healed, and where. */
export type HealPlan = Pick<HealJob, "model" | "evaluator" | "removed" | "folder">;

export interface HealAsked<Options> {
	/** In any order. */
	readonly removed: readonly number[];
	readonly plan: Plan | undefined;
	/** Where it is healed; asked for only where it is. */
	readonly place: () => Promise<Omit<HealPlan, "removed">>;
	/** Heals where no plan says how. The model is as it was then. */
	readonly anew: (job: HealPlan, options: Options) => Promise<Healing>;
}

/** Heals as a plan says, or as the options ask; undefined where neither does. The model is as it was then. */
export async function healAsAsked<Options extends HealSettings & JobOptions>(
	{ removed, plan, place, anew }: HealAsked<Options>,
	options: Options,
): Promise<Healing | undefined> {
	if (options.heal === false || (!plan?.heal && !asksToHeal(options))) return undefined;
	const job = { ...(await place()), removed: [...removed].sort((a, b) => a - b) };
	if (!plan?.heal) return anew(job, options);
	const healing = await healAgain(job, plan.heal, options);
	await restore(job.model, healing.tensors);
	return healing;
}
