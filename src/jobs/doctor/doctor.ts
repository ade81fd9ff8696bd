import { existsSync } from "node:fs";
import { access, constants, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DoctorBinary, DoctorFolder, DoctorMissing, DoctorOptions, DoctorResult } from "../../api/doctor.js";
import { libcText } from "../../model/runtime/binary/binary-facts.js";
import { binaryPlaces, candidatesIn } from "../../model/runtime/binary/candidates.js";
import { type Examination, examine } from "../../model/runtime/binary/examine.js";
import { probe } from "../../model/runtime/binary/probe.js";
import { System } from "../../model/runtime/binary/system.js";
import { whyWords } from "../../model/runtime/binary/words.js";
import { freeBytesOf } from "../../model/runtime/build-folder.js";
import { hasSources } from "../../model/runtime/build-sources.js";
import { llamaPin, packageRoot, packageVersion } from "../../model/runtime/paths.js";
import { cacheFolder } from "../../storage/cache-folder.js";
import { backendsHere } from "./backends.js";
import { devicesOf, withoutDevice } from "./devices.js";
import { missingOf } from "./missing.js";
import { toolsFor } from "./tools.js";

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
	const sources = await hasSources(packageRoot);
	const tools = toolsFor(sources);
	const found = {
		usable: used !== undefined,
		used: used?.candidate.name ?? null,
		system: systemOf(system),
		versions: { "prune-gguf": packageVersion, "llama.cpp": `${llamaPin.version} (${llamaPin.commit})` },
		...{ binaries, devices: seen?.verdict === "passed" ? devicesOf(seen.info) : [], backends: backendsHere(), tools, sources },
		cache: await folderOf(cacheFolder()),
		builds: await buildsFolder(),
	};
	const withDevices = seen?.verdict === "failed" ? [gpuFailure(seen.reason)] : seen?.verdict === "passed" ? withoutDevice(seen.info) : [];
	const own = seen?.verdict === "passed" ? seen.info.graphics : undefined;
	return { ...found, missing: [...missingOf(found, examinations, { own }), ...withDevices] };
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

/** A folder, or where it would be made. */
async function folderOf(folder: string): Promise<DoctorFolder> {
	let there = folder;
	while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
	const writable = await access(there, constants.W_OK).then(
		() => true,
		() => false,
	);
	const freeBytes = (await freeBytesOf(there).catch(() => undefined)) ?? null;
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

const gpuFailure = (reason: string): DoctorMissing => ({
	what: "graphics devices that work",
	why: `when they are looked for, ${reason}`,
	command: "npx prune-gguf ... --gpu-layers 0",
});
