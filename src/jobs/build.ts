import type { BuildOptions, BuildResult } from "../api/build.js";
import { compileAddon } from "../model/runtime/build.js";
import { checkKeys } from "../pipeline/preflight/option-keys.js";

/**
 * Compiles the addon with the vendored llama.cpp; with nothing changed it takes seconds.
 * @throws InvalidOptionError for names that it does not read
 * @throws BuildError with what to install, or with the compiler's last lines
 */
export async function buildAddon(options: BuildOptions = {}): Promise<BuildResult> {
	checkKeys("build", options);
	return compileAddon(options);
}
