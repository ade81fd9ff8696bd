// What a prebuilt binary may ask of the system. A binary that asks for more is not shipped: it would fail on somebody's machine.
//   node scripts/prebuild/check.mjs FILE ...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { readElf } from "./elf.mjs";
import { readPe } from "./pe.mjs";
import { glibcVersion } from "./targets.mjs";

const { symbols } = createRequire(import.meta.url)("node-api-headers");

/** The functions of Node-API of version 8 and below. Later ones are missing from some version of Node.js that is supported. */
export const nodeApiNames = [...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols];
const known = new Set(nodeApiNames);

const entries = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

/** Parts of glibc. Before 2.34 threads, mathematics and the loader had files of their own. */
const linuxLibraries = /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux-(x86-64|aarch64)\.so\.[12])$/;
/** Parts of Windows 10 and newer, the C runtime among them. */
const windowsLibraries = /^(kernel32|advapi32|ntdll|ucrtbase|api-ms-win-(crt|core)-[a-z0-9-]+)\.dll$/;

/** Compares versions such as 2.9 and 2.28. */
export function versionAbove(version, limit) {
	const parts = (text) => text.split(".").map(Number);
	const [a, b] = [parts(version), parts(limit)];
	for (let i = 0; i < Math.max(a.length, b.length); i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) > (b[i] ?? 0);
	return false;
}

/** Highest version of glibc that a symbol is asked for in. */
export const highestGlibc = (versions) =>
	versions
		.flatMap((version) => /^GLIBC_(\d[\d.]*)$/.exec(version)?.[1] ?? [])
		.reduce((highest, version) => (versionAbove(version, highest) ? version : highest), "0");

/** What is wrong with a library for Linux. */
export function linuxFaults({ libraries, versions, undefined: taken, exported, debug }, limit = glibcVersion) {
	const faults = [];
	for (const version of versions) {
		const glibc = /^GLIBC_(\d[\d.]*)$/.exec(version)?.[1];
		if (glibc === undefined) faults.push(`it needs symbols of ${version}`);
		else if (versionAbove(glibc, limit)) faults.push(`it needs symbols of ${version}, newer than ${limit}`);
	}
	for (const library of libraries) if (!linuxLibraries.test(library)) faults.push(`it loads ${library}`);
	for (const name of taken) if (/^(napi|node_api)_/.test(name) && !known.has(name)) faults.push(`it calls ${name}, which Node-API 8 lacks`);
	for (const name of exported) if (!entries.includes(name)) faults.push(`it shows ${name}`);
	if (!exported.includes(entries[0])) faults.push(`it lacks ${entries[0]}`);
	if (debug) faults.push("it is not stripped");
	return faults;
}

/** What is wrong with a library for Windows. */
export function windowsFaults({ imports, delayed, exported }) {
	const faults = [];
	for (const library of [...Object.keys(imports), ...delayed]) if (!windowsLibraries.test(library)) faults.push(`it loads ${library}`);
	for (const name of exported) if (!entries.includes(name)) faults.push(`it shows ${name}`);
	if (!exported.includes(entries[0])) faults.push(`it lacks ${entries[0]}`);
	return faults;
}

/** What is wrong with a library for macOS. @param limit oldest version of macOS that it must load with */
export function macFaults({ libraries, macos }, limit) {
	const faults = libraries.filter((path) => !/^\/(usr\/lib|System\/Library)\//.test(path)).map((path) => `it loads ${path}`);
	if (macos === undefined) faults.push("it does not say which macOS it needs");
	else if (versionAbove(macos, limit)) faults.push(`it needs macOS ${macos}, newer than ${limit}`);
	return faults;
}

/**
 * What a binary asks of the system, and what is wrong with that.
 * @returns {{ arch: string, faults: string[], asks: Record<string, unknown> }}
 */
export function inspectBinary(path, platform) {
	const bytes = readFileSync(path);
	if (platform === "linux") {
		const elf = readElf(bytes);
		return { arch: elf.arch, faults: linuxFaults(elf), asks: { glibc: highestGlibc(elf.versions), libraries: elf.libraries } };
	}
	if (platform === "win32") {
		const pe = readPe(bytes);
		return { arch: pe.arch, faults: windowsFaults(pe), asks: { libraries: Object.keys(pe.imports).sort() } };
	}
	throw new Error(`binaries for ${platform} are not checked by this script`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	for (const path of process.argv.slice(2)) {
		const platform = readFileSync(path).toString("latin1", 0, 2) === "MZ" ? "win32" : "linux";
		const { arch, faults, asks } = inspectBinary(path, platform);
		process.stdout.write(`${path}: ${platform}-${arch} ${JSON.stringify(asks)}\n${faults.map((fault) => `  ${fault}\n`).join("")}`);
		if (faults.length > 0) process.exitCode = 1;
	}
}
