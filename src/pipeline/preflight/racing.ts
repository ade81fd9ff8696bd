// Whether candidates of a search can race window by window.
import { InvalidOptionError } from "../../errors.js";
import type { MetricSettings, SweepSettings, TextSettings } from "../../api/options/settings.js";

/** What decides on it. */
type RacedSettings = Pick<SweepSettings, "racing"> &
	Pick<MetricSettings, "metric" | "questions" | "scoreShare"> &
	Pick<TextSettings, "calibration">;

/**
 * Refuses `racing` where it would do nothing: other first windows than those of one text, scored at all positions, are not like the rest.
 * @throws InvalidOptionError
 */
export function checkRacing({ racing = false, metric = "loss", questions, scoreShare = 1, calibration = [] }: RacedSettings): void {
	if (!racing) return;
	const why = [
		...(questions !== undefined ? ["--questions"] : metric === "loss" ? [] : [`--metric ${metric}`]),
		...(scoreShare === 1 ? [] : ["--score-share"]),
		...(calibration.length > 1 ? ["several --calibration files"] : []),
	];
	if (why.length === 0) return;
	throw new InvalidOptionError(
		`--racing needs the metric loss, scored at all positions of one text: it does nothing with ${why.join(" and ")}. Leave out --racing or ${why.length === 1 ? "that" : "these"}`,
	);
}
