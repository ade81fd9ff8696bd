import type { Coalition } from "./coalition.js";
import type { Game, BatchOptions, Measurement } from "./game.js";

export interface FunctionGameOptions {
	/** Number of blocks, at least 1. */
	readonly players: number;
	/** Loss of a coalition, nats per token: one number, or one per window. */
	readonly loss: (coalition: Coalition) => number | readonly number[] | Float64Array;
	/** Blocks that are never removed, with the reason. @default none */
	readonly frozen?: ReadonlyMap<number, string>;
	/** Which coalitions can be run. @default all */
	readonly allows?: (coalition: Coalition) => boolean;
}

/** A game whose loss is a function of the coalition: games with a known answer, and wrappers. */
export class FunctionGame implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	readonly #loss: FunctionGameOptions["loss"];
	readonly #allows: (coalition: Coalition) => boolean;
	readonly #done = new Map<string, Measurement>();

	constructor(options: FunctionGameOptions) {
		if (!Number.isInteger(options.players) || options.players < 1) {
			throw new RangeError(`players must be a positive integer, got ${options.players}`);
		}
		this.players = options.players;
		this.frozen = options.frozen ?? new Map();
		this.#loss = options.loss;
		this.#allows = options.allows ?? (() => true);
	}

	/** Number of distinct coalitions measured so far. */
	get evaluated(): number {
		return this.#done.size;
	}

	allows(coalition: Coalition): boolean {
		if (coalition.players !== this.players) return false;
		for (const block of this.frozen.keys()) if (!coalition.has(block)) return false;
		return this.#allows(coalition);
	}

	/** @throws RangeError for a coalition that {@link allows} refuses */
	async measure(coalitions: readonly Coalition[], options: BatchOptions = {}): Promise<Measurement[]> {
		return coalitions.map((coalition) => {
			options.signal?.throwIfAborted();
			const known = this.#done.get(coalition.key);
			if (known) return known;
			if (!this.allows(coalition)) throw new RangeError(`coalition ${coalition} cannot be run in this game; ask allows() first`);
			const loss = this.#loss(coalition);
			const measurement = { coalition, losses: typeof loss === "number" ? Float64Array.of(loss) : Float64Array.from(loss) };
			this.#done.set(coalition.key, measurement);
			return measurement;
		});
	}
}
