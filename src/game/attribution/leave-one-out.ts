import { Coalition } from "../coalition.js";
import type { Game, BatchOptions } from "../game.js";
import { LossMeter } from "../loss-meter.js";
import { disjointMovesOf } from "../moves.js";
import { type Attribution, perBlock } from "./attribution.js";

export interface LeaveOneOutOptions extends BatchOptions {
	/** Blocks that are removed together. @default each block alone */
	readonly units?: readonly (readonly number[])[];
	/** `value`: v(N) - v(N without i); `loss`: the added nats per token. @default "value" */
	readonly scale?: "value" | "loss";
}

/** What each block costs when it alone is removed. NaN for a block that the game does not allow to remove alone. */
export async function leaveOneOutContributions(game: Game, options: LeaveOneOutOptions = {}): Promise<Attribution> {
	const { scale = "value" } = options;
	const moves = disjointMovesOf(game, options.units).filter((move) => game.allows(Coalition.ofRemoved(game.players, move)));
	const meter = new LossMeter(game, { phase: "leave-one-out", ...options });
	const added = await meter.addedLosses(moves.map((move) => Coalition.ofRemoved(game.players, move)));
	const perMove = added.map((loss) => (scale === "loss" ? loss : 1 - Math.exp(-loss)));
	return { estimator: "leave-one-out", contributions: perBlock(game.players, moves, perMove), scale, masks: meter.measured, settings: {} };
}
