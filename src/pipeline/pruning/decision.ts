import type { Healing } from "../healing/heal-model.js";
import type { RacedHealed } from "../healing/race.js";

/** What a run decided: the set that is taken, among the sets that it knows. */
export interface Decision extends RacedHealed {
	/** New matrices for the chosen set, where a limit on the healed model decided it. */
	readonly healing?: Healing | undefined;
}
