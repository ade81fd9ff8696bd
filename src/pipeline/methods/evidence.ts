import type { PairInteraction } from "../../game/attribution/interactions.js";
import type { Forecast } from "../../game/search/auto.js";

/** What the automatic method learnt on the way, for the report. */
export interface Evidence {
	/** Pairs of blocks, those that stand in for one another first. */
	readonly interactions: readonly PairInteraction[];
	/** Of the sets that it proposed, before they were measured. */
	readonly forecasts: readonly Forecast[];
	/** Whether its proposals were used; undefined where it never got so far. */
	readonly trusted: boolean | undefined;
}
