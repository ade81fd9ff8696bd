// What a session leaves: plain data, taken while it is open, for what is done after it was closed.
import type { Calibration } from "../../model/calibration/index.js";
import { splitSources } from "../session/calibration-windows.js";
import type { Session } from "../session/session.js";
import type { Timings } from "../session/timings.js";
import type { ModelWeights } from "../writing/quantize-weights.js";

/** What outlives a session. */
export interface Remains extends Pick<Session, "folder" | "seed" | "settings" | "metric"> {
	readonly weights: ModelWeights;
	/** That the model was measured with. */
	readonly threads: number;
	/** Windows of the held-out split, and where they come from if there are several sources. */
	readonly windows: Calibration["splits"]["heldOut"];
	readonly sources: ReturnType<typeof splitSources>;
	/** Timings of the run: what is done later is added. */
	readonly timings: Timings;
}

export function remainsOf(session: Session): Remains {
	const { folder, seed, settings, metric, calibration, evaluator, timings } = session;
	return {
		...{ folder, seed, settings, metric, timings },
		weights: weightsOf(session),
		threads: evaluator.threads,
		windows: calibration.splits.heldOut,
		sources: splitSources(calibration, "heldOut"),
	};
}

/** The model of a session as weights to quantize. */
export function weightsOf({ model, sha256 }: Session): ModelWeights {
	return { path: model.path, file: model.file, blocks: model.blocks, sha256 };
}
