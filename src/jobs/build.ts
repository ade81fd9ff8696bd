import type { BuildOptions, BuildResult } from "../api/build.js";
import { type BuildStep, compileAddon } from "../model/runtime/build.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { checkKeys } from "../pipeline/preflight/option-keys.js";
import { RunProgress } from "../pipeline/progress/run-progress.js";

/**
 * Compiles the addon with the vendored llama.cpp; with nothing changed it takes seconds.
 * @throws InvalidOptionError for names that it does not read
 * @throws BuildError with what to install, or with the compiler's last lines
 */
export async function buildAddon(options: BuildOptions = {}): Promise<BuildResult> {
	checkCall("build", {}, options);
	checkKeys("build", options);
	const { onProgress, ...build } = options;
	const progress = new RunProgress({ onProgress }, ["Building"]);
	const onStep = ({ step, fraction }: BuildStep) =>
		progress.work({ phase: step, done: Math.round(100 * fraction), total: 100, unit: "percent" });
	return compileAddon({ ...build, onStep });
}
