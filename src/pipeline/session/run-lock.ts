// One run at a time measures a model on a text.
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { weightedFiles } from "../../model/calibration/index.js";
import { defaultThreads } from "../../model/runtime/threads.js";
import { hashOf } from "../../storage/hash.js";
import { type Lock, lockFile } from "../../storage/lock.js";
import { runLockPath } from "../../storage/runs.js";
import { metricOf } from "../preflight/metric.js";
import { mixKey } from "./cached-samples.js";
import { splitCounts, onSelfGenerated } from "./calibration-windows.js";
import type { SessionSettings } from "../../api/options/settings.js";

/**
 * Held until the session is closed: a run that would measure on the same text learns that it has to wait before it loads the model and
 * draws its text, by which the ledgers with their own locks are named.
 * @throws FileError where another live process holds it
 */
export async function lockRun(folder: string, seed: number, options: SessionSettings): Promise<Lock> {
	return lockFile(runLockPath(folder, await runKey(seed, options)));
}

/** The same for runs that share ledgers, however their options are written. */
export async function runKey(seed: number, options: SessionSettings): Promise<string> {
	const { threads = defaultThreads(), gpuLayers, devices, splitMode, rpc, calibration = [], questions } = options;
	const files = await Promise.all(weightedFiles(calibration).map(({ path }) => realOf(path)));
	const asked = questions === undefined ? undefined : await realOf(questions);
	// A user's text is cut the same for every seed, and questions are dealt the same.
	const drawn = onSelfGenerated(options) && asked === undefined ? { seed, mix: mixKey(options.selfText) } : {};
	const kl = metricOf(options) === "kl";
	return hashOf([splitCounts(options), drawn, { threads, gpuLayers, devices, splitMode, rpc, files, asked, kl }]);
}

/** One name of a file, through links. */
function realOf(path: string): Promise<string> {
	return realpath(path).catch(() => resolve(path));
}
