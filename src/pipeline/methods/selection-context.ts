// What a method that chooses is given, and what it gives.
import type { GranularityUsed, ShiftedPairCost, ShiftedPairImportance } from "../../api/measure.js";
import type { Attribution } from "../../game/attribution/attribution.js";
import type { Game } from "../../game/game.js";
import type { LossMeter } from "../../game/loss-meter.js";
import type { SearchOptions, SearchResult } from "../../game/search/search.js";
import type { PlanSurrogate } from "../../storage/plan.js";
import type { AttentionsSearched } from "./critical.js";
import type { Session } from "../session/session.js";
import type { Evidence } from "./evidence.js";
import type { ChoosingSettings } from "../../api/options/settings.js";

/** A set that a method proposes. */
export interface ProposedSet {
	readonly removed: readonly number[];
	/** Who proposes it. */
	readonly method: string;
}

/** What a method found. */
export interface Choices {
	/** The method's own sets, one a number of removed blocks. */
	found: SearchResult;
	/** Further sets that the race decides between. */
	rivals: ProposedSet[];
	/** Missing where the method says nothing of single blocks. */
	contributions?: Attribution;
	/** What shifted pairs add alone, those that were measured, in order. Missing for methods on whole blocks. */
	shiftedPairs?: readonly ShiftedPairCost[];
	/** What shifted pairs contribute, as far as it was asked for and is known, in order. */
	shiftedImportance?: readonly ShiftedPairImportance[];
	surrogate?: PlanSurrogate;
	/** What a surrogate says beside its sets and contributions. */
	evidence?: Evidence;
	/** Missing where blocks were searched. Otherwise critical blocks are those whose attention part is critical. */
	attentions?: AttentionsSearched;
	/** What was removed, where that is not what was asked for. */
	granularity?: GranularityUsed;
	/** Distinct masks measured. */
	masks: number;
	/** Passes of the original model over the search split that were no masks. @default 0 */
	passes?: number;
}

/** What a method gets: where it plays, and what is asked of it. */
export interface SelectionContext {
	readonly session: Session;
	/** The game on the search split. */
	readonly game: Game;
	/** With a meter on that game. */
	readonly search: SearchOptions & { readonly meter: LossMeter };
	/** Sizes asked for, ascending; the others need not be found. */
	readonly counts: readonly number[];
	readonly options: ChoosingSettings;
	/** Whether to measure more masks only to say how good a surrogate is. */
	readonly judged: boolean;
	/** Whether the importance of shifted pairs is asked for, where they are searched. */
	readonly ranking: boolean;
}
