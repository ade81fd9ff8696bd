// Sets that heal well are not the sets that hurt least unhealed: the best few are healed and compared.
import { onSelfGenerated } from "../session/calibration-windows.js";
import { NotEnoughMemoryError } from "../../errors.js";
import { checkHealMemory, healableCuts, healBytes, kindsOf, roughKind } from "./memory.js";
import { defaultHealTokens, healTextOf, healWindows, raceTokens } from "./text.js";
import { Coalition } from "../../game/coalition.js";
import { comparedText } from "./reference-text.js";
import { defaultParts, placesOf } from "../../model/fitting/cuts.js";
import { healCuts } from "../../model/fitting/heal.js";
import type { Recipe } from "../../model/fitting/job.js";
import { whileHealed } from "../../model/fitting/standing.js";
import { shiftedRuns } from "../../model/fitting/neighbors.js";
import { type ComparedText, tuningFigure } from "../../model/fitting/tuning.js";
import { healingKey, KeptHealing } from "./cached.js";
import { logger } from "../../api/logger.js";
import { type Finalist, winnerOf, race } from "../race/race.js";
import { type Standing, withWinner } from "../race/standing.js";
import { formatBlocks } from "../../notation.js";
import { firstWindows } from "../../model/runtime/windows.js";
import type { Session } from "../session/session.js";
import { meanAndError } from "../../game/statistics.js";
import { hashOf } from "../../storage/hash.js";
import type { ProposedSet } from "../methods/selection-context.js";
import { asksToHeal } from "../preflight/heal-options.js";
import type { AmountSettings, HealingSettings } from "../../api/options/settings.js";

/** Sets that are healed at most, and finalists that it begins with. */
export const mostSets = 12;
const firstSets = 3;
/** What is fitted, unless maps are all that is asked for or fits: decided for the winner anew. */
const recipe: Recipe = { kind: "refit", ridge: 0.1, relative: 0 };

/** A set that is taken, among the sets that are known. */
export interface RacedHealed extends Standing {
	readonly chosen: Finalist;
	/** The winner among sets as they are, where the chosen one won because it heals better. */
	readonly unhealed?: Finalist | undefined;
}

/**
 * Heals the best finalists of the size that was asked for, then sets with one run of blocks moved by one, as long as that helps; all on
 * a part of the text, with the same fit, compared on the validation split. Two sets whose unhealed losses are far apart can heal to the
 * same loss.
 * @param reaches whether a set makes the file as small as was asked for
 * @returns the winner in the place of the set that was chosen; the same where that wins, or nothing is to be healed
 */
export async function raceHealed(
	session: Session,
	won: RacedHealed,
	options: HealingSettings & Pick<AmountSettings, "remove">,
	reaches: (removed: readonly number[]) => boolean = () => true,
): Promise<RacedHealed> {
	// What is compared is the loss: a set that was chosen by something else stays.
	if (!asksToHeal(options) || options.remove || session.metric !== "loss") return won;
	return session.timed("healed final comparison", () => new HealedRace(session, options, reaches).run(won));
}

/** Does work while the cuts of a set are healed with a part of the text, always with the same fit; the model is as it was then. */
export async function whileRoughlyHealed<T>(
	session: Session,
	removed: readonly number[],
	options: HealingSettings,
	work: () => Promise<T>,
): Promise<T> {
	const { model, evaluator, folder, seed } = session;
	const { ubatch, threads } = evaluator;
	const text = healTextOf(model, options.healTokens ?? defaultHealTokens, seed);
	const sorted = [...removed].sort((a, b) => a - b);
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
	});
	return whileHealed(model, tensors, work);
}

class HealedRace {
	readonly #session: Session;
	readonly #options: HealingSettings;
	readonly #reaches: (removed: readonly number[]) => boolean;
	readonly #figures = new Map<string, number>();
	#kept: Promise<KeptHealing> | undefined;
	#text: Promise<ComparedText | undefined> | undefined;

	constructor(session: Session, options: HealingSettings, reaches: (removed: readonly number[]) => boolean) {
		this.#session = session;
		this.#options = options;
		this.#reaches = reaches;
	}

	async run(won: RacedHealed): Promise<RacedHealed> {
		const { model } = this.#session;
		const { chosen } = won;
		const size = chosen.removed.length;
		const starts = won.finalists
			.filter(({ removed, added }) => removed.length === size && Number.isFinite(added))
			.sort((a, b) => a.added - b.added)
			.map(({ removed }) => [...removed].sort((a, b) => a - b));
		let best: number[] = [...chosen.removed].sort((a, b) => a - b);
		const better = async (sets: readonly number[][]) => {
			let found = false;
			for (const set of sets) {
				if (this.#figures.size >= mostSets && !this.#figures.has(set.join())) break;
				if ((await this.#figure(set)) < (await this.#figure(best))) [best, found] = [set, true];
			}
			return found;
		};
		await better(starts.slice(0, firstSets));
		const allowed = (set: number[]) =>
			model.blocks.check(set) === undefined && model.blocks.unwritable(set) === undefined && this.#reaches(set);
		while (await better(shiftedRuns(best, model.facts.blocks).filter(allowed)));
		if (best.join() === chosen.removed.join()) return won;
		const known = this.#figures;
		logger(this.#options)(
			"note",
			`healed, removing blocks ${formatBlocks(best)} is better than ${formatBlocks(chosen.removed)} on the validation split (${(await this.#compared()) ? "KL divergence" : "loss"} ${known.get(best.join())!.toFixed(3)} and ${(await this.#figure([...chosen.removed])).toFixed(3)} nats per token; ${known.size} candidates were healed)`,
		);
		const winner: ProposedSet = { removed: best, method: `${chosen.method}, raced healed` };
		const own = await race(this.#session, [winner], this.#options);
		const finalist = winnerOf(own);
		return { ...withWinner(won, finalist, own.finalists), chosen: finalist, unhealed: chosen };
	}

	/** The validation split, with reference logits if it is self-generated text. Ask for it before anything is healed. */
	#compared(): Promise<ComparedText | undefined> {
		const { model, evaluator, calibration, seed } = this.#session;
		if (!onSelfGenerated(this.#options)) return Promise.resolve(undefined);
		const kinds = kindsOf(this.#options.healKind).slice(0, 1);
		const reserved = healBytes(model.file, { cuts: 1, tokens: raceTokens, kinds, references: this.#session.referenceBytes });
		this.#text ??= comparedText(evaluator, calibration.splits.validation, { seed, reserved }, this.#options);
		return this.#text;
	}

	/** Figures of an earlier run that compared by the same. */
	#earlier(): Promise<KeptHealing> {
		const key = async () => ["race", raceTokens, recipe, (await this.#compared()) !== undefined, healingKey(this.#session, this.#options)];
		this.#kept ??= key().then((parts) => new KeptHealing(this.#session, hashOf(parts)));
		return this.#kept;
	}

	/** Mean loss on the validation split, or divergence there: healed, or as it is where that is lower. */
	async #figure(removed: number[]): Promise<number> {
		const key = removed.join();
		const known = this.#figures.get(key) ?? (await (await this.#earlier()).figure(removed));
		if (known !== undefined) {
			this.#figures.set(key, known);
			return known;
		}
		const { model, evaluator, calibration, texts } = this.#session;
		const { signal } = this.#options;
		this.#options.progress?.work({
			phase: "healing finalists",
			done: Math.round((100 * this.#figures.size) / mostSets),
			total: 100,
			unit: "percent",
		});
		const mask = Coalition.ofRemoved(model.facts.blocks, removed);
		const compared = await this.#compared();
		// Its ledger knows the model as it is: before anything is healed.
		const [own] = compared ? [] : await texts.validation.measure([mask], { phase: "comparing finalists", signal });
		const measured = async () => {
			if (compared) return tuningFigure(evaluator, mask, compared, signal);
			const [evaluation] = await evaluator.evaluate([mask], calibration.splits.validation, { signal });
			return meanAndError(evaluation!.losses, own!.sources).mean;
		};
		const asItIs = own ? meanAndError(own.losses, own.sources).mean : await measured();
		const healed = await whileRoughlyHealed(this.#session, removed, this.#options, measured).catch((error: unknown) => {
			// A set with more cuts than memory holds takes part as it is.
			if (!(error instanceof NotEnoughMemoryError)) throw error;
			logger(this.#options)("warning", `blocks ${formatBlocks(removed)} are compared unhealed: ${error.message}`);
			return Number.NaN;
		});
		const finite = [healed, asItIs].filter(Number.isFinite);
		const figure = Math.min(...finite, Number.POSITIVE_INFINITY);
		this.#figures.set(key, figure);
		// Do not cache a candidate that ran out of memory: a later run may have enough.
		if (Number.isFinite(healed)) await (await this.#earlier()).keepFigure(removed, figure);
		return figure;
	}
}
