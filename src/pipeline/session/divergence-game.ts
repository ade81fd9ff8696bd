// A search on text of the model's own, measured by the divergence from the original model.
import type { Calibration } from "../../model/calibration/index.js";
import { Coalition } from "../../game/coalition.js";
import type { BatchOptions, Measurement } from "../../game/game.js";
import { logger } from "../../api/logger.js";
import { wantsDivergence } from "./calibration-windows.js";
import { noRoomFor, predicting } from "../preflight/reference-memory.js";
import { neededBesideWeights } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { bytesOfReference } from "../../model/runtime/positions.js";
import { LedgerGame, type LedgerGameOptions } from "../../storage/ledger-game.js";
import type { SessionSettings } from "../../api/options/settings.js";

/**
 * Plays the loss of the original model plus the divergence from it, nats per token and window. On text that the original model wrote that is
 * what the loss comes to in the mean, and it differs less from window to window (docs/research/calibration-studies.md). The loss of
 * a candidate itself is the figure `loss`. The ledger keeps both.
 */
export class DivergenceGame extends LedgerGame {
	constructor(options: LedgerGameOptions) {
		const full = Coalition.full(options.ledger.header.players);
		super({
			...options,
			view: ({ coalition, losses, figures }) => {
				const original = options.ledger.get(full)!.losses;
				const added = figures!.divergence!;
				return { coalition, losses: original.map((loss, window) => loss + added[window]!), figures: { loss: losses } };
			},
		});
	}

	/** The original model is measured before all else. */
	override async measure(coalitions: readonly Coalition[], options: BatchOptions = {}): Promise<Measurement[]> {
		const full = Coalition.full(this.players);
		if (!this.ledger.get(full) && coalitions.some((coalition) => !coalition.isFull)) await super.measure([full], options);
		return super.measure(coalitions, options);
	}
}

/** What a session measures on, as far as the search is concerned. */
interface Material {
	readonly calibration: Calibration;
	readonly stateBytes: number;
}

/** Whether the search goes by the divergence: it is to, and the original model's distributions find room beside what measuring takes. A note says if not. */
export function searchesByDivergence(model: Model, { calibration, stateBytes }: Material, options: SessionSettings): boolean {
	if (!wantsDivergence(options)) return false;
	const { search } = calibration.splits;
	const bytes = bytesOfReference(predicting(search), model.facts.vocabulary);
	const measuring = neededBesideWeights(model.file, { windows: search.count, windowLength: search.length, stateBytes });
	const why = noRoomFor({ bytes, copies: 1, measuring }, options);
	if (why !== undefined) logger(options)("note", `the search goes by the loss, not by the KL divergence, which varies less: ${why}`);
	return why === undefined;
}
