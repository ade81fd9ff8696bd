import type { PairInteraction } from "../../game/attribution/interactions.js";
import type { Forecast } from "../../game/search/auto.js";

/** What the automatic method learned on the way, for the report. */
export interface Evidence {
	/** Pairs of blocks, the redundant ones first. */
	readonly interactions: readonly PairInteraction[];
	/** Forecasts for the sets that it proposed, before they were measured. */
	readonly forecasts: readonly Forecast[];
	/** Whether its proposals were used; undefined where it never got so far. */
	readonly trusted: boolean | undefined;
	/** With attention parts: how many blocks go beside them, and the loss that these add. The forecasts count from there. */
	readonly beside?: { readonly blocks: number; readonly added: number };
}
