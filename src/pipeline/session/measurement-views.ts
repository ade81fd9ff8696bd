// In which figures and sources kept measurements are read.
import type { Measurement } from "../../game/game.js";
import type { Calibration, SplitName } from "../../model/calibration/index.js";
import { splitSources } from "./calibration-windows.js";

/** A kept measurement as a game gives it. */
export type MeasurementView = (kept: Measurement) => Measurement;

/** Losses with the sources of their windows, where there are several. */
export function lossView(calibration: Calibration, split: SplitName): MeasurementView | undefined {
	const sources = splitSources(calibration, split);
	return sources && ((kept) => ({ ...kept, sources }));
}

/** The divergence in the place of the loss, which becomes a figure. */
export function divergenceView(calibration: Calibration, split: SplitName): MeasurementView {
	const sources = splitSources(calibration, split);
	return ({ coalition, losses, figures }) => {
		const { divergence, agreement } = figures as { divergence: Float64Array; agreement: Float64Array };
		return { coalition, losses: divergence, figures: { loss: losses, agreement }, sources };
	};
}
