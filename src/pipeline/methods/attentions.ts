// A method on the attention parts alone: it plays the game of attentions as if they were blocks, and what it finds is named as the model
// names it.
import type { AttentionGame } from "../../game/attention-game.js";
import { Coalition } from "../../game/coalition.js";
import type { FoundSet, SearchResult, SearchStep } from "../../game/search/search.js";
import type { Choices, ProposedSet } from "./selection-context.js";

type Set = Pick<FoundSet, "removed">;

/** What a method found in a game of attentions, in positions of the model. */
export function inPositions(game: AttentionGame, choices: Choices): Choices {
	return {
		...choices,
		found: resultOf(game, choices.found),
		rivals: choices.rivals.map((rival): ProposedSet => positioned(game, rival)),
	};
}

/** A step of a search in a game of attentions, in positions of the model. */
export function stepInPositions(game: AttentionGame, step: SearchStep): SearchStep {
	const set = positioned(game, step);
	return { ...set, count: set.removed.length };
}

function resultOf(game: AttentionGame, found: SearchResult): SearchResult {
	const sets = [...found.byCount.values()].map((set) => positioned(game, set));
	return {
		...found,
		byCount: new Map(sets.map((set) => [set.removed.length, set])),
		trace: found.trace.map((step) => stepInPositions(game, step)),
		notes: found.notes.map((note) => note.replaceAll(/\bblock(s?)\b/g, "attention part$1")),
	};
}

function positioned<S extends Set>(game: AttentionGame, set: S): S {
	return { ...set, removed: game.outer(Coalition.ofRemoved(game.players, set.removed)).removed() };
}
