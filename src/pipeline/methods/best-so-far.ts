// What a search that is interrupted leaves: the best set so far of every size.
import type { JobOptions, Metric } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import { meanLoss } from "../../game/game.js";
import { movesOf } from "../../game/moves.js";
import { holdsCut, isAttention } from "../../game/parts.js";
import { logger } from "../../api/logger.js";
import { formatDifference } from "../../report/format.js";
import { formatBlocks, kindsText } from "../../notation.js";
import type { SearchStep } from "../../game/search/search.js";
import type { LedgerGame } from "../../storage/ledger-game.js";

/** What a set adds to the metric. */
const added: Readonly<Record<Metric, string>> = {
	loss: "added loss (nats per token)",
	kl: "KL divergence (nats per token)",
	accuracy: "added loss (nats per question)",
};

/** What is measured of removals of a block, a group of tied blocks or an attention part alone. */
interface SinglesMeasured {
	readonly measured: number;
	readonly all: number;
	/** The most blocks that one of them removes. */
	readonly longest: number;
}

/** A step of a search. */
export interface KnownStep extends SearchStep {
	/** If nothing but single removals is measured, and not all of them: another one may be far better. */
	readonly among?: SinglesMeasured | undefined;
}

/** What was played. */
type PlayedGame = Pick<LedgerGame, "players" | "frozen" | "played" | "allows">;

/**
 * What is offered of the measured sets of each size up to `kmax`, as if each had been a step. None where the original model is not measured yet.
 * @param units blocks that a rule of the model ties together
 */
export function bestMeasured(game: PlayedGame, kmax: number, units?: readonly (readonly number[])[]): KnownStep[] {
	const played = game.played();
	const full = played.find(({ coalition }) => coalition.removed().length === 0);
	if (!full) return [];
	const best = new BestSoFar();
	for (const measurement of played) {
		const { coalition } = measurement;
		const count = coalition.removed().length;
		if (count === 0 || count > kmax || !game.allows(coalition)) continue;
		const addedLoss = meanLoss(measurement) - meanLoss(full);
		if (Number.isFinite(addedLoss)) best.onStep({ count, removed: coalition.removed(), addedLoss, tried: 1 });
	}
	const among = fewSingles(game, units);
	return best.offered().map((step) => (among ? { ...step, among } : step));
}

/** How many single removals are measured, where that is all, and others are missing. */
function fewSingles(game: PlayedGame, units: readonly (readonly number[])[] = []): SinglesMeasured | undefined {
	const moves = movesOf(game, units).filter((move) => game.allows(Coalition.ofRemoved(game.players, move)));
	const alone = new Set(moves.map((move) => Coalition.ofRemoved(game.players, move).key));
	const played = game.played().filter(({ coalition }) => coalition.removals > 0);
	if (played.length >= alone.size || !played.every(({ coalition }) => alone.has(coalition.key))) return undefined;
	return { measured: played.length, all: alone.size, longest: Math.max(...moves.map((move) => move.length)) };
}

/** Whom it is told, and the command that removes a set. */
export interface Told extends JobOptions {
	readonly command: (removed: readonly number[]) => string;
}

type ChosenSet = Pick<SearchStep, "removed"> & { readonly added: number };

function tellChosen({ removed, added: cost }: ChosenSet, metric: Metric, options: Told): void {
	logger(options)(
		"note",
		`The final comparison chose ${formatBlocks(removed)}: ${formatDifference(cost)} ${added[metric]} on the validation split.\nTo take it without a search: ${options.command(removed)}`,
		{ sets: [{ removed, added: cost, chosen: true }] },
	);
}

/** A few single removals name no good candidate, so none of them is offered. */
function tellFew({ removed, among }: KnownStep, options: Told): void {
	const { measured, all, longest } = among!;
	const what = removed.some(isAttention) ? "attention parts" : longest > 1 ? "groups of blocks" : "blocks";
	logger(options)(
		"note",
		`Only ${measured} of ${all} ${what} ${measured === 1 ? "was" : "were"} measured alone: too few to name a good candidate.`,
	);
}

/** Follows a search step by step. */
export class BestSoFar {
	readonly #sets = new Map<number, KnownStep>();
	/** The same of sets without half-block cuts. */
	readonly #withoutCuts = new Map<number, KnownStep>();
	#chosen: ChosenSet | undefined;

	/** To be called after each step. */
	readonly onStep = (step: KnownStep): void => {
		const kinds = holdsCut(step.removed) ? [this.#sets] : [this.#sets, this.#withoutCuts];
		for (const sets of kinds) {
			const known = sets.get(step.count);
			if (!known || step.addedLoss < known.addedLoss) sets.set(step.count, step);
		}
	};

	/** Best set of each size, by size. */
	sets(): KnownStep[] {
		return [...this.#sets.values()].sort((a, b) => a.count - b.count);
	}

	/** The same, before each set with half-block cuts the best one without: no other text has compared the two. */
	offered(): KnownStep[] {
		return this.sets().flatMap((set) => {
			const whole = holdsCut(set.removed) ? this.#withoutCuts.get(set.count) : undefined;
			return whole ? [whole, set] : [set];
		});
	}

	/** To be called once the final comparison has chosen a set, with what it adds to the metric on the validation split. */
	choose({ removed, added }: ChosenSet): void {
		this.#chosen = { removed, added };
	}

	/**
	 * Tells which sets there are, or which one was chosen, as a note that programs can read too: nothing where there is none. After a few
	 * single removals it tells how many there are.
	 */
	tell(metric: Metric, options: Told): void {
		if (this.#chosen) {
			tellChosen(this.#chosen, metric, options);
			return;
		}
		const sets = this.offered();
		const largest = sets.at(-1)?.count;
		const taken = sets.find(({ count }) => count === largest);
		if (!taken) return;
		if (sets.every(({ among }) => among !== undefined)) {
			tellFew(taken, options);
			return;
		}
		const lines = sets.map(({ count, removed, addedLoss }) => `  ${count}: ${formatBlocks(removed)} (${formatDifference(addedLoss)})`);
		const byChance = sets.some(({ removed }) => holdsCut(removed))
			? "\nA half-block cut such as 3f-4a is often ahead of whole blocks by chance: no other text has compared them."
			: "";
		const which = `such as ${sets.at(-1) === taken ? "the last" : formatBlocks(taken.removed)}`;
		logger(options)(
			"note",
			`Best candidates so far, by the number of removed ${kindsText(taken.removed)}, with their ${added[metric]} on the search split:\n${lines.join("\n")}${byChance}\nTo take one of them, ${which}: ${options.command(taken.removed)}`,
			{ sets: sets.map(({ removed, addedLoss }) => ({ removed, added: addedLoss })) },
		);
	}
}
