import type { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { SubGame } from "../sub-game.js";
import type { CriticalBlock, SearchOptions, SearchResult } from "./search.js";

/** One game of a search in rounds. */
export interface RankedRound {
	readonly game: SubGame;
	/** Most blocks that this round cuts. */
	readonly kmax: number;
	/** 0-based. */
	readonly round: number;
	readonly units: readonly (readonly number[])[];
}

export interface RoundsOptions extends Omit<SearchOptions, "criticalLoss" | "onStep"> {
	/** Rounds to play, 1..kmax: after the r-th, kmax * r / rounds blocks are removed, rounded. */
	readonly rounds: number;
	/** The method of a round on the remaining game, for example a ranking; its sets of up to the round's blocks are taken. */
	readonly play: (round: RankedRound) => Promise<SearchResult>;
}

/**
 * Rank, cut some, play again: each round plays the game that the earlier rounds left. So a block whose substitute has been removed counts
 * for what it is worth now. The sets of each round build on those before.
 * @throws RangeError for `rounds` or kmax out of range
 */
export async function inRounds(game: Game, options: RoundsOptions): Promise<SearchResult> {
	const { kmax, rounds, play } = options;
	const movable = game.players - game.frozen.size;
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > movable) throw new RangeError(`kmax must be an integer in 1..${movable}, got ${kmax}`);
	if (!Number.isInteger(rounds) || rounds < 1 || rounds > kmax)
		throw new RangeError(`rounds must be an integer in 1..${kmax}, got ${rounds}`);
	const meter = options.meter ?? new LossMeter(game, options);
	const before = meter.measured;
	const originalLoss = await meter.originalLoss();
	const byCount = new Map<number, { removed: readonly number[]; loss: number; addedLoss: number }>();
	const trace: SearchResult["trace"][number][] = [];
	const critical: CriticalBlock[] = [];
	const notes: string[] = [];
	let removed: number[] = [];
	for (let round = 0; round < rounds; round++) {
		const sub = new SubGame(metered(game, meter), removed);
		const cut = Math.round((kmax * (round + 1)) / rounds) - removed.length;
		const found = await play({ game: sub, kmax: cut, round, units: sub.innerUnits(options.units ?? []) });
		const outer = (blocks: readonly number[]) => blocks.map((inner) => sub.blocks[inner] as number);
		for (const choice of found.byCount.values()) {
			const set = [...removed, ...outer(choice.removed)].sort((a, b) => a - b);
			byCount.set(set.length, { removed: set, loss: choice.loss, addedLoss: choice.loss - originalLoss });
			trace.push({ count: set.length, removed: set, addedLoss: choice.loss - originalLoss, tried: 1 });
		}
		if (round === 0) critical.push(...found.critical);
		notes.push(...found.notes.map((note) => `round ${round + 1}: ${note}`));
		const deepest = [...found.byCount.values()].at(-1);
		if (!deepest) continue; // no set of so few blocks: the next round may remove more
		removed = [...removed, ...outer(deepest.removed)];
	}
	return { method: "rounds", originalLoss, byCount, trace, measured: meter.measured - before, critical, notes };
}

/** Counts what every round measures, once. */
function metered(game: Game, meter: LossMeter): Game {
	return {
		players: game.players,
		frozen: game.frozen,
		allows: (coalition: Coalition) => game.allows(coalition),
		measure: async (coalitions, options) => {
			await meter.losses(coalitions, options?.phase);
			return game.measure(coalitions, options);
		},
	};
}
