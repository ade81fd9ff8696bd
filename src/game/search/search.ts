import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { movesOf } from "../moves.js";
import type { AdjacentPair } from "../pairs.js";
import { PairMoves, shiftedSingles } from "./pair-moves.js";
import type { CriticalBlock, FoundSet, Removal, SearchOptions, SearchResult, SearchStep } from "./search-types.js";

export type * from "./search-types.js";

/** The state that all searches share: moves, single removals, critical blocks. @internal */
export class Search {
	readonly game: Game;
	readonly kmax: number;
	readonly moves: readonly (readonly number[])[];
	readonly meter: LossMeter;
	readonly originalLoss: number;
	/** Added loss of each move alone; NaN if the game does not allow it alone. */
	readonly singles: Float64Array;
	readonly notes: string[] = [];
	readonly trace: SearchStep[] = [];
	readonly #method: string;
	readonly #measuredBefore: number;
	readonly #onStep: SearchOptions["onStep"];
	readonly #chosen = new Map<number, FoundSet>();
	readonly #critical: Set<number>;
	readonly #freed = new Set<number>();
	/** Moves of halves of blocks; undefined if only whole blocks move. */
	readonly #pairs: PairMoves | undefined;
	readonly #criticalLoss: number;

	private constructor(game: Game, method: string, options: SearchOptions, survey: Survey) {
		this.game = game;
		this.#method = method;
		this.kmax = options.kmax;
		this.moves = survey.moves;
		this.meter = survey.meter;
		this.originalLoss = survey.originalLoss;
		this.singles = survey.singles;
		this.#measuredBefore = survey.measuredBefore;
		this.#onStep = options.onStep;
		this.#criticalLoss = options.criticalLoss ?? Math.LN2;
		this.#pairs = survey.shifted && new PairMoves(game, { moves: this.moves, criticalLoss: this.#criticalLoss }, survey.shifted);
		this.#critical = new Set([...this.moves.keys()].filter((move) => this.singleCost(move) > this.#criticalLoss));
		this.#freeUntilEnough();
	}

	/**
	 * Measures the original model and every single removal (n + 1 coalitions) in one batch.
	 * @param usesSingles whether the method itself needs single removals; otherwise they are only measured if blocks can be critical
	 */
	static async start(game: Game, method: string, options: SearchOptions, usesSingles = true): Promise<Search> {
		const moves = movesOf(game, options.units);
		checkKmax(game, moves, options.kmax);
		if (Number.isNaN(options.criticalLoss ?? 0)) throw new RangeError("criticalLoss must be a number of nats, got NaN");
		const meter = options.meter ?? new LossMeter(game, options);
		const measuredBefore = meter.measured;
		const alone = moves.map((move) => Coalition.ofRemoved(game.players, move));
		const needed = usesSingles || options.criticalLoss !== Number.POSITIVE_INFINITY;
		const allowed = needed ? alone.filter((coalition) => game.allows(coalition)) : [];
		const phase = options.phase ?? "leave-one-out";
		// A block that is surely critical needs no more text.
		await meter.raceAgainst(options.criticalLoss ?? Math.LN2, allowed.filter(isAlone), phase);
		const added = await meter.addedLosses(allowed, phase);
		const byKey = new Map(allowed.map((coalition, i) => [coalition.key, added[i] as number]));
		const singles = Float64Array.from(alone, (coalition) => byKey.get(coalition.key) ?? Number.NaN);
		const shifted = options.granularity === "half-block" ? await measureShifted(game, options, { moves, meter, singles }) : undefined;
		return new Search(game, method, options, { moves, meter, measuredBefore, singles, shifted, originalLoss: await meter.originalLoss() });
	}

	/** Added loss per block of the move alone; -Infinity if unknown, so that it is tried early. */
	singleCost(move: number): number {
		const cost = (this.singles[move] as number) / (this.moves[move] as readonly number[]).length;
		return Number.isNaN(cost) ? Number.NEGATIVE_INFINITY : cost;
	}

	/** Whether the move is kept because it is critical. */
	isFrozen(move: number): boolean {
		return this.#critical.has(move) && !this.#freed.has(move);
	}

	/** Moves that may be removed in addition to `removed`: not frozen, not overlapping, not beyond kmax, allowed by the game. */
	candidates(removed: readonly number[]): Removal[] {
		const gone = new Set(removed.flatMap((position) => [Math.floor(position), Math.ceil(position)]));
		const found: Removal[] = [];
		for (const [move, blocks] of this.moves.entries()) {
			if (this.isFrozen(move) || blocks.some((block) => gone.has(block)) || removed.length + blocks.length > this.kmax) continue;
			const coalition = Coalition.ofRemoved(this.game.players, [...removed, ...blocks]);
			if (this.game.allows(coalition)) found.push({ move, length: blocks.length, coalition });
		}
		if (!this.#pairs || removed.length + 1 > this.kmax) return found;
		const pairs = this.#pairs.removals(removed, new Set(this.frozenBlocks()));
		return [...found, ...pairs.map(({ pair, coalition }) => ({ move: this.#pairIndex(pair), length: 1, coalition, pair }))];
	}

	/** Like {@link candidates}; if none are left, critical blocks are set free, the least critical first. */
	candidatesOrFree(removed: readonly number[]): Removal[] {
		for (;;) {
			const found = this.candidates(removed);
			if (found.length > 0 || !this.#freeOne("no other block can be removed")) return found;
		}
	}

	/** Whether half-block cuts are searched. */
	get halves(): boolean {
		return this.#pairs !== undefined;
	}

	/** Added loss of each shifted pair alone, nats per token, by its position, of those that were measured. */
	shifted(): ReadonlyMap<number, number> {
		return this.#pairs?.singles ?? new Map();
	}

	/** Whether a set with half-block cuts leaves what is frozen or critical, and the game allows it. */
	allowsHalves(coalition: Coalition): boolean {
		const stays = new Set(this.frozenBlocks());
		return this.#pairs?.spares(coalition.removed(), stays) === true && this.game.allows(coalition);
	}

	/** With half-block cuts: blocks of which no part moves alone. */
	fixedBlocks(): ReadonlySet<number> {
		return this.#pairs?.fixed ?? new Set();
	}

	#pairIndex({ first, second }: AdjacentPair): number {
		return this.moves.length + first * 2 * this.game.players + second;
	}

	choose(removed: readonly number[], addedLoss: number, tried: number): void {
		const sorted = [...removed].sort((a, b) => a - b);
		const choice = { removed: sorted, addedLoss, loss: this.originalLoss + addedLoss };
		const known = this.#chosen.get(sorted.length);
		if (!known || addedLoss < known.addedLoss) this.#chosen.set(sorted.length, choice);
		const step = { count: sorted.length, removed: sorted, addedLoss, tried };
		this.trace.push(step);
		this.#onStep?.(step);
	}

	choice(count: number): FoundSet | undefined {
		return this.#chosen.get(count);
	}

	/** Best set of each number of removed blocks so far. */
	chosen(): Map<number, FoundSet> {
		return new Map([...this.#chosen].sort(([a], [b]) => a - b));
	}

	/** The moves removed alone, if they were measured. */
	singlesAsSets(): Coalition[] {
		return this.moves.flatMap((blocks, move) =>
			Number.isNaN(this.singles[move]) || blocks.length > this.kmax || this.isFrozen(move)
				? []
				: [Coalition.ofRemoved(this.game.players, blocks)],
		);
	}

	/** The sets that leave-one-out would cut, of every size that its ranking reaches. */
	rankedSets(): Coalition[] {
		const order = [...this.moves.keys()].filter((move) => !this.isFrozen(move));
		order.sort((a, b) => this.singleCost(a) - this.singleCost(b));
		const sets: Coalition[] = [];
		let removed: number[] = [];
		for (const move of order) {
			removed = [...new Set([...removed, ...(this.moves[move] as readonly number[])])];
			if (removed.length > this.kmax) break;
			const set = Coalition.ofRemoved(this.game.players, removed);
			if (this.game.allows(set)) sets.push(set);
		}
		return sets;
	}

	/** What each block costs alone, a unit's cost shared by its blocks; 0 if unknown. */
	costs(): Float64Array {
		const costs = new Float64Array(this.game.players);
		for (const [move, blocks] of this.moves.entries()) {
			const cost = this.singleCost(move);
			for (const block of blocks) costs[block] = cost === Number.NEGATIVE_INFINITY ? 0 : cost;
		}
		return costs;
	}

	/** Blocks that no set of this search removes: the game's frozen ones and the critical ones. */
	frozenBlocks(): number[] {
		const movable = new Set(this.moves.flatMap((blocks, move) => (this.isFrozen(move) ? [] : blocks)));
		return Array.from({ length: this.game.players }, (_, i) => i).filter((block) => !movable.has(block));
	}

	/** Distinct coalitions measured since the search began. */
	get measured(): number {
		return this.meter.measured - this.#measuredBefore;
	}

	/**
	 * @param counts sizes that were searched. @default 1..kmax
	 * @param early what ended the search before it reached every size. @default nothing: a size without a set cannot be reached
	 */
	result(counts: readonly number[] = Array.from({ length: this.kmax }, (_, i) => i + 1), early?: string): SearchResult {
		const notes = this.notes.slice();
		const missing = counts.filter((count) => !this.#chosen.has(count)).join(", ");
		if (missing !== "")
			notes.push(
				early === undefined
					? `no set of ${missing} blocks: the model's rules or its units do not allow one that this method can reach`
					: `${early} before sets of ${missing} blocks were measured`,
			);
		return {
			method: this.#method,
			originalLoss: this.originalLoss,
			byCount: this.chosen(),
			trace: this.trace,
			measured: this.measured,
			critical: this.critical(),
			notes,
		};
	}

	critical(): CriticalBlock[] {
		return [...this.#critical].map((move) => ({
			blocks: this.moves[move] as readonly number[],
			addedLoss: this.singles[move] as number,
			limit: this.#criticalLoss,
			frozen: !this.#freed.has(move),
		}));
	}

	/** If critical blocks leave too few others for kmax, the least critical are set free. */
	#freeUntilEnough(): void {
		const available = () => new Set(this.moves.flatMap((blocks, move) => (this.isFrozen(move) ? [] : blocks))).size;
		while (available() < this.kmax && this.#freeOne(`only ${available()} blocks are not critical, ${this.kmax} are to go`));
	}

	#freeOne(why: string): boolean {
		const frozen = [...this.#critical].filter((move) => !this.#freed.has(move));
		if (frozen.length === 0) return false;
		const least = frozen.reduce((a, b) => (this.singleCost(b) < this.singleCost(a) ? b : a));
		this.#freed.add(least);
		const blocks = this.moves[least] as readonly number[];
		this.notes.push(
			`critical block${blocks.length > 1 ? "s" : ""} ${blocks.join(", ")} (adds ${(this.singles[least] as number).toFixed(3)} nats alone) set free: ${why}`,
		);
		return true;
	}
}

/** Units are critical by what they cost a block, so that the limit holds for single blocks. */
const isAlone = (coalition: Coalition) => coalition.removals === 1;

/** @throws RangeError for half-block cuts, which the method does not know @internal */
export function onlyBlocks<Options extends SearchOptions>(method: string, options: Options): Options {
	if (options.granularity === "half-block")
		throw new RangeError(
			`${method} removes whole blocks only: it cannot have granularity half-block, which greedy, beam, swap, contiguous, leave-one-out, evolutionary, active search and auto know`,
		);
	return options;
}

interface Survey {
	readonly moves: readonly (readonly number[])[];
	readonly meter: LossMeter;
	readonly measuredBefore: number;
	readonly singles: Float64Array;
	readonly shifted: ReadonlyMap<number, number> | undefined;
	readonly originalLoss: number;
}

/** What shifted pairs add alone, by their positions. */
async function measureShifted(
	game: Game,
	{ shiftedSingles: most = Number.POSITIVE_INFINITY }: SearchOptions,
	{ moves, meter, singles }: Pick<Survey, "moves" | "meter" | "singles">,
): Promise<ReadonlyMap<number, number>> {
	if (!(most >= 0)) throw new RangeError(`shiftedSingles must be at least 0, got ${most}`);
	const costs = new Map(moves.flatMap((move, i) => (move.length === 1 ? [[move[0]!, singles[i]!] as const] : [])));
	const alone = shiftedSingles(game, moves, (block) => costs.get(block) ?? Number.NaN).slice(0, most);
	const added = await meter.addedLosses(alone, "shifted pairs");
	return new Map(alone.map((set, i) => [set.removed()[0]!, added[i]!]));
}

function checkKmax(game: Game, moves: readonly (readonly number[])[], kmax: number): void {
	const removable = new Set(moves.flat()).size;
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > removable) {
		throw new RangeError(
			`the number of blocks to remove must be an integer in 1..${removable} (${game.players} blocks, ${game.players - removable} frozen), got ${kmax}`,
		);
	}
}
