// Healing within a run: on the splits of the session, the text to fit to drawn beside them.
import { asksToHeal } from "../preflight/heal-options.js";
import { onSelfGenerated, splitSources } from "../session/calibration-windows.js";
import { InvalidPlanError } from "../../errors.js";
import type { Gate, GateSplit } from "../gate/gate.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { mostSets, type RacedHealed } from "./race.js";
import { ascending } from "./walk.js";
import { healableCuts, type MostRemoved, mostCuts, settleKind, shapeOf } from "./memory.js";
import { healAgainSeconds, healSeconds, type HealInTime, type KnownSpeed, onlySet, withHealTime } from "./time-budget.js";
import { healAgain, type Healing, healModel, noteUnhealed } from "./heal-model.js";
import { isRefusal } from "../../model/fitting/heal.js";
import { restore, whileHealed } from "../../model/fitting/standing.js";
import { healingKey, KeptHealing } from "./cached.js";
import { logger } from "../../api/logger.js";
import { removedText } from "../../notation.js";
import { replaces } from "../race/beats.js";
import type { Session } from "../session/session.js";
import type { PlanLimit } from "../../storage/plan-limits.js";
import type { JobOptions } from "../../api/index.js";
import type { HealingSettings, HealSettings, MachineSettings } from "../../api/options/settings.js";

/** Beside what a session says. */
export interface HealSetting {
	/** Where what is found is kept with other sets. @default by the kind that fits in memory now */
	readonly shared?: KeptHealing | undefined;
	/** Bytes of distributions that are still to be made and held through healing. @default the session's */
	readonly references?: number | undefined;
}

/**
 * Heals the cuts, with the search split to decide how, the validation split whether, and the held-out split to say by how much; as it was
 * found before, where that is kept in the run folder. The model is as it was then: {@link whileHealed} puts the new matrices into it.
 * @param removed ascending
 */
export async function healSet(
	session: Session,
	removed: readonly number[],
	given: HealingSettings,
	{ shared, references = session.referenceBytes }: HealSetting = {},
): Promise<Healing> {
	const settle = () => settled(session, removed, given, references);
	const options = shared ? given : settle();
	const kept = shared ?? new KeptHealing(session, healingKey(session, options));
	const known = await healedBefore(session, removed, kept, options);
	if (known) return known;
	const healing = await healAnew(session, removed, shared ? settle() : options);
	await kept.keep(removed, healing.section);
	return healing;
}

/** The options with the kind of healing that fits in memory with such a set. */
function settled<T extends HealSettings & JobOptions>({ model }: Session, removed: readonly number[], given: T, references: number): T {
	return settleKind(model.file, { ...shapeOf(model, healableCuts(removed), given), references }, given);
}

/** Undefined where nothing is kept, or where it does not come out as it did: another build or processor. */
async function healedBefore(
	{ model, evaluator, folder }: Session,
	removed: readonly number[],
	kept: KeptHealing,
	options: HealingSettings,
): Promise<Healing | undefined> {
	const section = await kept.section(removed);
	if (!section) return undefined;
	try {
		const healing = await healAgain({ model, evaluator, removed, folder }, section, options);
		await restore(model, healing.tensors);
		noteUnhealed(section, removed, options);
		return healing;
	} catch (error) {
		if (options.signal?.aborted || !(error instanceof InvalidPlanError || isRefusal(error))) throw error;
		logger(options)("debug", `healed anew: ${error.message}`);
		return undefined;
	}
}

async function healAnew(session: Session, removed: readonly number[], options: HealingSettings): Promise<Healing> {
	const { model, evaluator, folder, seed, calibration, scoredOn } = session;
	const { scoreFrom } = scoredOn("validation");
	const { search: tuning, validation, heldOut } = calibration.splits;
	// The healed set is measured at all positions of the held-out split, at which not every run scores it.
	const whole = await session.gameOn(heldOut);
	const [full] = await whole.measure([Coalition.full(whole.players)], { phase: "measuring the original model", signal: options.signal });
	const sources = { heldOut: splitSources(calibration, "heldOut"), validation: splitSources(calibration, "validation") };
	const splits = { tuning, own: onSelfGenerated(options), validation, heldOut, scoreFrom, sources, full: full!.losses };
	const job = { model, evaluator, removed: [...removed], folder, seed, ...splits };
	const healing = await session.timed("healing", () => healModel(job, options));
	await restore(model, healing.tensors);
	return healing;
}

/**
 * Heals the chosen set. Where it won a race of sets that were healed roughly, the set that it took the place of is healed as well, both
 * with all of the text. It keeps the place only if it loses less on the validation split, healed or as it is, by more than the standard error;
 * whole blocks keep that of half-block cuts that are better by no more than the error.
 * @returns what stands then
 */
export async function healChosen(
	session: Session,
	raced: RacedHealed,
	options: HealingSettings,
): Promise<RacedHealed & { readonly healing: Healing }> {
	const heal = ({ chosen }: RacedHealed, how = options) => healSet(session, ascending(chosen.removed), how);
	const { unhealed, finalists } = raced;
	if (!unhealed) return { ...raced, healing: await heal(raced) };
	// Weighing heads takes minutes: it is left to the one that is taken.
	const rough = options.healHeads ? { ...options, healHeads: false } : options;
	const [after, before] = [await heal(raced, rough), await heal(unhealed, rough)];
	const losses = ({ chosen }: RacedHealed, healing: Healing) => validationLosses(session, chosen.removed, healing, options);
	const isBetter = replaces(await losses(raced, after), await losses(unhealed, before));
	if (!isBetter)
		logger(options)(
			"note",
			`healed with all of the text, removing ${removedText(raced.chosen.removed)} is not surely better than removing ${removedText(unhealed.chosen.removed)}: the latter stays`,
		);
	// What was measured on the way is known still.
	const [taken, healing] = isBetter ? [raced, after] : [{ ...unhealed, finalists }, before];
	return { ...taken, healing: options.healHeads ? await heal(taken) : healing };
}

/** Losses of a set with its new matrices, or as it is where it was not healed. */
async function validationLosses(
	{ model, evaluator, calibration, texts, scoredOn }: Session,
	removed: readonly number[],
	{ section, tensors }: Healing,
	{ signal }: Pick<HealingSettings, "signal">,
): Promise<Measurement> {
	const coalition = Coalition.ofRemoved(model.facts.blocks, removed);
	const [own] = await texts.validation.measure([coalition], { phase: "comparing finalists", signal });
	if (!section.applied) return own!;
	const measure = () => evaluator.evaluate([coalition], calibration.splits.validation, { ...scoredOn("validation"), signal });
	const [healed] = await whileHealed(model, tensors, measure);
	return { ...own!, losses: healed!.losses };
}

/** What a set is measured to be with its new matrices, against the original model as it is; as it is itself where it was not healed. */
export async function figuresOfHealed(
	{ session, gate }: { readonly session: Session; readonly gate: Gate },
	split: GateSplit,
	removed: readonly number[],
	healing: Healing | undefined,
): Promise<PlanLimit[]> {
	return session.timed("quality limits", async () => {
		if (!healing?.section.applied) return gate.figures(split, removed);
		const whole = await gate.whole(split);
		return whileHealed(session.model, healing.tensors, () => gate.figuresAsItStands(split, removed, whole));
	});
}

/**
 * {@link withHealTime} of a run.
 * @param removed the set; or the most that is removed, where a search will say which
 * @param every whether a set of each number is healed, rather than one after a race
 */
export async function withHealTimeOf<T extends HealSettings & MachineSettings & JobOptions>(
	session: Session,
	removed: readonly number[] | MostRemoved,
	options: T,
	every = false,
): Promise<HealInTime<T>> {
	return asksToHeal(options) ? withHealTime(session, aheadOf(session, removed, options, every), options) : { options };
}

/** What healing in a run takes, for its progress. */
export interface HealingAhead {
	/** The set; or the most that is removed, where a search will say which. */
	readonly removed: readonly number[] | MostRemoved;
	/** Whether a set of each number is healed, rather than one after a race. @default false */
	readonly every?: boolean;
	/** Whether it is measured how fast this machine heals, which takes a moment. @default whether somebody listens to the progress */
	readonly measured?: boolean;
}

/** Seconds that healing takes in a run: 0 without it, and at most as long as the options allow. Undefined if that must be measured and is not. */
export async function healSecondsOf(
	session: Session,
	{ removed, every = false, measured }: HealingAhead,
	options: HealSettings & MachineSettings & JobOptions,
): Promise<number | undefined> {
	if (!asksToHeal(options)) return 0;
	if (options.healTime !== undefined) return options.healTime;
	if (!(measured ?? options.onProgress) || session.secondsPerMask === undefined) return undefined;
	return healSeconds(session, aheadOf(session, removed, options, every), options, knownSpeed(session));
}

/**
 * Seconds to heal a set again as an earlier run healed it; undefined if none did. What is kept of the sets that a search may find is not counted.
 * @param removed ascending
 */
export async function healedAgainSeconds(
	session: Session,
	removed: readonly number[],
	given: HealingSettings,
): Promise<number | undefined> {
	if (!asksToHeal(given)) return undefined;
	const kept = new KeptHealing(session, healingKey(session, settled(session, removed, given, session.referenceBytes)));
	const section = await kept.section(removed);
	return section && healAgainSeconds(session, { removed, section }, given, knownSpeed(session));
}

/** What a session has measured of the speed of healing. */
export function knownSpeed({ secondsPerToken: pass, secondsPerDrawn: draw }: Session): KnownSpeed {
	return pass === undefined ? {} : { pass, ...(draw === undefined ? {} : { draw }) };
}

function aheadOf(session: Session, removed: readonly number[] | MostRemoved, { healHeads }: HealSettings, every: boolean) {
	const { search, validation, heldOut } = session.calibration.splits;
	const sizes = { tuning: search.tokens.length, judged: validation.tokens.length + heldOut.tokens.length };
	if (!("attentions" in removed)) return { ...onlySet(removed), ...sizes };
	const { blocks, attentions } = removed;
	const count = blocks + attentions;
	// A race heals its winner, the set that it took the place of, and the one that is taken once more, with its heads.
	const race = { sets: healHeads ? 3 : 2, headSets: 1, raced: mostSets };
	const one = session.metric === "loss" ? race : { sets: 1, headSets: 1, raced: 0 };
	const searched = every ? { sets: count, headSets: count, raced: 0 } : one;
	// Blocks that go mostly follow each other. Sets of each number have half of the most attention parts in the mean.
	const cuts = Math.ceil(every ? attentions / 2 : attentions) + Math.min(2, blocks);
	return { ...searched, cuts, mostCuts: mostCuts(session.model, removed), ...sizes };
}
