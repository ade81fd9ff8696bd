// What the races of a session measure with: the search's copy of the model where there is one, else the model itself.
import type { Calibration } from "../../model/calibration/index.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Model } from "../../model/runtime/model.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { copyBytes } from "../../model/runtime/working-copy.js";
import type { Ledger } from "../../storage/ledger.js";
import type { LedgerEvaluateOptions, LedgerGame } from "../../storage/ledger-game.js";
import type { SessionSettings } from "../../api/options/settings.js";
import { divergenceView, lossView, type MeasurementView } from "./measurement-views.js";
import { type SplitMetric, windowsMetric } from "./metrics.js";
import { Once } from "./once.js";
import { type RaceCopy, RaceGames, type RaceWay } from "./race-games.js";
import { scoredOf } from "./scored-splits.js";
import type { SearchSetup } from "./search-ledger.js";
import type { SplitReferences } from "./split-references.js";
import { usualCopies } from "./working-weights.js";

/** What is open in a session. */
interface RaceMaterial {
	readonly model: Model;
	/** Of the model's runs. */
	readonly folder: string;
	readonly calibration: Calibration;
	readonly options: SessionSettings;
	/** Memory for hidden states, bytes. */
	readonly stateBytes: number;
	/** Whether the metric is the divergence. */
	readonly kl: boolean;
	/** Whether the metric is the accuracy on questions. */
	readonly asks: boolean;
	readonly setup: SearchSetup;
	readonly references: SplitReferences;
	/** The validation split, measured on the model itself. */
	readonly validation: LedgerGame;
	/** The same with the figure `divergence`. */
	readonly compared: () => Promise<LedgerGame>;
	/** Of the model itself. */
	readonly own: () => Promise<Evaluator>;
	/** @param copied settings of the search, where this is measured on its copy of the model */
	readonly open: (splitMetric: SplitMetric, compared: boolean, copied?: SearchSetup["settings"]) => Promise<Ledger>;
	readonly game: (
		ledger: Ledger,
		splitMetric: SplitMetric,
		evaluator: () => Promise<Evaluator>,
		view: MeasurementView | undefined,
	) => LedgerGame;
}

export function openRaces(material: RaceMaterial): RaceGames {
	const { model, folder, calibration, options, stateBytes, kl, setup, references, validation, compared } = material;
	const scored = scoredOf("validation", options);
	type References = (run: LedgerEvaluateOptions) => ReturnType<SplitReferences["of"]>;
	const gameOn = async (windows: TokenWindows, made: References, { byDivergence, onCopy }: RaceWay) => {
		const withFigures = kl || byDivergence;
		const splitMetric = windowsMetric(windows, options, withFigures ? made : undefined, scored);
		const ledger = await material.open(splitMetric, withFigures, onCopy ? setup.settings : undefined);
		const view = kl ? divergenceView(calibration, "validation") : lossView(calibration, "validation");
		return material.game(ledger, splitMetric, onCopy ? () => setup.evaluator() : material.own, view);
	};
	const copied = new Once<"split", LedgerGame>();
	return new RaceGames({
		...{ model, folder, calibration, options, stateBytes, copy: copyForRaces(material) },
		split: async (way) => {
			if (!way.onCopy) return way.byDivergence ? compared() : validation;
			return copied.get("split", () => gameOn(calibration.splits.validation, (run) => references.of("validation", run), way));
		},
		release: () => {
			if (!kl) references.forget("validation");
		},
		// Distributions on further text are not kept: as large as those on the validation split, and a part is measured once a race.
		make: (windows, way) => gameOn(windows, (run) => references.make(windows, run, scored), way),
	});
}

/**
 * The search's copy of the model, if its type keeps the order of candidates. Races need hidden states in full precision, and questions are
 * measured on the model itself.
 */
function copyForRaces({ model, options, asks, setup }: RaceMaterial): RaceCopy | undefined {
	const type = usualCopies.find((one) => one === setup.settings.weights);
	if (!type || asks || (options.stateType ?? "F32") !== "F32") return undefined;
	return { missingBytes: () => (setup.hasCopy() ? 0 : copyBytes(model, type)), close: setup.close };
}
