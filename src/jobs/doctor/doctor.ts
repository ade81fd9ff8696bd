import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DoctorBinary, DoctorFolder, DoctorMissing, DoctorOptions, DoctorResult, DoctorTool } from "../api/doctor.js";
import { libcText } from "../model/runtime/binary/binary-facts.js";
import { binaryPlaces, candidatesIn } from "../model/runtime/binary/candidates.js";
import { type Examination, examine } from "../model/runtime/binary/examine.js";
import { probe } from "../model/runtime/binary/probe.js";
import { System } from "../model/runtime/binary/system.js";
import { whyWords } from "../model/runtime/binary/words.js";
import { hasSources } from "../model/runtime/build-sources.js";
import { type BuildTool, findCompilers, howToInstall, installCommand, missingTools, packageSystem } from "../model/runtime/build-tools.js";
import { llamaPin, packageRoot, packageVersion } from "../model/runtime/paths.js";
import { cacheFolder } from "../storage/cache-folder.js";

/**
 * Finds out which binary (native part) computes on this machine and why, and what is missing. Every binary that is there is tried again, each
 * in a process of its own. It reads and tries only: it builds nothing, and writes nothing but what the trials gave, in the cache folder.
 * @throws the signal's reason once it is aborted
 */
export async function doctor({ signal }: DoctorOptions = {}): Promise<DoctorResult> {
	const system = new System();
	const examinations: Examination[] = [];
	for (const candidate of candidatesIn(binaryPlaces())) examinations.push(await examine(candidate, system, { anew: true, signal }));
	const used = examinations.find(({ usable }) => usable);
	// Devices may be what a binary fails with: so they are looked for once it is known that it works without them.
	const seen = used && (await probe(used.candidate.path, { devices: true, signal }));
	const binaries = await Promise.all(examinations.map((one) => binaryOf(one, one === used)));
	const sources = hasSources(packageRoot);
	const tools = toolsFor(sources);
	const found = {
		usable: used !== undefined,
		used: used?.candidate.name ?? null,
		system: systemOf(system),
		versions: { "prune-gguf": packageVersion, "llama.cpp": `${llamaPin.version} (${llamaPin.commit})` },
		...{ binaries, devices: seen?.verdict === "passed" ? seen.info.devices : [], tools, sources },
		cache: await folderOf(cacheFolder()),
		builds: await buildsFolder(),
	};
	const withDevices = seen?.verdict === "failed" ? [gpuFailure(seen.reason)] : [];
	return { ...found, missing: [...missingOf(found, examinations), ...withDevices] };
}

const systemOf = ({ platform, arch, libc, node, cpu }: System): DoctorResult["system"] => ({
	...{ platform, arch, libc: libc ? libcText(libc) : null, node, processor: cpu.model },
	features: cpu.flags ? [...cpu.flags].sort() : null,
});

async function binaryOf(examination: Examination, isUsed: boolean): Promise<DoctorBinary> {
	const { candidate, usable } = examination;
	const { name, path, kind, facts } = candidate;
	const bytes = await stat(path).then(
		({ size }) => size,
		() => null,
	);
	const verdict = isUsed ? "used" : usable ? "usable" : "not usable";
	const reason = !usable ? examination.reason : isUsed ? whyWords[kind] : "another one comes before it";
	const sha256 = usable ? examination.sha256 : null;
	// What is written beside a file that was named may be of another one.
	const stated = kind === "named" && facts?.sha256 !== sha256 ? undefined : facts;
	const { level = stated?.level ?? null, compiler = stated?.compiler ?? null } = usable ? examination : {};
	return { name, path, kind, verdict, reason, level, compiler, bytes, sha256 };
}

const toolNames: Readonly<Record<BuildTool, DoctorTool["name"]>> = {
	...{ compiler: "C++ compiler", cmake: "cmake", make: "make or ninja", git: "git" },
};

/** On Windows CMake finds the compiler and what builds with it. */
function toolsFor(sources: boolean): DoctorTool[] {
	const missing = missingTools({ sources: false });
	const searched = process.platform === "win32" ? (["cmake", "git"] as const) : (["compiler", "cmake", "make", "git"] as const);
	return searched.map((tool) => ({
		name: toolNames[tool],
		found: missing.includes(tool) ? null : versionOf(tool),
		needed: tool !== "git" || !sources,
	}));
}

function versionOf(tool: BuildTool): string {
	const programs = { compiler: [findCompilers()?.cpp ?? "c++"], cmake: ["cmake"], make: ["ninja", "make"], git: ["git"] }[tool];
	for (const program of programs) {
		const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
		if (status !== 0) continue;
		const first = stdout.split("\n", 1)[0]!.trim();
		// Ninja says a number only.
		return /[a-z]/i.test(first) ? first : `${program} ${first}`;
	}
	return "found";
}

/** A folder, or where it would be made. */
async function folderOf(folder: string): Promise<DoctorFolder> {
	let there = folder;
	while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
	const writable = await access(there, constants.W_OK).then(
		() => true,
		() => false,
	);
	const freeBytes = await statfs(there).then(
		({ bavail, bsize }) => bavail * bsize,
		() => null,
	);
	return { folder, writable: writable && (await isFolder(there)), freeBytes };
}

const isFolder = (path: string) =>
	stat(path).then(
		(status) => status.isDirectory(),
		() => false,
	);

/** In the package, or in the cache folder if the package cannot be written to. */
async function buildsFolder(): Promise<DoctorFolder> {
	const inPackage = await folderOf(join(packageRoot, "build"));
	return inPackage.writable ? inPackage : folderOf(join(cacheFolder(), "build", `${packageVersion}-${process.platform}-${process.arch}`));
}

type Found = Omit<DoctorResult, "missing">;

function missingOf(found: Found, examinations: readonly Examination[]): DoctorMissing[] {
	const { usable, cache, builds } = found;
	const missing: DoctorMissing[] = usable ? [] : withoutBinary(found);
	for (const { candidate, ...one } of examinations) {
		const { backend, asked } = candidate.facts ?? {};
		if (!usable || one.usable || backend === undefined || asked !== true) continue;
		missing.push({
			what: `the build for ${backend} (${candidate.path})`,
			why: `${one.reason}; ${found.used} is used instead`,
			command: `npx prune-gguf build --backend ${backend}`,
		});
	}
	if (usable && hasNvidia() && !found.devices.some(({ gpu }) => gpu))
		missing.push({
			what: "a build for the NVIDIA GPU",
			why: `${found.used} computes on the processor only`,
			command: "npx prune-gguf build --backend cuda",
		});
	if (!cache.writable)
		missing.push({
			what: `a cache folder that can be written to (${cache.folder} cannot)`,
			why: "runs keep their measurements in it",
			command: setting("PRUNE_GGUF_HOME", "FOLDER"),
		});
	if (!usable && !builds.writable)
		missing.push({
			what: `a folder for builds that can be written to (${builds.folder} cannot)`,
			why: "a build goes into the package, or into the cache folder",
			command: setting("PRUNE_GGUF_HOME", "FOLDER"),
		});
	return missing;
}

/** How to come to a binary. */
function withoutBinary({ binaries, sources }: Found): DoctorMissing[] {
	const [only] = binaries;
	if (only?.kind === "named")
		return [
			{
				what: "a binary under the path that PRUNE_GGUF_ADDON names",
				why: "no other is tried then",
				command: setting("PRUNE_GGUF_ADDON", ""),
			},
		];
	const tools = missingTools({ sources });
	const system = packageSystem();
	const toInstall: DoctorMissing = {
		what: tools.map((tool) => toolNames[tool]).join(", "),
		why: "no binary that is there can be used, so it must be built",
		command: system ? installCommand(tools, system) : howToInstall(tools, system),
	};
	const download = sources ? "" : "; it downloads the sources of llama.cpp, so it needs the network";
	return [
		...(tools.length > 0 ? [toInstall] : []),
		{ what: "a binary for this machine", why: `nothing can be measured without it${download}`, command: "npx prune-gguf build" },
	];
}

const gpuFailure = (reason: string): DoctorMissing => ({
	what: "graphics devices that work",
	why: `when they are looked for, ${reason}`,
	command: "npx prune-gguf ... --gpu-layers 0",
});

/** A command that sets a variable, or unsets it. */
function setting(name: string, value: string): string {
	if (process.platform === "win32") return `set ${name}=${value}`;
	return value === "" ? `unset ${name}` : `export ${name}=${value}`;
}

const hasNvidia = () => existsSync("/proc/driver/nvidia/version");
