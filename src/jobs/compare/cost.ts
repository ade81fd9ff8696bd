// What a method of a comparison asks for, counted although all methods share one ledger.
import { type Coalition, distinct } from "../../game/coalition.js";
import { blockExecutions, type Resumes } from "../../game/executions.js";
import type { Game, MeasureOptions, Measurement } from "../../game/game.js";
import type { LedgerGame } from "../../storage/ledger-game.js";

/** Thrown by a {@link CountedGame} that is asked for more than it may measure. */
export class BudgetSpent extends Error {}

/** How fast this run measures, from what it really measured. */
export class Pace {
	#seconds = 0;
	#executions = 0;

	add(seconds: number, executions: number): void {
		this.#seconds += seconds;
		this.#executions += executions;
	}

	/** Seconds of one block execution over all windows; undefined where everything was known. */
	get secondsPerExecution(): number | undefined {
		return this.#executions > 0 ? this.#seconds / this.#executions : undefined;
	}
}

export interface CountedOptions {
	/** Distinct coalitions that may be asked for. */
	readonly limit: number;
	readonly resumes: Resumes;
	readonly pace: Pace;
}

/** A game on a ledger that counts what is asked of it, known or not, and refuses what passes its limit. */
export class CountedGame implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	/** Block executions of what was asked for. */
	executions = 0;
	/** Seconds that passed in measuring. */
	seconds = 0;
	readonly #game: LedgerGame;
	readonly #options: CountedOptions;
	readonly #asked = new Set<string>();

	constructor(game: LedgerGame, options: CountedOptions) {
		this.players = game.players;
		this.frozen = game.frozen;
		this.#game = game;
		this.#options = options;
	}

	/** Distinct coalitions asked for. */
	get masks(): number {
		return this.#asked.size;
	}

	allows(coalition: Coalition): boolean {
		return this.#game.allows(coalition);
	}

	/** What was asked of this game and is measured; not what only others asked for. */
	played(): Measurement[] {
		return this.#game.played().filter(({ coalition }) => this.#asked.has(coalition.key));
	}

	/** @throws BudgetSpent where the distinct coalitions asked for would pass the limit; nothing is measured then */
	async measure(coalitions: readonly Coalition[], options?: MeasureOptions): Promise<Measurement[]> {
		const { limit, resumes, pace } = this.#options;
		const asked = distinct(coalitions);
		const fresh = asked.filter(({ key }) => !this.#asked.has(key));
		if (this.#asked.size + fresh.length > limit) throw new BudgetSpent();
		for (const { key } of fresh) this.#asked.add(key);
		this.executions += blockExecutions(fresh, resumes);
		const missing = asked.filter((coalition) => !this.#game.ledger.get(coalition));
		const started = performance.now();
		const measurements = await this.#game.measure(coalitions, options);
		const seconds = (performance.now() - started) / 1000;
		this.seconds += seconds;
		if (missing.length > 0) pace.add(seconds, blockExecutions(missing, resumes));
		return measurements;
	}
}
