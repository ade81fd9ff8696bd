// The open model that a pruned one is made from, and the text that proves it: of a run that measured, and of one that only carries out.
import type { JobOptions } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import { deal, selfGeneratedWindows } from "../../model/calibration/index.js";
import { CalibrationError } from "../../errors.js";
import { Random } from "../../game/random.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { checkFiniteLosses } from "../../model/runtime/finite-loss.js";
import type { Model } from "../../model/runtime/model.js";
import type { Placement } from "../../model/runtime/placement.js";
import type { Reference } from "../../model/runtime/positions.js";
import { makeWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { References } from "../quantizing/reference-logits.js";
import { Once } from "../session/once.js";
import type { MeasuredOriginal } from "../session/paired-figures.js";
import { measureOne, type Session } from "../session/session.js";
import { type Timings, timedIn } from "../session/timings.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { weightsOf } from "./remains.js";
import type { ComparedSettings } from "../../api/options/settings.js";

/** The original model on the windows, and its distributions where they fit memory. */
export interface OriginalFigures {
	readonly full: MeasuredOriginal;
	readonly reference: Reference | undefined;
}

export interface OpenSource {
	readonly weights: ModelWeights;
	readonly model: Model;
	readonly evaluator: Evaluator;
	/** What is written must compute on these what the model computes. */
	readonly windows: TokenWindows;
	/** Where the blocks of the model run: on the CPU every bit of a written file must agree. */
	readonly placement: Placement;
	readonly timings: Timings;
	/**
	 * Losses without these blocks on the windows.
	 * @param asItStands with the matrices that stand in the model now, else with the file's own
	 */
	losses(removed: readonly number[], asItStands: boolean): Promise<Float64Array>;
	/** To hold a quantized model against; measured once. */
	whole(): Promise<OriginalFigures>;
	/** Frees the model. */
	close(): Promise<void>;
}

/** The model of a session, on its held-out split. */
export function sourceOf(session: Session, options: ComparedSettings): OpenSource {
	const { model, evaluator, calibration, texts, timings } = session;
	const { signal } = options;
	const { heldOut } = calibration.splits;
	const weights = weightsOf(session);
	return {
		...{ weights, model, evaluator, timings, windows: heldOut, placement: model.placement },
		losses: (removed, asItStands) => {
			const mask = Coalition.ofRemoved(texts.heldOut.players, removed);
			// The ledger knows the model as it is.
			return asItStands
				? lossesNow(evaluator, mask, heldOut, options)
				: measureOne(texts.heldOut, mask, "measuring the pruned model", signal);
		},
		whole: async () => {
			const [full] = await texts.heldOut.measure([Coalition.full(texts.heldOut.players)], {
				phase: "measuring the original model",
				signal,
			});
			return { full: full!, reference: await new References<"heldOut">(weights, { heldOut }, options, session).of("heldOut") };
		},
		close: () => session.close(),
	};
}

/** Windows that a file written without measuring is verified on. */
export const verification = { count: 4, length: 128 };

/** A loaded model on samples of its own. */
export async function sampledSource(model: Model, weights: ModelWeights, options: ComparedSettings): Promise<OpenSource> {
	const windows = await verificationWindows(model, options);
	const evaluator = model.createEvaluator();
	const full = Coalition.full(model.facts.blocks);
	const originalLosses = () => lossesNow(evaluator, full, windows, options);
	const measured = new Once<"whole", OriginalFigures>();
	const losses = async (removed: readonly number[]) => {
		const found = await lossesNow(evaluator, Coalition.ofRemoved(model.facts.blocks, removed), windows, options);
		// Such a file would be refused for what is not the fault of the blocks.
		if (!found.every(Number.isFinite)) checkFiniteLosses(model.path, await originalLosses());
		return found;
	};
	const asTheyAre = new Once<string, Float64Array>();
	const measureOriginal = async () => {
		const reference = await new References(weights, { verification: windows }, options, evaluator).of("verification");
		const [evaluation] = await evaluator.evaluate([full], windows, { signal: options.signal });
		return { full: evaluation!, reference };
	};
	return {
		...{ weights, model, evaluator, windows, timings: {}, placement: model.placement },
		losses: (removed, asItStands) => (asItStands ? losses(removed) : asTheyAre.get(removed.join(), () => losses(removed))),
		whole: () => measured.get("whole", measureOriginal),
		close: () => model.dispose(),
	};
}

/** Does a step of a run that goes on, or went on, with this model. */
export function timedStep<T>({ timings }: Pick<OpenSource, "timings">, name: string, work: () => Promise<T>): Promise<T> {
	return timedIn(timings, name, work);
}

async function lossesNow(evaluator: Evaluator, mask: Coalition, windows: TokenWindows, { signal }: JobOptions): Promise<Float64Array> {
	const [evaluation] = await evaluator.evaluate([mask], windows, { signal });
	return evaluation!.losses;
}

/** Samples of the model's own. Any tokens where it has nothing to begin one with: file and view must agree on whatever they read. */
async function verificationWindows(model: Model, { signal, progress }: JobOptions): Promise<TokenWindows> {
	const length = Math.min(verification.length, model.facts.contextLength);
	try {
		const onProgress = (done: number, total: number) =>
			progress?.work({ phase: "generating text to verify with", done, total, unit: "tokens" });
		const own = await selfGeneratedWindows(model, { count: verification.count, length, seed: 0, signal, onProgress });
		return deal(own, { search: 0, validation: 0, heldOut: own.count }).heldOut;
	} catch (error) {
		if (!(error instanceof CalibrationError)) throw error;
		const random = new Random(0);
		const tokens = Int32Array.from({ length: verification.count * length }, () => random.integer(model.facts.vocabulary));
		return makeWindows(tokens, length);
	}
}
