// A method on the attention parts alone: it plays the game of attentions as if they were blocks. What it finds is named as the model names
// it, and counted from the original model.
import { attentionGame, type AttentionGame } from "../../game/attention-game.js";
import { Coalition } from "../../game/coalition.js";
import { type BatchOptions, type Game, meanLoss } from "../../game/game.js";
import type { FoundSet, SearchResult, SearchStep } from "../../game/search/search.js";
import { aboutAttention } from "../../notation.js";
import { howRemoved } from "./critical.js";
import type { Choices, ProposedSet } from "./selection-context.js";

/** What a game of attentions calls the original: the model without the blocks that go beside them. */
export interface Beside {
	readonly removed: readonly number[];
	/** Mean loss of the model with nothing removed, and what these blocks add to it. */
	readonly originalLoss: number;
	readonly added: number;
}

/**
 * The sets of so many blocks that leave so many attention parts to remove. If none of those that were found does, the first of them with
 * blocks exchanged for others, which have no attention of their own; none if that does not do either.
 */
export function setsLeaving(
	game: Game,
	{ found, rivals }: Pick<Choices, "found" | "rivals">,
	{ blocks, attentions }: { readonly blocks: number; readonly attentions: number },
): readonly (readonly number[])[] {
	const own = found.byCount.get(blocks);
	const sets = [...(own ? [own] : []), ...rivals].map(({ removed }) => removed).filter((removed) => removed.length === blocks);
	const left = (removed: readonly number[]) => attentionGame(game, removed).removable;
	const enough = sets.filter((removed) => left(removed) >= attentions);
	if (enough.length > 0 || sets.length === 0) return enough;
	let set: readonly number[] = sets[0]!;
	const bare = [...attentionGame(game).frozen.keys()].filter((block) => !set.includes(block));
	for (const block of set) {
		const exchanged = bare
			.map((other) => [...set.filter((one) => one !== block && one !== other), other].sort((a, b) => a - b))
			.filter((next) => next.length === blocks && game.allows(Coalition.ofRemoved(game.players, next)));
		set = exchanged.find((next) => left(next) > left(set)) ?? set;
		if (left(set) >= attentions) return [set];
	}
	return [];
}

/** What is removed beside attention parts, measured; undefined for nothing. */
export async function measureBeside(game: Game, removed: readonly number[], options: BatchOptions): Promise<Beside | undefined> {
	if (removed.length === 0) return undefined;
	const sets = [Coalition.full(game.players), Coalition.ofRemoved(game.players, removed)];
	const [full, without] = await game.measure(sets, options);
	const originalLoss = meanLoss(full!);
	return { removed, originalLoss, added: meanLoss(without!) - originalLoss };
}

/** What a method found in a game of attentions, in positions of the model. */
export function inPositions(game: AttentionGame, choices: Choices, beside?: Beside): Choices {
	const { contributions, evidence } = choices;
	const also = beside ? `, ${howRemoved(beside.removed)}` : "";
	return {
		...choices,
		found: resultOf(game, choices.found, beside),
		attentions: { beside: beside?.removed ?? [] },
		rivals: choices.rivals.map((rival): ProposedSet => ({ ...rival, removed: positions(game, rival.removed) })),
		...(contributions ? { contributions: { ...contributions, estimator: `${contributions.estimator}${also}` } } : {}),
		...(evidence && beside ? { evidence: { ...evidence, beside: { blocks: beside.removed.length, added: beside.added } } } : {}),
	};
}

/** A step of a search in a game of attentions, in positions of the model. */
export function stepInPositions(game: AttentionGame, step: SearchStep, beside?: Beside): SearchStep {
	const set = positioned(game, step, beside);
	return { ...set, count: set.removed.length };
}

function resultOf(game: AttentionGame, found: SearchResult, beside: Beside | undefined): SearchResult {
	const removed = beside?.removed ?? [];
	const sets = [...found.byCount.values()].map((set) => positioned(game, set, beside));
	return {
		...found,
		originalLoss: beside?.originalLoss ?? found.originalLoss,
		byCount: new Map(sets.map((set) => [set.removed.length, set])),
		trace: found.trace.map((step) => stepInPositions(game, step, beside)),
		notes: found.notes.map((note) => aboutAttention(note).replaceAll(/\balone\b/g, howRemoved(removed))),
	};
}

const positions = (game: AttentionGame, removed: readonly number[]) => game.outer(Coalition.ofRemoved(game.players, removed)).removed();

/** What a set adds to the original model, with what goes beside it. */
function positioned<S extends Pick<FoundSet, "removed" | "addedLoss">>(game: AttentionGame, set: S, beside: Beside | undefined): S {
	return { ...set, removed: positions(game, set.removed), addedLoss: set.addedLoss + (beside?.added ?? 0) };
}
