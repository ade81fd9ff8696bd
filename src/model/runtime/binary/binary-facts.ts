// What is known of a binary before it is loaded.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { AddonInfo } from "../addon.js";
import { type Backend, backends, llamaPin, packageVersion } from "../paths.js";
import { type SourceHashes, sourceHashes } from "./sources.js";
import type { SystemFacts } from "./system.js";

/** The file that lies beside a binary. @internal */
export const FACTS_FILE = "binary.json";

const text = v.pipe(v.string(), v.maxLength(200));
const factsSchema = v.object({
	name: text,
	platform: text,
	arch: text,
	libc: v.nullable(text),
	libcVersion: v.nullable(text),
	macos: v.optional(text),
	level: text,
	needs: v.array(text),
	compiler: text,
	llamaCpp: text,
	packageVersion: text,
	sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
	bytes: v.pipe(v.number(), v.integer(), v.minValue(1)),
	backend: v.optional(v.picklist(backends)),
	asked: v.optional(v.boolean()),
	askedAt: v.optional(v.number()),
	sources: v.optional(text),
});

/** What `binary.json` says of the binary beside it. */
export interface BinaryFacts {
	/** `linux-x64-avx2`, or `built-cpu` for a build of this machine. */
	readonly name: string;
	/** As `process.platform` and `process.arch`. */
	readonly platform: string;
	readonly arch: string;
	/** `glibc` or `musl`; null outside Linux. */
	readonly libc: string | null;
	/** The oldest version that it loads with; null if there is none, or it is not known. */
	readonly libcVersion: string | null;
	/** The oldest version of macOS that it loads with. Delivered binaries for macOS only. */
	readonly macos?: string | undefined;
	/** `baseline`, `avx2`, `avx512`, `armv8`, or `native` for a build of this machine. */
	readonly level: string;
	/** Features that the processor must have, named as in /proc/cpuinfo. */
	readonly needs: readonly string[];
	readonly compiler: string;
	/** Version of llama.cpp that is compiled in. */
	readonly llamaCpp: string;
	/** Version of prune-gguf whose sources it was made from. */
	readonly packageVersion: string;
	readonly sha256: string;
	readonly bytes: number;
	/** What it was built for. Builds of this machine only. */
	readonly backend?: Backend | undefined;
	/** Whether someone asked for it, or a run built it because nothing else could be loaded. Builds of this machine only. */
	readonly asked?: boolean | undefined;
	/** When someone last asked for it, in milliseconds since 1970. */
	readonly askedAt?: number | undefined;
	/** Hash of what it was made from; an older one does not say. */
	readonly sources?: string | undefined;
}

/** Instructions that a binary was compiled for, and by which compiler. */
export interface StatedBuild {
	readonly level?: string | undefined;
	readonly compiler?: string | undefined;
}

/** What a binary says of its own making; nothing if it is too old to. */
export function statedBuild(info: AddonInfo): StatedBuild {
	const { level, compiler } = (info as { build?: StatedBuild }).build ?? {};
	return { ...(level ? { level } : {}), ...(compiler ? { compiler } : {}) };
}

/** What is written beside a binary; undefined if there is nothing, or nothing that can be read. */
export function readFacts(binary: string): BinaryFacts | undefined {
	try {
		const { output, success } = v.safeParse(factsSchema, JSON.parse(readFileSync(join(dirname(binary), FACTS_FILE), "utf8")));
		return success ? output : undefined;
	} catch {
		return undefined;
	}
}

/**
 * Why a binary is not used: it was made for another machine (`elsewhere`), from other sources than this program's, or nobody knows from
 * which (`stale`), or it does not work (`broken`).
 */
export type Unfitness = "elsewhere" | "stale" | "broken";

/** That, and the reason in words. */
export interface Misfit {
	readonly why: Unfitness;
	readonly reason: string;
	/** Whether the file is not as it was made, so that a new copy of it would do. @default false */
	readonly damaged?: boolean | undefined;
	/** Whether the same file would fail again on this machine, whenever it is tried. @default false */
	readonly lasting?: boolean | undefined;
	/** Whether it did not answer in time, which it may with more of it. @default false */
	readonly late?: boolean | undefined;
}

/**
 * Why a binary is not for this program or this machine, as far as that costs nothing to know; undefined if it is.
 * @param sources those that this program's binaries are made from
 */
export function misfitOf(facts: BinaryFacts, system: Machine, sources: SourceHashes = sourceHashes()): Misfit | undefined {
	return kindMisfitOf(facts, system) ?? sourcesMisfitOf(facts, sources) ?? processorMisfitOf(facts, system);
}

type Machine = Pick<SystemFacts, "platform" | "arch" | "cpu">;

/** Why a binary is for another kind of machine, or another processor, whatever it was made from; undefined if it is not. */
export function machineMisfitOf(facts: BinaryFacts, system: Machine): Misfit | undefined {
	return kindMisfitOf(facts, system) ?? processorMisfitOf(facts, system);
}

const elsewhere = (reason: string): Misfit => ({ why: "elsewhere", reason });

function kindMisfitOf(facts: BinaryFacts, { platform, arch }: Machine): Misfit | undefined {
	if (facts.platform === platform && facts.arch === arch) return undefined;
	return elsewhere(`it is for ${facts.platform} ${facts.arch}, and this is ${platform} ${arch}`);
}

function sourcesMisfitOf(facts: BinaryFacts, sources: SourceHashes): Misfit | undefined {
	const stale = (reason: string): Misfit => ({ why: "stale", reason });
	if (facts.packageVersion !== packageVersion)
		return stale(`it belongs to prune-gguf ${facts.packageVersion}, and this is ${packageVersion}`);
	if (facts.llamaCpp !== llamaPin.version) return stale(`it holds llama.cpp ${facts.llamaCpp}, and this version needs ${llamaPin.version}`);
	const expected = facts.backend === undefined ? sources.prebuilt : sources.native;
	const differs = facts.sources !== undefined && expected !== undefined && facts.sources !== expected;
	return differs ? stale("it was made from other sources than those of this version") : undefined;
}

function processorMisfitOf({ needs }: BinaryFacts, { cpu }: Machine): Misfit | undefined {
	const lacking = cpu.flags ? needs.filter((need) => !cpu.flags!.has(need)) : [];
	return lacking.length > 0 ? elsewhere(`this processor lacks ${lacking.join(", ")}`) : undefined;
}

/** Why this system does not do for a binary by its C library or, on a Mac, by its version; undefined if it does, or is not known. */
export function systemMisfitOf(facts: BinaryFacts, { libc, macos }: Pick<SystemFacts, "libc" | "macos">): Misfit | undefined {
	if (facts.macos !== undefined && macos !== undefined && isOlder(macos, facts.macos))
		return elsewhere(`it needs macOS ${facts.macos} or newer, and this system has macOS ${macos}`);
	return libcMisfitOf(facts, libc);
}

function libcMisfitOf({ libc, libcVersion }: BinaryFacts, system: SystemFacts["libc"]): Misfit | undefined {
	if (libc === null || system === undefined) return undefined;
	const fits = libc === system.name && (libcVersion === null || system.version === undefined || !isOlder(system.version, libcVersion));
	if (fits) return undefined;
	const needed = `it needs ${libc}${libcVersion === null ? "" : ` ${libcVersion} or newer`}`;
	return elsewhere(`${needed}, and this system has ${libcText(system)}`);
}

/** `glibc 2.36`. */
export function libcText(libc: NonNullable<SystemFacts["libc"]>): string {
	return [libc.name, ...(libc.version === undefined ? [] : [libc.version])].join(" ");
}

function isOlder(version: string, than: string): boolean {
	const numbers = (text: string) => text.split(".").map(Number);
	const [left, right] = [numbers(version), numbers(than)];
	for (let i = 0; i < Math.max(left.length, right.length); i++) {
		const difference = (left[i] ?? 0) - (right[i] ?? 0);
		if (difference !== 0) return difference < 0;
	}
	return false;
}
