import { Coalition } from "./coalition.js";
import { type Game, type BatchOptions, type Measurement, meanLoss } from "./game.js";
import { isStaged, type Raced, raceByWindows } from "./racing.js";
import { type Sample, toSample } from "./sample.js";
import { average, differences } from "./statistics.js";

/** Measures through a game, remembers the results, and counts distinct coalitions, which are the cost of a method. */
export class LossMeter {
	readonly game: Game;
	readonly #options: BatchOptions;
	readonly #losses = new Map<string, { measurement: Measurement; loss: number }>();
	/** What coalitions lose that a race stopped, about. */
	readonly #stopped = new Map<string, { coalition: Coalition; loss: number }>();

	constructor(game: Game, options: BatchOptions = {}) {
		this.game = game;
		this.#options = { signal: options.signal, phase: options.phase };
	}

	/** Number of distinct coalitions measured, the original model among them, also those that a race stopped. */
	get measured(): number {
		return this.#losses.size + this.#stopped.size;
	}

	/** Mean loss of the original model, nats per token. */
	async originalLoss(): Promise<number> {
		const [loss] = await this.losses([Coalition.full(this.game.players)]);
		if (!Number.isFinite(loss))
			throw new RangeError(`the original model's loss is ${loss}: nothing can be compared with it; check the model and the text`);
		return loss as number;
	}

	/** Mean loss of each coalition, nats per token; Infinity if the model broke down. One batch, each coalition once. It is an estimate for those that a race stopped. */
	async losses(coalitions: readonly Coalition[], phase?: string): Promise<Float64Array> {
		const fresh = new Map<string, Coalition>();
		for (const coalition of coalitions) if (!this.knows(coalition)) fresh.set(coalition.key, coalition);
		if (fresh.size > 0) {
			for (const measurement of await this.game.measure([...fresh.values()], this.#during(phase))) {
				this.#losses.set(measurement.coalition.key, { measurement, loss: meanLoss(measurement) });
			}
		}
		return Float64Array.from(coalitions, ({ key }) => (this.#losses.get(key) ?? this.#stopped.get(key)!).loss);
	}

	/**
	 * Lets coalitions race, those that remove as much with one another and with the best one of them so far: what is surely worse is not measured on all
	 * windows. Its loss is then taken to be above that of the best one by as much as on the windows that it was measured on.
	 */
	async race(coalitions: readonly Coalition[], phase?: string): Promise<void> {
		if (!isStaged(this.game)) return;
		const counts = new Map<number, Coalition[]>();
		for (const set of coalitions) if (!this.knows(set)) counts.set(set.removals, [...(counts.get(set.removals) ?? []), set]);
		for (const [count, sets] of counts) {
			const incumbent = this.#bestOf(count);
			const raced = await raceByWindows(this.game, sets, { incumbents: incumbent ? [incumbent] : [] }, this.#during(phase));
			this.#keep(raced, () => this.#bestOf(count));
		}
	}

	/** Measures coalitions, but not on all windows those that surely add more than so many nats per token to the original model. */
	async raceAgainst(limit: number, coalitions: readonly Coalition[], phase?: string): Promise<void> {
		const fresh = coalitions.filter((set) => !this.knows(set));
		if (!isStaged(this.game) || fresh.length === 0) return;
		const full = Coalition.full(this.game.players);
		await this.losses([full], phase);
		const original = this.#losses.get(full.key)!.measurement;
		const raced = await raceByWindows(this.game, fresh, { limit: { original, added: limit } }, this.#during(phase));
		this.#keep(raced, () => original);
	}

	#during(phase: string | undefined): BatchOptions {
		return phase === undefined ? this.#options : { ...this.#options, phase };
	}

	/** @param leader a coalition on all windows, after those of the race that were measured on all are known */
	#keep(raced: readonly Raced[], leader: () => Measurement | undefined): void {
		for (const { coalition, measured } of raced)
			if (measured) this.#losses.set(coalition.key, { measurement: measured, loss: meanLoss(measured) });
		for (const { coalition, measured, first } of raced) {
			if (measured) continue;
			const from = leader()!;
			const above = average(differences(first.losses, from.losses.slice(0, first.losses.length)));
			this.#stopped.set(coalition.key, {
				coalition,
				loss: meanLoss(from) + Math.max(LEAST_ABOVE, Number.isNaN(above) ? Number.POSITIVE_INFINITY : above),
			});
		}
	}

	#bestOf(removals: number): Measurement | undefined {
		let best: { measurement: Measurement; loss: number } | undefined;
		for (const one of this.#losses.values())
			if (
				one.measurement.coalition.removals === removals &&
				Number.isFinite(one.loss) &&
				!(one.loss >= (best?.loss ?? Number.POSITIVE_INFINITY))
			)
				best = one;
		return best?.measurement;
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
		return this.#losses.has(coalition.key) || this.#stopped.has(coalition.key);
	}

	/** The measurement of each coalition so far, window by window, in the order of measuring; none of those that a race stopped. */
	measurements(): Measurement[] {
		return [...this.#losses.values()].map(({ measurement }) => measurement);
	}

	/** All measured coalitions, in the order of measuring, then those that races stopped. */
	async samples(): Promise<Sample[]> {
		const originalLoss = await this.originalLoss();
		const measured = [...this.#losses.values()].map(({ measurement, loss }) => toSample(measurement.coalition, loss, originalLoss));
		return [...measured, ...[...this.#stopped.values()].map(({ coalition, loss }) => toSample(coalition, loss, originalLoss))];
	}
}

/** A coalition that was stopped stays behind the best one by this much at least, nats per token. */
const LEAST_ABOVE = 1e-6;
