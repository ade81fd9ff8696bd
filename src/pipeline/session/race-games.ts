// What races of a session measure: the validation split, further text of its kind, and by what sets are compared.
import type { Calibration } from "../../model/calibration/index.js";
import { furtherOf, onSelfGenerated } from "./calibration-windows.js";
import { logger } from "../../api/logger.js";
import { metricOf } from "../preflight/metric.js";
import { Once } from "./once.js";
import { noRoomFor, predicting } from "../preflight/reference-memory.js";
import { neededBesideWeights } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { bytesOfReference } from "../../model/runtime/positions.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import type { SessionSettings } from "../../api/options/settings.js";

interface RaceSetting {
	readonly model: Model;
	/** Of the model's runs. */
	readonly folder: string;
	readonly calibration: Calibration;
	readonly options: SessionSettings;
	/** Memory for hidden states that measuring a part may take, bytes. */
	readonly stateBytes: number;
	/** By the metric. */
	readonly validation: LedgerGame;
	/** The validation split with the figure `divergence`. */
	readonly compared: () => Promise<LedgerGame>;
	/** Frees what is kept to compare the validation split with. */
	readonly release: () => void;
	/** A game on other windows, measured as one of these two. */
	readonly make: (windows: TokenWindows, byDivergence: boolean) => Promise<LedgerGame>;
}

export class RaceGames {
	readonly #setting: RaceSetting;
	readonly #hashes: string[] = [];
	readonly #further: (part: number) => Promise<LedgerGame | undefined>;
	#byDivergence: Promise<boolean> | undefined;

	constructor(setting: RaceSetting) {
		this.#setting = setting;
		const { model, folder, calibration, options, make } = setting;
		const text = furtherOf(model, folder, calibration, options);
		// A ledger is opened once: several races of a session share the games.
		const games = new Once<number, LedgerGame | undefined>();
		this.#further = (part) =>
			games.get(part, async () => {
				const windows = await text(part);
				if (!windows) return undefined;
				this.#hashes[part] = hashWindows(windows);
				return make(windows, await this.#racesByDivergence());
			});
	}

	/** A part (from 0) of more text of the validation split's kind and size; undefined where there is no more, and of questions. */
	async further(part: number): Promise<LedgerGame | undefined> {
		return metricOf(this.#setting.options) === "accuracy" ? undefined : this.#further(part);
	}

	/** SHA-256 over the tokens of a part that was asked for. */
	hashOf(part: number): string {
		return this.#hashes[part]!;
	}

	/**
	 * What is measured first: the validation split. Where the text is the model's own and the loss the metric, races go by the divergence
	 * from the original model, a figure of what is measured then; not where the distributions for it find no room.
	 */
	async first(): Promise<{ readonly game: LedgerGame; readonly byDivergence: boolean }> {
		const { validation, compared } = this.#setting;
		const byDivergence = await this.#racesByDivergence();
		return { game: byDivergence ? await compared() : validation, byDivergence };
	}

	/** Frees what only a race needs. */
	end(): void {
		this.#setting.release();
	}

	/** Decided when a race first asks, by the memory that is free then; kept for all races of the session. */
	#racesByDivergence(): Promise<boolean> {
		this.#byDivergence ??= this.#decide();
		return this.#byDivergence;
	}

	async #decide(): Promise<boolean> {
		const { model, calibration, options } = this.#setting;
		if (metricOf(options) !== "loss" || !onSelfGenerated(options)) return false;
		const bytes = bytesOfReference(predicting(calibration.splits.validation), model.facts.vocabulary);
		// One of the split, or of a part of further text, while the one before is not freed yet, beside what measuring takes.
		const { count: windows, length: windowLength } = calibration.splits.validation;
		const measuring = neededBesideWeights(model.file, { windows, windowLength, stateBytes: this.#setting.stateBytes });
		const why = noRoomFor({ bytes, copies: 2, measuring }, options);
		if (why !== undefined) logger(options)("note", `finalists are compared by loss, not by KL divergence, which varies less: ${why}`);
		return why === undefined;
	}
}
