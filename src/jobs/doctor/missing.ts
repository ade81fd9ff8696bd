// What is missing on a machine, and the command that brings it.
import { existsSync } from "node:fs";
import type { DoctorBackend, DoctorFolder, DoctorMissing, DoctorResult } from "../../api/doctor.js";
import type { Examination } from "../../model/runtime/binary/examine.js";
import { defaultBackend } from "../../model/runtime/build.js";
import { buildBytes } from "../../model/runtime/build-folder.js";
import { type BuildTool, howToInstall, installCommand, packageSystem } from "../../model/runtime/build-tools.js";
import { packageRoot } from "../../model/runtime/paths.js";
import { toolNames } from "./tools.js";

/** What was found, before it is known what is missing. @internal */
export type Found = Omit<DoctorResult, "missing">;

/** What else decides what is missing. @internal */
export interface Graphics {
	/** Backends for graphics devices that the used binary has; undefined if it did not say. */
	readonly own: readonly string[] | undefined;
	/** Whether the driver of an NVIDIA GPU is there. @default on this machine */
	readonly nvidia?: boolean | undefined;
}

/** Everything that is missing. @param examinations of the binaries in `found`, in their order @internal */
export function missingOf(found: Found, examinations: readonly Examination[], graphics: Graphics): DoctorMissing[] {
	const isNamed = found.binaries[0]?.kind === "named";
	const missing = [
		...deliveredBinaries(found, examinations),
		...(found.usable ? [...ownBuilds(found, examinations), ...(isNamed ? [] : graphicsBuild(found, graphics))] : withoutBinary(found)),
		...cacheFaults(found.cache),
		...(found.usable || isNamed ? [] : buildFolderFaults(found.builds)),
	];
	return withPrerequisites(missing, found);
}

/** Puts what a build needs and is not there before the first one that is advised. One that nothing makes possible is left out. */
function withPrerequisites(missing: readonly DoctorMissing[], found: Found): DoctorMissing[] {
	const said = new Set<string>();
	return missing.flatMap((entry): DoctorMissing[] => {
		const [isBuild, backend = "cpu"] = /^npx prune-gguf build(?: --backend (\w+))?$/.exec(entry.command) ?? [];
		if (!isBuild) return [entry];
		const parts = found.backends.find(({ name }) => name === backend);
		if (parts && parts.missing.length > 0 && parts.command === null) return [];
		const needed = [...toolsToInstall(found), ...(parts ? partsToInstall(parts) : [])];
		const unsaid = needed.filter(({ what }) => !said.has(what));
		for (const { what } of unsaid) said.add(what);
		return [...unsaid, entry];
	});
}

function toolsToInstall({ tools, usable }: Found): DoctorMissing[] {
	const missing = tools.filter(({ found, needed }) => needed && found === null).map(({ name }) => name);
	if (missing.length === 0) return [];
	const why = usable ? "needed for the build that is advised here" : "no binary that is there can be used, so it must be built";
	const system = packageSystem();
	const names = (Object.keys(toolNames) as BuildTool[]).filter((tool) => missing.includes(toolNames[tool]));
	return [{ what: missing.join(", "), why, command: system ? installCommand(names, system) : howToInstall(names, system) }];
}

const partsToInstall = ({ name, missing, command }: DoctorBackend): DoctorMissing[] =>
	missing.length === 0 || command === null ? [] : [{ what: missing.join(", "), why: `needed for a build for ${name}`, command }];

/** Those that come before the one that is used. */
function preferredIn(examinations: readonly Examination[]): readonly Examination[] {
	const first = examinations.findIndex(({ usable }) => usable);
	return first < 0 ? examinations : examinations.slice(0, first);
}

/**
 * Delivered binaries that would be preferred, and do not work. npm keeps an installed package as it is, even with --force; and where the
 * package came from nobody knows here, so no command installs it.
 */
function deliveredBinaries({ used }: Found, examinations: readonly Examination[]): DoctorMissing[] {
	return preferredIn(examinations).flatMap(({ candidate, ...one }): DoctorMissing[] => {
		if (one.usable || candidate.kind !== "prebuilt" || one.why !== "broken") return [];
		const why = used === null ? one.reason : `${one.reason}; ${used} is used instead`;
		const entry = (what: string, how: string) => ({
			what: `${what} (${candidate.path})`,
			why: `${why}${how}`,
			command: "npx prune-gguf build",
		});
		if (one.damaged)
			return [entry(`an undamaged ${candidate.name}`, ". Uninstall prune-gguf and install the same package file again, or build")];
		// Without any that works, a build is asked for in any case.
		return used === null ? [] : [entry(`a ${candidate.name} that works`, "")];
	});
}

/** Builds that someone asked for, that would be preferred and do not work, and that nothing stands in for. */
function ownBuilds({ used }: Found, examinations: readonly Examination[]): DoctorMissing[] {
	const usable = new Set(examinations.flatMap(({ usable, candidate: { backend } }) => (usable && backend ? [backend] : [])));
	const named = new Set<string>();
	return preferredIn(examinations).flatMap(({ candidate, ...one }): DoctorMissing[] => {
		const { backend, kind } = candidate;
		if (one.usable || backend === undefined || kind !== "built") return [];
		// One for the same backend works, or one build brings both back.
		if (usable.has(backend) || named.has(backend)) return [];
		// As in a run: whatever is used stands in for a stale build for the CPU.
		if (one.why === "stale" && backend === defaultBackend()) return [];
		named.add(backend);
		const what = `the build for ${backend} (${candidate.path})`;
		return [{ what, why: `${one.reason}; ${used} is used instead`, command: `npx prune-gguf build --backend ${backend}` }];
	});
}

/** A build for a GPU that the used binary cannot use. If it has a backend for one, that says by itself why it sees no device. */
function graphicsBuild({ used }: Found, { own, nvidia = hasNvidia() }: Graphics): DoctorMissing[] {
	if (!nvidia || own === undefined || own.length > 0) return [];
	const why = `${used} computes on the processor only`;
	return [{ what: "a build for the NVIDIA GPU", why, command: "npx prune-gguf build --backend cuda" }];
}

/** How to come to a binary. */
function withoutBinary({ binaries, sources }: Found): DoctorMissing[] {
	if (binaries[0]?.kind === "named")
		return [
			{
				what: "a binary under the path that PRUNE_GGUF_ADDON names",
				why: "no other is tried then",
				command: setting("PRUNE_GGUF_ADDON", ""),
			},
		];
	const download = sources ? "" : "; it downloads the sources of llama.cpp, so it needs the network";
	return [{ what: "a binary for this machine", why: `nothing can be measured without it${download}`, command: "npx prune-gguf build" }];
}

function cacheFaults({ folder, writable }: DoctorFolder): DoctorMissing[] {
	if (writable) return [];
	const what = `a cache folder that can be written to (${folder} cannot)`;
	return [{ what, why: "runs keep their measurements in it", command: setting("PRUNE_GGUF_HOME", "FOLDER") }];
}

function buildFolderFaults({ folder, writable, freeBytes }: DoctorFolder): DoctorMissing[] {
	const elsewhere = setting("PRUNE_GGUF_HOME", "FOLDER");
	if (!writable) {
		const what = `a folder for builds that can be written to (${folder} cannot)`;
		return [{ what, why: "a build goes into the package, or into the cache folder", command: elsewhere }];
	}
	const bytes = buildBytes[defaultBackend()];
	if (freeBytes === null || freeBytes >= bytes) return [];
	const [needed, free] = [Math.ceil(bytes / 1e6), Math.floor(freeBytes / 1e6)];
	const why = `a build needs ${needed} MB, and the disk has ${free} MB free`;
	// The package comes first: naming another cache folder would not move a build out of it.
	const command = folder.startsWith(packageRoot) ? "npm cache clean --force" : elsewhere;
	return [{ what: `space on the disk of ${folder}`, why, command }];
}

/**
 * A command that sets a variable, or unsets it. Windows has two shells, and neither understands the other.
 * @internal
 */
export function setting(name: string, value: string, platform: NodeJS.Platform = process.platform): string {
	if (platform === "win32")
		return `set ${name}=${value} (in PowerShell: ${value === "" ? `Remove-Item Env:${name}` : `$env:${name}="${value}"`})`;
	return value === "" ? `unset ${name}` : `export ${name}=${value}`;
}

const hasNvidia = () => existsSync("/proc/driver/nvidia/version");
