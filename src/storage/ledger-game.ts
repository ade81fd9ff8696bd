import { EvaluationError, InvalidCandidateError } from "../errors.js";
import type { Coalition } from "../game/coalition.js";
import type { Game, BatchOptions, Measurement } from "../game/game.js";
import { formatBlocks } from "../notation.js";
import type { Ledger } from "./ledger.js";

/** What an evaluator gets beside the coalitions. */
export interface LedgerEvaluateOptions extends BatchOptions {
	/** To be called for each coalition as soon as it is measured, in any order, with the seconds that it took where they are known. */
	readonly onMeasurement: (measurement: Measurement, seconds?: number) => void;
}

/**
 * Measures distinct coalitions that were not measured before. It hands each result over as soon as it has it: through
 * `onMeasurement`, or as an async iterable, whichever suits it. It throws `signal.reason` when the signal aborts.
 */
export type Evaluate = (coalitions: readonly Coalition[], options: LedgerEvaluateOptions) => Promise<unknown> | AsyncIterable<Measurement>;

/** How a {@link LedgerGame} is made. */
export interface LedgerGameOptions {
	readonly ledger: Ledger;
	readonly evaluate: Evaluate;
	/** Blocks that are never removed, with the reason. @default none */
	readonly frozen?: ReadonlyMap<number, string>;
	/** Whether the architecture can run a coalition. @default every one */
	readonly allows?: (coalition: Coalition) => boolean;
	/** What is played of what the ledger keeps. @default all of it, as it is */
	readonly view?: ((kept: Measurement) => Measurement) | undefined;
}

/** A game whose measurements are kept in a ledger: nothing is measured twice, and an interrupted batch loses no finished evaluation. */
export class LedgerGame implements Game {
	readonly ledger: Ledger;
	readonly frozen: ReadonlyMap<number, string>;
	/** Coalitions measured by this game, and coalitions asked for that were already there. */
	readonly counts = { measured: 0, saved: 0 };

	readonly #evaluate: Evaluate;
	readonly #allows: (coalition: Coalition) => boolean;
	readonly #view: (kept: Measurement) => Measurement;
	readonly #asked = new Map<string, Coalition>();
	#queue: Promise<unknown> = Promise.resolve();

	constructor(options: LedgerGameOptions) {
		this.ledger = options.ledger;
		this.frozen = options.frozen ?? new Map();
		this.#evaluate = options.evaluate;
		this.#allows = options.allows ?? (() => true);
		this.#view = options.view ?? ((kept) => kept);
	}

	get players(): number {
		return this.ledger.header.players;
	}

	allows(coalition: Coalition): boolean {
		return coalition.players === this.players && this.#allows(coalition);
	}

	/**
	 * Measures what the ledger lacks, in one batch, and answers in the order asked for. Batches run one after another.
	 * @throws InvalidCandidateError for a coalition that cannot be run
	 * @throws EvaluationError where the evaluator left a coalition out
	 */
	async measure(coalitions: readonly Coalition[], options: BatchOptions = {}): Promise<Measurement[]> {
		options.signal?.throwIfAborted();
		for (const coalition of coalitions) this.#check(coalition);
		for (const coalition of coalitions) this.#asked.set(coalition.key, coalition);
		const turn = this.#queue.then(() => this.#measureMissing(coalitions, options));
		// The next batch runs whether or not this one fails.
		this.#queue = turn.catch(() => {});
		await turn;
		return coalitions.map((coalition) => this.#measured(coalition));
	}

	/** All that was asked for and measured, known before or not, in the order of asking. */
	played(): Measurement[] {
		return [...this.#asked.values()].filter((coalition) => this.ledger.get(coalition)).map((coalition) => this.#measured(coalition));
	}

	/**
	 * Takes over what was measured elsewhere on the same windows by the same model, but for what is known already.
	 * @param seconds that each of them took, where it is known
	 */
	async know(measurements: readonly Measurement[], seconds?: number): Promise<void> {
		for (const measurement of measurements) if (!this.ledger.get(measurement.coalition)) this.ledger.append(measurement, seconds);
		await this.ledger.flush();
	}

	#check(coalition: Coalition): void {
		if (coalition.players !== this.players) {
			throw new InvalidCandidateError(`a mask of ${coalition.players} blocks was asked of a model of ${this.players}.`);
		}
		if (!this.#allows(coalition))
			throw new InvalidCandidateError(`the model cannot run with blocks ${formatBlocks(coalition.removed())} removed.`);
	}

	async #measureMissing(coalitions: readonly Coalition[], options: BatchOptions): Promise<void> {
		options.signal?.throwIfAborted();
		const missing = new Map<string, Coalition>();
		for (const coalition of coalitions) if (!this.ledger.get(coalition)) missing.set(coalition.key, coalition);
		this.counts.saved += coalitions.length - missing.size;
		if (missing.size === 0) return;
		try {
			await this.#run([...missing.values()], options, (measurement, seconds) => this.#keep(measurement, missing, seconds));
		} finally {
			// Also after a failure or an abort: what was finished is kept, and a full disk is reported first.
			await this.ledger.flush();
		}
		const left = [...missing.keys()].find((key) => !this.ledger.get(missing.get(key)!));
		if (left === undefined) return;
		options.signal?.throwIfAborted();
		throw new EvaluationError(`the evaluator gave no loss for mask ${left}.`);
	}

	async #run(coalitions: Coalition[], options: BatchOptions, onMeasurement: LedgerEvaluateOptions["onMeasurement"]): Promise<void> {
		const result = this.#evaluate(coalitions, { ...options, onMeasurement });
		if (!isAsyncIterable(result)) {
			await result;
			return;
		}
		for await (const measurement of result) {
			onMeasurement(measurement);
			options.signal?.throwIfAborted();
		}
	}

	#keep(measurement: Measurement, wanted: ReadonlyMap<string, Coalition>, seconds: number | undefined): void {
		if (!wanted.has(measurement.coalition.key)) {
			throw new EvaluationError(`the evaluator measured mask ${measurement.coalition.key}, which was not asked for.`);
		}
		if (!this.ledger.get(measurement.coalition)) this.counts.measured++;
		this.ledger.append(measurement, seconds);
	}

	#measured(coalition: Coalition): Measurement {
		const measurement = this.ledger.get(coalition);
		if (!measurement) throw new EvaluationError(`no loss is known for mask ${coalition.key}.`);
		return this.#view(measurement);
	}
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Measurement> {
	return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
