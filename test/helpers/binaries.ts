import { createHash } from "node:crypto";
import { copyFileSync, cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BinaryFacts } from "../../src/model/runtime/binary/binary-facts.js";
import { llamaPin, packageVersion } from "../../src/model/runtime/paths.js";

const repository = fileURLToPath(new URL("../..", import.meta.url));

// Copies of the addon that cannot be used, each for another reason.

/** Facts of a binary that fits this machine. */
export const fittingFacts: BinaryFacts = {
	...{ name: "here", platform: process.platform, arch: process.arch, libc: null, libcVersion: null, level: "baseline", needs: [] },
	...{ compiler: "made up 1.0", llamaCpp: llamaPin.version, packageVersion, sha256: "0".repeat(64), bytes: 1 },
};

/** Puts a binary into a folder of its own, with what is written beside it. @returns its path */
export function placeBinary(folder: string, bytes: Uint8Array, facts: Partial<BinaryFacts> | undefined): string {
	mkdirSync(folder, { recursive: true });
	const path = join(folder, "prune_gguf.node");
	writeFileSync(path, bytes);
	const sha256 = createHash("sha256").update(bytes).digest("hex");
	if (facts) writeFileSync(join(folder, "binary.json"), JSON.stringify({ ...fittingFacts, sha256, bytes: bytes.length, ...facts }));
	return path;
}

const damage = (await import(new URL("../../scripts/package/damage.mjs", import.meta.url).href)) as {
	readonly canDamage: boolean;
	damaged(addon: string, damage: Damage): Buffer;
};

/** What can be wrong with a copy. */
export type Damage =
	| "cut short"
	| "cut short after its header"
	| "a text"
	| "empty"
	| "of another processor"
	| "of another C library"
	| "with a library that is missing"
	| "with an illegal instruction"
	| "with a write outside its memory"
	| "without an end"
	| "without its entry";

/** Whether such copies can be made here, and the bytes of one. */
export const { canDamage, damaged } = damage;

/** An installed package: what is compiled, and no native part but those that a test puts into `prebuilds/`. */
export function installedPackage(folder: string): string {
	for (const name of ["vendor", "prebuilds"]) mkdirSync(join(folder, name), { recursive: true });
	for (const name of ["package.json", join("vendor", "llama.cpp.json")]) copyFileSync(join(repository, name), join(folder, name));
	cpSync(join(repository, "dist"), join(folder, "dist"), { recursive: true });
	symlinkSync(realpathSync(join(repository, "node_modules")), join(folder, "node_modules"), "junction");
	return folder;
}
