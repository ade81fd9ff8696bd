// Sets that heal well are not the sets that hurt least unhealed: the best few are healed and compared.
import { onSelfGenerated } from "../session/calibration-windows.js";
import { NotEnoughMemoryError } from "../../errors.js";
import { checkHealMemory, healableCuts, healBytes, kindsOf, roughKind } from "./memory.js";
import { defaultHealTokens, healTextOf, healWindows, raceTokens } from "./text.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { comparedText } from "./reference-text.js";
import { defaultParts, placesOf } from "../../model/fitting/cuts.js";
import { healCuts } from "../../model/fitting/heal.js";
import type { Recipe } from "../../model/fitting/job.js";
import { whileHealed } from "../../model/fitting/standing.js";
import { type ComparedText, tuningValues } from "../../model/fitting/tuning.js";
import { healingKey, KeptHealing } from "./cached.js";
import { ascending, firstStarts, runMoves, startsOf, walkHealed } from "./walk.js";
import { logger } from "../../api/logger.js";
import { type Finalist, winnerOf, race } from "../race/race.js";
import { meanOf } from "../race/beats.js";
import { type Standing, withWinner } from "../race/standing.js";
import { removedText } from "../../notation.js";
import { firstWindows } from "../../model/runtime/windows.js";
import type { Session } from "../session/session.js";
import { hashOf } from "../../storage/hash.js";
import type { ProposedSet } from "../methods/selection-context.js";
import { asksToHeal } from "../preflight/heal-options.js";
import type { AmountSettings, HealingSettings, MethodSettings } from "../../api/options/settings.js";

/** Sets that are healed at most, and finalists beside the chosen one that it begins with. */
export const mostSets = 12;
const firstSets = 3;
/** What is fitted, unless maps are all that is asked for or fits: decided for the winner anew. */
const recipe: Recipe = { kind: "refit", ridge: 0.1, relative: 0 };

type RacingSettings = HealingSettings & Pick<MethodSettings, "granularity">;

/** A set that is taken, among the sets that are known. */
export interface RacedHealed extends Standing {
	readonly chosen: Finalist;
	/** What stood before, where the chosen set won because it heals better. */
	readonly unhealed?: RacedHealed | undefined;
}

/** Sets that may take the place of the chosen one. */
export interface Alternatives {
	/** Whether a set makes the file, the KV cache or the time as small as was asked for. @default all do */
	readonly reaches?: ((removed: readonly number[]) => boolean) | undefined;
	/** Whether finalists of other sizes do, too. @default false */
	readonly anySize?: boolean;
}

/**
 * Heals the best finalists of the size that was asked for, then sets with one run of blocks moved by one, or where half-block cuts are searched by
 * half a block, as long as that helps; all on a part of the text, with the same fit, compared on the validation split. Two sets whose unhealed losses are far apart can heal to the
 * same loss. A set that is better by no more than the standard error does not take the place of the chosen one.
 * @param alternatives which sets reach what was asked for
 * @returns the winner in the place of the set that was chosen; the same where that wins, or nothing is to be healed
 */
export async function raceHealed(
	session: Session,
	won: RacedHealed,
	options: RacingSettings & Pick<AmountSettings, "remove">,
	alternatives: Alternatives = {},
): Promise<RacedHealed> {
	// What is compared is the loss: a set that was chosen by something else stays.
	if (!asksToHeal(options) || options.remove || session.metric !== "loss") return won;
	return session.timed("healed final comparison", () => new HealedRace(session, options, alternatives).run(won));
}

/** Told how far the cuts are healed, 0..1. */
interface RoughProgress {
	readonly onHealed?: (share: number) => void;
}

/** Does work while the cuts of a set are healed with a part of the text, always with the same fit; the model is as it was then. */
export async function whileRoughlyHealed<T>(
	session: Session,
	removed: readonly number[],
	options: HealingSettings & RoughProgress,
	work: () => Promise<T>,
): Promise<T> {
	const { model, evaluator, folder, seed } = session;
	const { ubatch, threads } = evaluator;
	const text = healTextOf(model, options.healTokens ?? defaultHealTokens, seed);
	const sorted = ascending(removed);
	const tokens = Math.min(raceTokens, text.count * text.length);
	const shape = { cuts: healableCuts(sorted), tokens, references: session.referenceBytes };
	const kind = roughKind(model.file, shape, options.healKind);
	checkHealMemory(model.file, { ...shape, kinds: [kind] });
	const windows = await healWindows(model, folder, text, options);
	const { tensors } = await healCuts(model, {
		...{ removed: sorted, ubatch, threads, signal: options.signal, type: options.healType ?? "auto" },
		mask: (set: readonly number[]) => Coalition.ofRemoved(model.facts.blocks, set),
		fit: firstWindows(windows, Math.ceil(raceTokens / windows.length)),
		recipes: placesOf(sorted, defaultParts).map(() => ({ ...recipe, kind })),
		onProgress: (done: number, total: number) => options.onHealed?.(done / total),
	});
	return whileHealed(model, tensors, work);
}

class HealedRace {
	readonly #session: Session;
	readonly #options: RacingSettings;
	readonly #reaches: (removed: readonly number[]) => boolean;
	readonly #anySize: boolean;
	/** By what sets are compared: losses, or divergences from the original model. */
	readonly #measured = new Map<string, Measurement>();
	#kept: Promise<KeptHealing> | undefined;
	#text: Promise<ComparedText | undefined> | undefined;

	constructor(session: Session, options: RacingSettings, { reaches = () => true, anySize = false }: Alternatives) {
		this.#session = session;
		this.#options = options;
		this.#reaches = reaches;
		this.#anySize = anySize;
	}

	async run(won: RacedHealed): Promise<RacedHealed> {
		const { model } = this.#session;
		const { chosen } = won;
		const allowed = (set: number[]) =>
			model.blocks.check(set) === undefined && model.blocks.unwritable(set) === undefined && this.#reaches(set);
		const { next, last } = runMoves(model.facts.blocks, this.#options.granularity);
		const best = await walkHealed(ascending(chosen.removed), {
			starts: firstStarts(chosen.removed, startsOf(won, this.#anySize), firstSets, this.#anySize),
			next: (set) => next(set).filter(allowed),
			last: (set) => last(set).filter(allowed),
			measure: (set) => this.#measure(set),
			most: mostSets,
		});
		if (best.join() === ascending(chosen.removed).join()) return won;
		const figure = async (set: readonly number[]) => meanOf(await this.#measure(set));
		const [now, before] = [await figure(best), await figure(ascending(chosen.removed))];
		logger(this.#options)(
			"note",
			`healed, removing ${removedText(best)} is ${now < before || !Number.isFinite(before) ? "better than" : "as good, within the error, as"} removing ${removedText(chosen.removed)} on the validation split (${(await this.#compared()) ? "KL divergence" : "loss"} ${now.toFixed(3)} and ${before.toFixed(3)} nats per token; ${this.#measured.size} candidates were healed)`,
		);
		const winner: ProposedSet = { removed: [...best], method: `${chosen.method}, raced healed` };
		const own = await race(this.#session, [winner], this.#options);
		const finalist = winnerOf(own);
		return { ...withWinner(won, finalist, own.finalists), chosen: finalist, unhealed: won };
	}

	/** The validation split, with reference logits if it is self-generated text. Ask for it before anything is healed. */
	#compared(): Promise<ComparedText | undefined> {
		const { model, evaluator, calibration, seed, scoredOn } = this.#session;
		if (!onSelfGenerated(this.#options)) return Promise.resolve(undefined);
		const kinds = kindsOf(this.#options.healKind).slice(0, 1);
		const reserved = healBytes(model.file, { cuts: 1, tokens: raceTokens, kinds, references: this.#session.referenceBytes });
		this.#text ??= comparedText(evaluator, calibration.splits.validation, { ...scoredOn("validation"), seed, reserved }, this.#options);
		return this.#text;
	}

	/** Figures of an earlier run that compared by the same. */
	#earlier(): Promise<KeptHealing> {
		const key = async () => [
			"race by window",
			raceTokens,
			recipe,
			(await this.#compared()) !== undefined,
			healingKey(this.#session, this.#options),
		];
		this.#kept ??= key().then((parts) => new KeptHealing(this.#session, hashOf(parts)));
		return this.#kept;
	}

	/** Losses on the validation split, or divergences there: healed, or as it is where their mean is lower. */
	async #measure(removed: readonly number[]): Promise<Measurement> {
		const key = removed.join();
		const known = this.#measured.get(key);
		if (known) return known;
		const coalition = Coalition.ofRemoved(this.#session.model.facts.blocks, removed);
		const compared = await this.#compared();
		const own = compared ? undefined : await this.#asItIs(coalition);
		const kept = await (await this.#earlier()).values(removed);
		const losses = kept ?? (await this.#healedOrNot(coalition, compared, own));
		const measured = { coalition, losses, sources: own?.sources };
		this.#measured.set(key, measured);
		return measured;
	}

	/** On the validation split; its ledger knows the model as it is. */
	async #asItIs(coalition: Coalition): Promise<Measurement> {
		const { signal } = this.#options;
		const [own] = await this.#session.texts.validation.measure([coalition], { phase: "comparing finalists", signal });
		return own!;
	}

	/** @param own what the set loses as it is, where nothing else is compared */
	async #healedOrNot(mask: Coalition, compared: ComparedText | undefined, own: Measurement | undefined): Promise<Float64Array> {
		const { evaluator, calibration, scoredOn } = this.#session;
		const { signal, progress } = this.#options;
		const before = this.#measured.size;
		const onHealed = (share: number) =>
			progress?.work({
				...{ phase: "healing finalists", unit: "percent" },
				...{ done: Math.round((100 * Math.min(mostSets, before + share)) / mostSets), total: 100 },
			});
		onHealed(0);
		const removed = mask.removed();
		const text = compared ?? { windows: calibration.splits.validation, ...scoredOn("validation") };
		const measured = () => tuningValues(evaluator, mask, text, signal);
		const asItIs = own ? own.losses : await measured();
		const healed = await whileRoughlyHealed(this.#session, removed, { ...this.#options, onHealed }, measured).catch((error: unknown) => {
			// A set with more cuts than memory holds takes part as it is.
			if (!(error instanceof NotEnoughMemoryError)) throw error;
			logger(this.#options)("warning", `the candidate without ${removedText(removed)} is compared unhealed: ${error.message}`);
			return undefined;
		});
		if (!healed) return asItIs;
		const mean = (losses: Float64Array) => meanOf({ losses, sources: own?.sources });
		const values = mean(healed) < mean(asItIs) || !Number.isFinite(mean(asItIs)) ? healed : asItIs;
		// A candidate that ran out of memory is not kept: a later run may have enough.
		if (healed.every(Number.isFinite)) await (await this.#earlier()).keepValues(removed, values);
		return values;
	}
}
