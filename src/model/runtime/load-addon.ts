import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { AddonNotFoundError } from "../../errors.js";
import type { Addon } from "./addon.js";
import { type BuildStep, compileAddon } from "./build.js";
import { backends, buildRoot, builtAddon, packageRoot } from "./paths.js";

let loaded: Addon | undefined;

/** Frees the memory that an idle model keeps for its next measurement, if an addon is loaded. */
export function giveUpContexts(): void {
	loaded?.giveUpContexts();
}

/** Path of the addon to load, or undefined: `PRUNE_GGUF_ADDON`, a prebuilt one, or the last one built here. */
export function findAddon(): string | undefined {
	return candidates().find((path) => existsSync(path));
}

function candidates(): string[] {
	const explicit = process.env.PRUNE_GGUF_ADDON;
	// Relative to the working folder, as in the shell: require() would take a relative path for the name of a package.
	if (explicit) return [resolve(explicit)];
	const active = join(buildRoot(), "active.json");
	const chosen = existsSync(active) ? [(JSON.parse(readFileSync(active, "utf8")) as { backend: (typeof backends)[number] }).backend] : [];
	return [
		join(packageRoot, "prebuilds", `${process.platform}-${process.arch}`, "prune_gguf.node"),
		...[...new Set([...chosen, ...backends])].map((backend) => builtAddon(backend)),
	];
}

/**
 * Loads the addon, building it first if there is none.
 * @throws AddonNotFoundError if an addon exists but does not load, or none exists and `build` is false
 * @throws BuildError if building fails
 */
export async function loadAddon(
	options: { build?: boolean; onBuildProgress?: ((step: BuildStep) => void) | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Addon> {
	if (loaded) return loaded;
	let path = findAddon();
	if (!path) {
		if (process.env.PRUNE_GGUF_ADDON || options.build === false) {
			throw new AddonNotFoundError(
				`the native addon is not there. Tried:\n${candidates()
					.map((tried) => `  ${tried}`)
					.join("\n")}\nBuild it with: npx prune-gguf build`,
			);
		}
		path = (await compileAddon({ onStep: options.onBuildProgress, signal: options.signal })).addon;
	}
	try {
		const addon = createRequire(import.meta.url)(path) as Addon;
		if (typeof addon.giveUpContexts !== "function") throw new Error("it was built from the sources of another version");
		// process.exit() would destroy llama.cpp's static data while a thread still computes with it.
		process.once("exit", () => addon.stopJobs());
		loaded = addon;
	} catch (cause) {
		throw new AddonNotFoundError(
			`the native addon ${path} does not load: ${(cause as Error).message}\nBuild it again with: npx prune-gguf build`,
			{ cause },
		);
	}
	return loaded;
}
