// How fast a model reads a prompt: what the time of a run is compared with.
import type { JobOptions } from "../../api/index.js";
import type { Model } from "../../model/runtime/model.js";
import { runSpeed, type SpeedShape } from "../../model/runtime/speed.js";
import { median, probeWithin, shapeWithin } from "./figures.js";
import { speedPhase } from "./speed.js";

/** The seconds that a pair of models may take, which have more repetitions: this takes a fifth of it at most. */
const wished = 16;

/**
 * Tokens a second in which a model reads a prompt, measured as llama-bench does: on a prompt of 512 tokens, or of fewer where it is slow.
 * @throws as `runSpeed`
 */
export async function promptSpeed(model: Model, { signal, progress }: JobOptions): Promise<number> {
	const { contextLength } = model.facts;
	progress?.work({ phase: speedPhase, done: 0, total: 0, unit: "percent" });
	const measure = async (shape: SpeedShape) => (await runSpeed([{ model }], { ...shape, context: 1, threads: model.threads, signal }))[0]!;
	const short = probeWithin(contextLength);
	const probe = await measure(short);
	const { promptTokens } = shapeWithin(probe, wished, 1, contextLength);
	// A longer prompt is read faster, on a GPU by far.
	if (promptTokens <= short.promptTokens) return short.promptTokens / median(probe.promptSeconds);
	const { promptSeconds } = await measure({ promptTokens, generatedTokens: 1, repetitions: 2 });
	return promptTokens / median(promptSeconds);
}
