// The game of attention parts alone: searches over blocks play it as it is, since removing player i removes the attention of block i.
import { Coalition } from "./coalition.js";
import type { BatchOptions, Game, Measurement } from "./game.js";
import { keptParts, removedPositions } from "./parts.js";
import { isStaged, type StagedGame } from "./racing.js";

/** A game that also says what it measured. */
type Recorded = Game & { readonly played?: () => Measurement[] };

/**
 * Attention parts of what a game has left. Player i is the attention part of block i. Those that are removed already, and those that
 * cannot be removed alone, are frozen.
 */
export class AttentionGame implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	/** What is removed whatever the coalition. */
	readonly base: readonly number[];
	protected readonly game: Recorded;
	readonly #baseParts: readonly boolean[];

	/**
	 * @param base removed positions that every coalition has
	 * @throws RangeError if the game lacks one of them
	 */
	constructor(game: Recorded, base: readonly number[] = []) {
		this.game = game;
		this.players = game.players;
		this.#baseParts = keptParts(game.players, base);
		this.base = [...base].sort((a, b) => a - b);
		const players = Array.from({ length: game.players }, (_, player) => player);
		this.frozen = new Map(
			players.flatMap((player): [number, string][] => {
				if (!this.#baseParts[2 * player]) return [[player, "its attention part is removed already"]];
				return game.allows(this.outer(Coalition.ofRemoved(game.players, [player]))) ? [] : [[player, "its attention part must stay"]];
			}),
		);
	}

	/** Players that can be removed. */
	get removable(): number {
		return this.players - this.frozen.size;
	}

	/** The coalition of the model. @param inner of whole players */
	outer(inner: Coalition): Coalition {
		const kept = [...this.#baseParts];
		for (const player of inner.removed()) kept[2 * player] = false;
		return Coalition.ofRemoved(this.players, removedPositions(kept));
	}

	/** The inverse of {@link outer}; undefined for a coalition of the model that is none of this game. */
	inner(outer: Coalition): Coalition | undefined {
		const kept = keptParts(this.players, outer.removed());
		const removed: number[] = [];
		for (const [part, before] of this.#baseParts.entries()) {
			if (kept[part] === before) continue;
			if (!before || part % 2 === 1) return undefined;
			removed.push(part / 2);
		}
		return Coalition.ofRemoved(this.players, removed);
	}

	allows(inner: Coalition): boolean {
		return inner.players === this.players && inner.whole && this.game.allows(this.outer(inner));
	}

	async measure(coalitions: readonly Coalition[], options?: BatchOptions): Promise<Measurement[]> {
		const measured = await this.game.measure(
			coalitions.map((inner) => this.outer(inner)),
			options,
		);
		return asAsked(measured, coalitions);
	}

	/** What was measured of this game so far, in the order of asking. */
	played(): Measurement[] {
		return (this.game.played?.() ?? []).flatMap((measured) => {
			const coalition = this.inner(measured.coalition);
			return coalition ? [{ ...measured, coalition }] : [];
		});
	}
}

/** The same over a game that measures window by window. */
class StagedAttentionGame extends AttentionGame implements StagedGame {
	readonly stages: readonly number[];
	readonly windows: number;
	readonly #staged: StagedGame;

	constructor(game: StagedGame & Recorded, base: readonly number[]) {
		super(game, base);
		this.#staged = game;
		this.stages = game.stages;
		this.windows = game.windows;
	}

	async measureFirst(coalitions: readonly Coalition[], windows: number, options?: BatchOptions): Promise<Measurement[]> {
		const outer = coalitions.map((inner) => this.outer(inner));
		return asAsked(await this.#staged.measureFirst(outer, windows, options), coalitions);
	}

	seen(inner: Coalition): Measurement | undefined {
		const measured = this.#staged.seen(this.outer(inner));
		return measured && { ...measured, coalition: inner };
	}
}

/** @param base removed positions that every coalition has. @default none */
export function attentionGame(game: Recorded, base: readonly number[] = []): AttentionGame {
	return isStaged(game) ? new StagedAttentionGame(game, base) : new AttentionGame(game, base);
}

const asAsked = (measured: readonly Measurement[], coalitions: readonly Coalition[]): Measurement[] =>
	measured.map((measurement, i) => ({ ...measurement, coalition: coalitions[i]! }));
