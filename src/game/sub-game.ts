import { Coalition } from "./coalition.js";
import type { Game, BatchOptions, Measurement } from "./game.js";

/** What remains of a game after some blocks are removed: its players are the remaining blocks, numbered from 0. */
export class SubGame implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	/** The outer number of each player. */
	readonly blocks: readonly number[];
	readonly #game: Game;
	readonly #inner: ReadonlyMap<number, number>;

	/** @throws RangeError if a removed block is frozen or is not in the game, or if no block remains */
	constructor(game: Game, removed: Iterable<number>) {
		const gone = Coalition.ofRemoved(game.players, removed);
		for (const block of gone.removed()) if (game.frozen.has(block)) throw new RangeError(`block ${block} is frozen and cannot be removed`);
		if (gone.size === 0) throw new RangeError("no block would remain");
		this.#game = game;
		this.blocks = gone.kept();
		this.players = this.blocks.length;
		this.#inner = new Map(this.blocks.map((block, inner) => [block, inner]));
		this.frozen = new Map([...game.frozen].map(([block, reason]) => [this.#inner.get(block) as number, reason]));
	}

	/** The outer coalition of an inner one. */
	outer(coalition: Coalition): Coalition {
		return Coalition.ofKept(
			this.#game.players,
			coalition.kept().map((inner) => this.blocks[inner] as number),
		);
	}

	/** Units in inner numbers; a unit with a removed block is left out. */
	innerUnits(units: readonly (readonly number[])[]): number[][] {
		return units
			.filter((unit) => unit.every((block) => this.#inner.has(block)))
			.map((unit) => unit.map((block) => this.#inner.get(block) as number));
	}

	allows(coalition: Coalition): boolean {
		return coalition.players === this.players && this.#game.allows(this.outer(coalition));
	}

	async measure(coalitions: readonly Coalition[], options?: BatchOptions): Promise<Measurement[]> {
		const measured = await this.#game.measure(
			coalitions.map((coalition) => this.outer(coalition)),
			options,
		);
		return measured.map((measurement, i) => ({ ...measurement, coalition: coalitions[i] as Coalition }));
	}
}
