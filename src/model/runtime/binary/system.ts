// What decides which binary fits this machine.
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { cpus } from "node:os";

/** The processor. */
export interface CpuFacts {
	readonly model: string;
	/** Features, named as in /proc/cpuinfo; undefined if the system does not tell them to a script (Windows). */
	readonly flags: ReadonlySet<string> | undefined;
}

/** The machine, as far as a binary depends on it. */
export interface SystemFacts {
	readonly platform: string;
	readonly arch: string;
	/** Without the leading `v`. */
	readonly node: string;
	readonly cpu: CpuFacts;
	/** The C library of a Linux system; undefined elsewhere, or if nothing tells. */
	readonly libc: { readonly name: "glibc" | "musl"; readonly version: string | undefined } | undefined;
	/** Version of macOS, such as 14.5; undefined elsewhere, or if nothing tells. */
	readonly macos?: string | undefined;
}

/** Bytes of /proc/cpuinfo that hold the first processor: the kernel writes the others only if they are read. */
const CPUINFO_BYTES = 16_384;

/** This machine. The C library and the version of macOS are looked up when they are first asked for, since that takes some milliseconds. */
export class System implements SystemFacts {
	readonly platform = process.platform;
	readonly arch = process.arch;
	readonly node = process.versions.node;
	readonly cpu = readCpu();
	#libc: { readonly found: SystemFacts["libc"] } | undefined;
	#macos: { readonly found: string | undefined } | undefined;

	get libc(): SystemFacts["libc"] {
		this.#libc ??= { found: process.platform === "linux" ? readLibc() : undefined };
		return this.#libc.found;
	}

	get macos(): string | undefined {
		this.#macos ??= {
			found: process.platform === "darwin" ? answerOf("/usr/bin/sw_vers", ["-productVersion"]).trim() || undefined : undefined,
		};
		return this.#macos.found;
	}
}

function readCpu(): CpuFacts {
	const model = () => cpus()[0]?.model.trim() || "unknown";
	if (process.platform === "linux") {
		const known = cpuOfProc(startOf("/proc/cpuinfo"), process.arch);
		return { model: known.model ?? model(), flags: known.flags };
	}
	return { model: model(), flags: process.platform === "darwin" ? cpuFlagsOfMac(sysctl()) : undefined };
}

/**
 * The first processor in /proc/cpuinfo. Its features are undefined if it is of another kind than `arch` (as in `process.arch`): Node.js is
 * then emulated, and the emulator does not say what it can.
 * @internal
 */
export function cpuOfProc(text: string, arch: string): { model: string | undefined; flags: ReadonlySet<string> | undefined } {
	const first = text.split(/\n\s*\n/, 1)[0]!;
	const field = (name: string) => new RegExp(`^${name}\\s*:[ \\t]*(.*)$`, "m").exec(first)?.[1]?.trim() || undefined;
	const flags = field(arch === "x64" || arch === "ia32" ? "flags" : "Features");
	return { model: field("model name"), flags: flags === undefined ? undefined : new Set(flags.split(/\s+/)) };
}

/** Names that macOS gives to what /proc/cpuinfo names otherwise. */
const macNames: Readonly<Record<string, string>> = {
	"avx1.0": "avx",
	sse3: "pni",
	avx512vnni: "avx512_vnni",
	lzcnt: "abm",
	lahf: "lahf_lm",
};

/** What `sysctl` says of an Intel Mac; undefined if it says nothing. @internal */
export function cpuFlagsOfMac(text: string): ReadonlySet<string> | undefined {
	const words = text.toLowerCase().split(/\s+/).filter(Boolean);
	return words.length === 0 ? undefined : new Set(words.map((word) => macNames[word] ?? word.replaceAll(".", "_")));
}

function sysctl(): string {
	if (process.arch !== "x64") return "";
	const names = ["machdep.cpu.features", "machdep.cpu.leaf7_features", "machdep.cpu.extfeatures"];
	return answerOf("/usr/sbin/sysctl", ["-n", ...names]);
}

/** What a program of the system prints; empty if it cannot be started. */
const answerOf = (program: string, args: readonly string[]): string =>
	spawnSync(program, args, { encoding: "utf8", timeout: 5000 }).stdout ?? "";

function startOf(file: string): string {
	try {
		const handle = openSync(file, "r");
		try {
			const buffer = Buffer.alloc(CPUINFO_BYTES);
			let filled = 0;
			// A file of procfs gives less than it is asked for.
			for (let read = -1; read !== 0 && filled < buffer.length && !buffer.includes("\n\n"); filled += read)
				read = readSync(handle, buffer, filled, buffer.length - filled, null);
			return buffer.toString("utf8", 0, filled);
		} finally {
			closeSync(handle);
		}
	} catch {
		return "";
	}
}

/** What of Node.js's report on itself is read. @internal */
export interface NodeReport {
	readonly header: { readonly glibcVersionRuntime?: string | undefined };
	readonly sharedObjects?: readonly string[];
}

function readLibc(): SystemFacts["libc"] {
	const report = process.report as (typeof process.report & { excludeNetwork?: boolean }) | undefined;
	if (!report) return undefined;
	const before = report.excludeNetwork;
	try {
		// Otherwise it asks for the names of the other ends of connections.
		report.excludeNetwork = true;
		return libcOfReport(report.getReport() as unknown as NodeReport);
	} catch {
		return undefined;
	} finally {
		report.excludeNetwork = before ?? false;
	}
}

/** The C library that Node.js runs with. @internal */
export function libcOfReport({ header, sharedObjects = [] }: NodeReport): SystemFacts["libc"] {
	if (header.glibcVersionRuntime) return { name: "glibc", version: header.glibcVersionRuntime };
	return sharedObjects.some((file) => /(^|\/)(libc\.musl|ld-musl)-/.test(file)) ? { name: "musl", version: undefined } : undefined;
}
