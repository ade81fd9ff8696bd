// Healing within a run: on the folds of the session, the text to fit to drawn beside them.
import type { PruneOptions } from "./api.js";
import { InvalidOptionError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { asksToHeal, checkHealing, type Healing, healModel } from "./heal-model.js";
import { makePlan } from "./make-plan.js";
import type { RunFacts } from "./make-report.js";
import { chosenOf, type Finalist } from "./race.js";
import type { Session } from "./session.js";
import type { Plan } from "./storage/plan.js";

/**
 * Options of healing that contradict others, found out before anything is read.
 * @param open whether the number of blocks is yet to be found
 * @throws InvalidOptionError
 */
export function checkHealingOfRun(options: PruneOptions, open: boolean): void {
	checkHealing(options);
	if (!asksToHeal(options)) return;
	if (open) {
		throw new InvalidOptionError(
			"--heal heals one pruned model: say how much to remove with --remove-blocks, --remove-fraction or --remove",
		);
	}
	if (options.maxKl !== undefined || Object.keys(options.minAccuracy ?? {}).length > 0)
		throw new InvalidOptionError(
			"of a healed model only --max-ppl-ratio can be asked for: leave out --max-kl and --min-accuracy, or --heal",
		);
	if (options.quantizeFrom !== undefined)
		throw new InvalidOptionError("--heal changes the model's own weights: it cannot be combined with --quantize-from");
}

/**
 * Where it is asked for: the cuts healed, with the search fold to decide how, the validation fold whether, and the report fold to say by
 * how much. The new matrices then stand in the session's model: nothing may be put into its ledgers any more.
 */
export async function healIfAsked(session: Session, removed: readonly number[], options: PruneOptions): Promise<Healing | undefined> {
	if (!asksToHeal(options)) return undefined;
	const { model, evaluator, folder, seed, calibration, texts } = session;
	const { search: tuning, validation, report } = calibration.folds;
	const [full] = await texts.report.measure([Coalition.full(texts.report.players)], { phase: "figures", signal: options.signal });
	const [other] = await texts.validation.measure([Coalition.full(texts.validation.players)], { phase: "figures", signal: options.signal });
	const sources = {
		...(full!.sources ? { report: full!.sources } : {}),
		...(other!.sources ? { validation: other!.sources } : {}),
	};
	const job = { model, evaluator, removed: [...removed], folder, seed, tuning, validation, report, sources, full: full!.losses };
	return session.timed("healing", () => healModel(job, options));
}

/** The plan of the chosen set, its cuts healed where that is asked for. A set that won because it heals must heal; else the one before it is taken. */
export async function planHealed(
	session: Session,
	output: string | undefined,
	{ choices, decided }: RunFacts,
	options: PruneOptions,
): Promise<{ plan: Plan; healing: Healing | undefined }> {
	const planOf = async (chosen: Finalist) => {
		const plan = await makePlan(session, output, chosen, choices, decided, options);
		const healing = await healIfAsked(session, plan.removed, options);
		plan.heal = healing?.section;
		return { plan, healing };
	};
	const made = await planOf(chosenOf(decided));
	return decided.unhealed && !made.healing?.section.applied ? planOf(decided.unhealed) : made;
}
