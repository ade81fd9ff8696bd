// What a search that is interrupted leaves: the best set so far of every size.
import type { JobOptions, Metric } from "../../api/index.js";
import { meanLoss } from "../../game/game.js";
import { logger } from "../../api/logger.js";
import { formatDifference } from "../../report/format.js";
import { formatBlocks } from "../../notation.js";
import type { SearchStep } from "../../game/search/search.js";
import type { LedgerGame } from "../../storage/ledger-game.js";

/** What a set adds to the metric. */
const added: Readonly<Record<Metric, string>> = {
	loss: "added loss (nats per token)",
	kl: "KL divergence (nats per token)",
	accuracy: "added loss (nats per question)",
};

/** The best measured set of each size up to `kmax`, as if each had been a step. None where the original model is not measured yet. */
export function bestMeasured(game: Pick<LedgerGame, "played" | "allows">, kmax: number): SearchStep[] {
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
	return best.sets();
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

/** Follows a search step by step. */
export class BestSoFar {
	readonly #sets = new Map<number, SearchStep>();
	#chosen: ChosenSet | undefined;

	/** To be called after each step. */
	readonly onStep = (step: SearchStep): void => {
		const known = this.#sets.get(step.count);
		if (!known || step.addedLoss < known.addedLoss) this.#sets.set(step.count, step);
	};

	/** Best set of each size, by size. */
	sets(): SearchStep[] {
		return [...this.#sets.values()].sort((a, b) => a.count - b.count);
	}

	/** To be called once the final comparison has chosen a set, with what it adds to the metric on the validation split. */
	choose({ removed, added }: ChosenSet): void {
		this.#chosen = { removed, added };
	}

	/** Tells which sets there are, or which one was chosen, as a note that programs can read too: nothing where there is none. */
	tell(metric: Metric, options: Told): void {
		if (this.#chosen) {
			tellChosen(this.#chosen, metric, options);
			return;
		}
		const sets = this.sets();
		const last = sets.at(-1);
		if (!last) return;
		const lines = sets.map(({ count, removed, addedLoss }) => `  ${count}: ${formatBlocks(removed)} (${formatDifference(addedLoss)})`);
		logger(options)(
			"note",
			`Best candidates so far, by the number of removed blocks, with their ${added[metric]} on the search split:\n${lines.join("\n")}\nTo take one of them, such as the last: ${options.command(last.removed)}`,
			{ sets: sets.map(({ removed, addedLoss }) => ({ removed, added: addedLoss })) },
		);
	}
}
