// What one model costs beside another on the same windows: the same figures whatever was done to it.
import type { Measurement } from "../../game/game.js";
import type { SourceShare } from "../../game/sources.js";
import { differences, finite, meanAndError, studentT95 } from "../../game/statistics.js";
import type { MeanAndError, ModelFigures } from "../../storage/plan-quantized.js";

/** What was measured of a model: its losses, and `divergence` and `agreement` where there was a reference. */
export type Measured = Pick<Measurement, "losses" | "figures">;

/** The original model that others are held against, and where the text comes from, where there are several sources. */
export type MeasuredOriginal = Pick<Measurement, "losses" | "figures" | "sources">;

export function finiteMean(values: ArrayLike<number>, sources?: readonly SourceShare[]): MeanAndError {
	const { mean, standardError = Number.NaN } = meanAndError(values, sources);
	return { mean: finite(mean), standardError: finite(standardError) };
}

/** Loss of the second less loss of the first, paired by window. */
export function pairedDifference(first: Measured, second: Measured, sources?: readonly SourceShare[]): MeanAndError {
	return finiteMean(differences(second.losses, first.losses), sources);
}

export function figuresOf(measured: Measured, reference: Measured, sources?: readonly SourceShare[]): ModelFigures {
	const figure = (name: string) => {
		const values = measured.figures?.[name];
		return values ? finiteMean(values, sources) : null;
	};
	return {
		loss: finiteMean(measured.losses, sources),
		added: pairedDifference(reference, measured, sources),
		divergence: figure("divergence"),
		agreement: figure("agreement"),
	};
}

/**
 * Which of two losses is lower by the 95 % interval of their difference (second less first); undefined where it holds 0, or is not
 * known.
 * @param windows that the difference was taken over
 */
export function lower({ mean, standardError }: MeanAndError, windows: number): "first" | "second" | undefined {
	if (mean === null || standardError === null || windows < 2) return undefined;
	const half = studentT95(windows - 1) * standardError;
	if (Math.abs(mean) <= half) return undefined;
	return mean > 0 ? "first" : "second";
}
