// What a search that is interrupted leaves: the best set so far of every size.
import type { JobOptions } from "./api.js";
import { logger } from "./log.js";
import { blocksArgument, formatBlocks, formatDifference } from "./report/format.js";
import type { SearchStep } from "./search/search.js";

/** Follows a search step by step. */
export class BestSoFar {
	readonly #sets = new Map<number, SearchStep>();

	/** To be called after each step. */
	readonly onStep = (step: SearchStep): void => {
		const known = this.#sets.get(step.count);
		if (!known || step.addedLoss < known.addedLoss) this.#sets.set(step.count, step);
	};

	/** Best set of each size, by size. */
	sets(): SearchStep[] {
		return [...this.#sets.values()].sort((a, b) => a.count - b.count);
	}

	/** Tells which sets there are, as a note: nothing where there is none. */
	tell(options: JobOptions): void {
		const sets = this.sets();
		const last = sets.at(-1);
		if (!last) return;
		const lines = sets.map(({ count, removed, addedLoss }) => `  ${count}: ${formatBlocks(removed)} (${formatDifference(addedLoss)})`);
		logger(options)(
			"note",
			`Best sets so far, by the number of blocks removed, with the nats per token that they add on the text that is searched:\n${lines.join("\n")}\n--remove takes one of them, for example --remove ${blocksArgument(last.removed)}.`,
		);
	}
}
