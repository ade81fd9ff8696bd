import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the reference tools. */
export const BUILD = fileURLToPath(new URL("../../build/cpu/", import.meta.url));

/** llama.cpp's own maker of small random models (six blocks each, as patched by the build). */
export const GENERATOR = join(BUILD, "test-llama-archs");
export const QUANTIZE = join(BUILD, "llama.cpp", "tools", "quantize", "llama-quantize");

/** Whether the reference tools were built. */
export const hasTools = existsSync(GENERATOR) && existsSync(QUANTIZE);

/**
 * Makes the generator's models of one architecture: none, one, or a dense one and one of experts. The same bytes every time.
 * @param architecture exact name, or a regular expression
 */
export function makeFixtures(architecture: string, folder: string): string[] {
	mkdirSync(folder, { recursive: true });
	const run = spawnSync(GENERATOR, ["-a", architecture, "-s", "1234", "-o", folder], { encoding: "utf8", timeout: 120_000 });
	if (run.status !== 0) throw new Error(`test-llama-archs -a ${architecture} failed: ${run.stderr.slice(-2000)}`);
	return readdirSync(folder)
		.filter((name) => /-(dense|moe)\.gguf$/.test(name))
		.sort()
		.map((name) => join(folder, name));
}
