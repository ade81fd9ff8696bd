// Healing within a run: on the folds of the session, the text to fit to drawn beside them.
import type { PruneOptions } from "./api.js";
import { InvalidOptionError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { asksToHeal, checkHealing, type Healing, healModel } from "./heal-model.js";
import type { Session } from "./session.js";

/**
 * Options of healing that contradict others, found out before anything is read.
 * @param curve whether nothing says how much to remove
 * @throws InvalidOptionError
 */
export function checkHealingOfRun(options: PruneOptions, curve: boolean): void {
	checkHealing(options);
	if (!asksToHeal(options)) return;
	if (curve) {
		throw new InvalidOptionError("--heal heals one pruned model: say how much to remove with --remove-blocks, --remove-fraction or --remove");
	}
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
