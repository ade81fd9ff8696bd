import { Coalition } from "./coalition.js";
import { type Game, type BatchOptions, type Measurement, meanLoss } from "./game.js";
import { type Sample, toSample } from "./sample.js";

/** Measures through a game, remembers the results, and counts distinct coalitions, which are the cost of a method. */
export class LossMeter {
	readonly game: Game;
	readonly #options: BatchOptions;
	readonly #losses = new Map<string, { measurement: Measurement; loss: number }>();

	constructor(game: Game, options: BatchOptions = {}) {
		this.game = game;
		this.#options = { signal: options.signal, phase: options.phase };
	}

	/** Number of distinct coalitions measured, the original model among them. */
	get measured(): number {
		return this.#losses.size;
	}

	/** Mean loss of the original model, nats per token. */
	async originalLoss(): Promise<number> {
		const [loss] = await this.losses([Coalition.full(this.game.players)]);
		if (!Number.isFinite(loss))
			throw new RangeError(`the original model's loss is ${loss}: nothing can be compared with it; check the model and the text`);
		return loss as number;
	}

	/** Mean loss of each coalition, nats per token; Infinity if the model broke down. One batch, each coalition once. */
	async losses(coalitions: readonly Coalition[], phase?: string): Promise<Float64Array> {
		const fresh = new Map<string, Coalition>();
		for (const coalition of coalitions) if (!this.#losses.has(coalition.key)) fresh.set(coalition.key, coalition);
		if (fresh.size > 0) {
			const options = phase === undefined ? this.#options : { ...this.#options, phase };
			for (const measurement of await this.game.measure([...fresh.values()], options)) {
				this.#losses.set(measurement.coalition.key, { measurement, loss: meanLoss(measurement) });
			}
		}
		return Float64Array.from(coalitions, (coalition) => this.#losses.get(coalition.key)!.loss);
	}

	/** Loss added to the original model by each coalition, nats per token. The original model is measured with the first batch. */
	async addedLosses(coalitions: readonly Coalition[], phase?: string): Promise<Float64Array> {
		const full = Coalition.full(this.game.players);
		const losses = await this.losses([full, ...coalitions], phase);
		const originalLoss = await this.originalLoss();
		return losses.subarray(1).map((loss) => (Number.isFinite(loss) ? loss - originalLoss : Number.POSITIVE_INFINITY));
	}

	/** Whether the coalition has been measured. */
	knows(coalition: Coalition): boolean {
		return this.#losses.has(coalition.key);
	}

	/** The measurement of each coalition so far, window by window, in the order of measuring. */
	measurements(): Measurement[] {
		return [...this.#losses.values()].map(({ measurement }) => measurement);
	}

	/** All measured coalitions, in the order of measuring. */
	async samples(): Promise<Sample[]> {
		const originalLoss = await this.originalLoss();
		return [...this.#losses.values()].map(({ measurement, loss }) => toSample(measurement.coalition, loss, originalLoss));
	}
}
