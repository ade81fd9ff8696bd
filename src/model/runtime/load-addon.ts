import { createRequire } from "node:module";
import { AddonNotFoundError, BuildError } from "../../errors.js";
import type { Addon } from "./addon.js";
import { misfitOf } from "./binary/binary-facts.js";
import { type BinaryKind, binaryPlaces, candidatesIn } from "./binary/candidates.js";
import { type BinaryChoice, chooseBinary, type PassedOver } from "./binary/choose.js";
import { forget } from "./binary/probed.js";
import { System, type SystemFacts } from "./binary/system.js";
import { type BuildStep, compileAddon } from "./build.js";
import { isChild } from "./child.js";

/** The binary that this process has loaded. */
export interface LoadedBinary {
	readonly path: string;
	/** `linux-x64-avx2`, `built-cpu`, or the name of the file that `PRUNE_GGUF_ADDON` names. */
	readonly name: string;
	readonly kind: BinaryKind;
	/** Instructions that it was compiled for: `baseline`, `avx2`, `avx512`, `native`, ..., or `unknown`. */
	readonly level: string;
	readonly compiler: string;
	/** Of the file. */
	readonly sha256: string;
	/** Those that would have been preferred, and why they are not used. */
	readonly passedOver: readonly PassedOver[];
	readonly system: SystemFacts;
}

let loaded: { readonly addon: Addon; readonly binary: LoadedBinary } | undefined;

/** Frees the memory that an idle model keeps for its next measurement, if an addon is loaded. */
export function giveUpContexts(): void {
	loaded?.addon.giveUpContexts();
}

/** The binary that is loaded. @throws Error if none is: a fault of the caller */
export function loadedBinary(): LoadedBinary {
	if (!loaded) throw new Error("no binary is loaded");
	return loaded.binary;
}

/** Path of the binary that is loaded, or of the one to try first, as far as can be told without trying; undefined if there is none. */
export function findAddon(): string | undefined {
	if (loaded) return loaded.binary.path;
	const system = new System();
	const fits = candidatesIn(binaryPlaces()).find(({ kind, facts }) => kind === "named" || (facts && !misfitOf(facts, system)));
	return fits?.path;
}

/** How the addon is loaded. */
export interface LoadAddonOptions {
	/** Whether to build one if none can be used. @default true */
	readonly build?: boolean | undefined;
	readonly onBuildProgress?: ((step: BuildStep) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Loads the first binary that can be used, each tried in a process of its own before; if there is none, it is built.
 * @throws AddonNotFoundError if the one that `PRUNE_GGUF_ADDON` names cannot be used, or none can and `build` is false
 * @throws BuildError if building fails
 */
export async function loadAddon(options: LoadAddonOptions = {}): Promise<Addon> {
	const named = Boolean(process.env.PRUNE_GGUF_ADDON);
	const first = await loadPatiently(options);
	if ("addon" in first) return first.addon;
	if (named || options.build === false) throw notUsable(first.passedOver);
	await buildInstead(first.passedOver, options);
	const built = await loadPatiently(options);
	if ("addon" in built) return built.addon;
	throw notUsable(built.passedOver);
}

/** On a busy machine the first trial may take too long: before none counts as usable, those get more time. */
async function loadPatiently(options: LoadAddonOptions): Promise<{ readonly addon: Addon } | BinaryChoice> {
	const first = await loadFirst(options, false);
	return "addon" in first || !first.passedOver.some(({ late }) => late) ? first : loadFirst(options, true);
}

/** Loads the first one that can be used and does load. @param patient whether those that did not answer before are tried again, with more time */
async function loadFirst({ signal }: LoadAddonOptions, patient: boolean): Promise<{ readonly addon: Addon } | BinaryChoice> {
	const failed = new Map<string, string>();
	for (;;) {
		if (loaded) return loaded;
		const choice = await chooseBinary({ failed, signal, patient, unprobed: isChild() });
		if (!choice.chosen) return choice;
		const { candidate, key } = choice.chosen;
		try {
			loaded ??= take(choice, choice.chosen);
			return loaded;
		} catch (error) {
			// It passed once, on a system that was another then.
			await forget(key);
			failed.set(candidate.path, (error as Error).message);
		}
	}
}

function take({ passedOver, system }: BinaryChoice, chosen: NonNullable<BinaryChoice["chosen"]>): NonNullable<typeof loaded> {
	const { candidate, sha256 } = chosen;
	const { path, name, kind } = candidate;
	const addon = createRequire(import.meta.url)(path) as Addon;
	if (typeof addon.giveUpContexts !== "function") throw new Error("it was built from the sources of another version");
	// process.exit() would destroy llama.cpp's static data while a thread still computes with it.
	process.once("exit", () => addon.stopJobs());
	// What is written beside a file that was named may be of another one.
	const facts = candidate.facts?.sha256 === sha256 ? candidate.facts : undefined;
	const level = chosen.level ?? facts?.level ?? "unknown";
	const compiler = chosen.compiler ?? facts?.compiler ?? "unknown";
	return { addon, binary: { path, name: facts?.name ?? name, kind, level, compiler, sha256, passedOver, system } };
}

function notUsable(passedOver: readonly PassedOver[]): AddonNotFoundError {
	const [only] = passedOver;
	if (only?.candidate.kind === "named")
		return new AddonNotFoundError(
			`the native addon ${only.candidate.path} does not load: ${only.reason}\nPRUNE_GGUF_ADDON names it, so no other is tried: correct or unset it.`,
		);
	return new AddonNotFoundError(
		`the native addon is not there. Tried:\n${linesOf(passedOver)}\nBuild it with: npx prune-gguf build\nWhat is missing: npx prune-gguf doctor`,
	);
}

const linesOf = (passedOver: readonly PassedOver[]): string =>
	passedOver.length === 0 ? "  nothing" : passedOver.map(({ candidate, reason }) => `  ${candidate.name}: ${reason}`).join("\n");

/** Builds one, and says in an error also why no other could be used. */
async function buildInstead(passedOver: readonly PassedOver[], { onBuildProgress, signal }: LoadAddonOptions): Promise<void> {
	try {
		await compileAddon({ asked: false, onStep: onBuildProgress, signal });
	} catch (cause) {
		if (!(cause instanceof BuildError) || passedOver.length === 0) throw cause;
		const why = `None of the binaries that are there can be used:\n${linesOf(passedOver)}\nMore about it: npx prune-gguf doctor`;
		throw new BuildError(`${cause.message}\n${why}`, { cause: cause.cause ?? cause });
	}
}
