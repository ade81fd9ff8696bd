import type { PruneOptions } from "../../api/index.js";
import { weightedFiles } from "../../model/calibration/index.js";
import { blocksArgument } from "../../report/format.js";

/** The command that does the same as a call. */
export function commandLine(model: string, output: string | undefined, options: PruneOptions): string {
	const parts = ["prune-gguf", quoted(model)];
	if (output !== undefined) parts.push(quoted(output));
	const flag = (name: string, value: number | string | undefined) => {
		if (value !== undefined) parts.push(`--${name}`, quoted(String(value)));
	};
	flag("remove-blocks", options.removeBlocks);
	flag("remove-fraction", options.removeFraction === undefined ? undefined : `${options.removeFraction * 100}%`);
	flag("remove", options.remove && blocksArgument(options.remove));
	flag("target-size", options.targetSize);
	flag("max-ppl-ratio", options.maxPplRatio);
	flag("max-kl", options.maxKl);
	for (const [name, share] of Object.entries(options.minAccuracy ?? {})) flag("min-accuracy", `${name}=${share}`);
	for (const path of options.gateQuestions ?? []) flag("gate-questions", path);
	if (options.ignoreGate) parts.push("--ignore-gate");
	flag("method", options.method);
	flag("masks", options.masks);
	flag("effort", options.effort);
	flag("max-time", options.maxTime);
	flag("max-tokens", options.maxTokens);
	flag("strata", options.strata?.join(","));
	flag("strata-preset", options.strataPreset);
	flag("attribution-masks", options.attributionMasks);
	flag("epochs", options.epochs);
	flag("rounds", options.rounds);
	for (const { path, weight } of weightedFiles(options.calibration ?? [])) flag("calibration", weight === 1 ? path : `${path}=${weight}`);
	flag("objective", options.objective);
	flag("questions", options.questions);
	flag("limit", options.limit);
	flag("windows", options.windows);
	flag("window-length", options.windowLength);
	flag("seed", options.seed);
	flag("threads", options.threads);
	flag("gpu-layers", options.gpuLayers);
	flag("working-weights", options.workingWeights);
	flag("ubatch", options.ubatch);
	flag("score-share", options.scoreShare === 1 ? undefined : options.scoreShare);
	flag("state-type", options.stateType);
	flag("state-bytes", options.stateBytes);
	flag("reference-bytes", options.referenceBytes);
	if (options.heal !== undefined) parts.push(options.heal ? "--heal" : "--no-heal");
	flag("heal-tokens", options.healTokens);
	flag("heal-time", options.healTime);
	flag("heal-kind", options.healKind);
	flag("heal-type", options.healType);
	if (options.healHeads) parts.push("--heal-heads");
	flag("quantize", options.quantize);
	flag("quantize-from", options.quantizeFrom);
	if (options.speed !== undefined) parts.push(options.speed ? "--speed" : "--no-speed");
	if (options.samples === 0) parts.push("--no-samples");
	else flag("samples", options.samples);
	if (options.quantizedAlternatives) parts.push("--quantized-alternatives");
	if (options.allowUnknownArchitecture) parts.push("--allow-unknown-architecture");
	if (options.overwrite) parts.push("--overwrite");
	return parts.join(" ");
}

/** A word for a shell. */
export function quoted(word: string): string {
	return /^[\w@%+=:,./\\-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
