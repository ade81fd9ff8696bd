// A search split that is measured part by part: candidates that are clearly worse on its first windows are not measured on the others.
import type { Coalition } from "../../game/coalition.js";
import type { BatchOptions, Measurement } from "../../game/game.js";
import type { StagedGame } from "../../game/racing.js";
import { makeWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { LedgerGame, type LedgerGameOptions } from "../../storage/ledger-game.js";

/** Some windows of the split, one after the other, with a ledger of their own. */
export interface SplitPart {
	readonly game: LedgerGame;
	readonly windows: number;
}

/**
 * Windows after which measuring may pause: those that run through a block at once stay together, so that the losses of all parts together have the
 * bits of one measurement. The first part is one such group, each later one as large as all before it, and the last at least a group.
 * @param group windows that run through a block at once
 */
export function stagesOf(windows: number, group: number): number[] {
	const stages: number[] = [];
	// A single window has no spread to judge by.
	for (let stage = group * Math.ceil(2 / group); stage + group <= windows; stage *= 2) stages.push(stage);
	return stages;
}

/** Windows that run through a block at once. */
export function groupOf(windowLength: number, ubatch: number): number {
	return Math.max(1, Math.floor(ubatch / windowLength));
}

/** Cuts a split after each stage. @param open makes the game of some windows; the first part is the one that all candidates are measured on */
export async function splitParts(
	{ tokens, count, length }: TokenWindows,
	ubatch: number,
	open: (windows: TokenWindows, name: string, first: boolean) => Promise<LedgerGame>,
): Promise<SplitPart[]> {
	const stages = stagesOf(count, groupOf(length, ubatch));
	if (stages.length === 0) return [];
	const parts: SplitPart[] = [];
	for (const [i, end] of [...stages, count].entries()) {
		const from = stages[i - 1] ?? 0;
		const windows = makeWindows(tokens.slice(from * length, end * length), length);
		parts.push({ windows: end - from, game: await open(windows, `${from} to ${end - 1} of ${count}`, i === 0) });
	}
	return parts;
}

/** The ledger of the whole split keeps what was measured on all windows, the ledgers of the parts what was not. */
export class StagedLedgerGame extends LedgerGame implements StagedGame {
	readonly stages: readonly number[];
	readonly windows: number;
	readonly #parts: readonly SplitPart[];

	/** @param parts in order, all of the split together */
	constructor(options: LedgerGameOptions, parts: readonly SplitPart[]) {
		super(options);
		this.#parts = parts;
		const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, { windows }) => sum + windows, 0));
		this.stages = ends.slice(0, -1);
		this.windows = ends.at(-1)!;
	}

	async measureFirst(coalitions: readonly Coalition[], windows: number, options: BatchOptions = {}): Promise<Measurement[]> {
		const parts = this.#parts.slice(0, this.stages.indexOf(windows) + 1);
		const missing = coalitions.filter((coalition) => !this.ledger.get(coalition));
		for (const { game } of parts) await game.measure(missing, options);
		return coalitions.map((coalition) => {
			const full = this.ledger.get(coalition);
			return full ? { coalition, losses: full.losses.slice(0, windows) } : { coalition, losses: joined(parts, coalition) };
		});
	}

	override async measure(coalitions: readonly Coalition[], options: BatchOptions = {}): Promise<Measurement[]> {
		const begun = coalitions.filter((coalition) => this.seen(coalition));
		for (const { game } of begun.length > 0 ? this.#parts : []) await game.measure(begun, options);
		const seconds = this.#parts.reduce((sum, { game }) => sum + (game.ledger.secondsPerMask ?? Number.NaN), 0);
		await this.know(
			begun.map((coalition) => ({ coalition, losses: joined(this.#parts, coalition) })),
			Number.isFinite(seconds) ? seconds : undefined,
		);
		return super.measure(coalitions, options);
	}

	seen(coalition: Coalition): Measurement | undefined {
		if (this.ledger.get(coalition)) return undefined;
		const end = this.#parts.findIndex(({ game }) => !game.ledger.get(coalition));
		const parts = this.#parts.slice(0, end < 0 ? this.#parts.length : end);
		return parts.length === 0 ? undefined : { coalition, losses: joined(parts, coalition) };
	}
}

function joined(parts: readonly SplitPart[], coalition: Coalition): Float64Array {
	return Float64Array.from(parts.flatMap(({ game }) => Array.from(game.ledger.get(coalition)!.losses)));
}
