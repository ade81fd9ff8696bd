// The original model's distributions on the splits of a session, which others are compared with.
import { Coalition } from "../../game/coalition.js";
import type { Calibration, SplitName } from "../../model/calibration/index.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Reference, ScoredPositions } from "../../model/runtime/positions.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import type { LedgerEvaluateOptions } from "../../storage/ledger-game.js";
import type { SessionSettings } from "../../api/options/settings.js";
import { mostReferenceBytes } from "../preflight/reference-memory.js";
import type { ScoredWindows } from "./batch-evaluation.js";
import { Once } from "./once.js";
import { scoredOf } from "./scored-splits.js";

type Run = Pick<LedgerEvaluateOptions, "signal">;

/** They are the model's own, also where the search runs on a copy. */
export class SplitReferences {
	readonly #made = new Once<string, Reference>();
	readonly #calibration: Calibration;
	readonly #evaluator: () => Evaluator;
	readonly #options: SessionSettings;

	/** @param evaluator of the model itself, asked for when the first is made */
	constructor(calibration: Calibration, evaluator: () => Evaluator, options: SessionSettings) {
		this.#calibration = calibration;
		this.#evaluator = evaluator;
		this.#options = options;
	}

	/** Made once for each split. @param positions those that count, where they are drawn */
	of(split: SplitName, run: Run = {}, positions?: ScoredPositions): Promise<Reference> {
		const name = positions ? drawn(split) : split;
		const scored = positions ? { positions } : scoredOf(split, this.#options);
		return this.#made.get(name, () => this.make(this.#calibration.splits[split], run, scored));
	}

	/** Of any windows, and not kept. */
	make(windows: TokenWindows, { signal }: Run, scored: Pick<ScoredWindows, "positions" | "scoreFrom"> = {}): Promise<Reference> {
		const evaluator = this.#evaluator();
		const how = { signal: signal ?? this.#options.signal, ...scored, maxBytes: mostReferenceBytes(this.#options) };
		return evaluator.createReference(Coalition.full(evaluator.model.facts.blocks), windows, how);
	}

	/** Whether they are made already, or being made. */
	has(split: SplitName): boolean {
		return this.#made.has(split);
	}

	forget(split: SplitName): void {
		this.#made.forget(split);
	}

	/** Those of drawn positions of a split. */
	forgetDrawn(split: SplitName): void {
		this.#made.forget(drawn(split));
	}
}

const drawn = (split: SplitName) => `${split}, drawn`;
