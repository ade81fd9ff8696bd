// Whether a binary can be used here: by what is written beside it, by its file, and at last by a probe.
import { exposedBy } from "../../../storage/exposed.js";
import { hashFile } from "../../../storage/hash.js";
import { systemMisfitOf, type Misfit, misfitOf, type StatedBuild, statedBuild } from "./binary-facts.js";
import type { BinaryCandidate } from "./candidates.js";
import { fileFault } from "./file-fault.js";
import { type ProbeOptions, probe, probeLimits } from "./probe.js";
import { forget, type ProbeRecord, probeKey, record, recordOf } from "./probed.js";
import type { SystemFacts } from "./system.js";

/** What is known of a candidate. */
export type Examination = { readonly candidate: BinaryCandidate } & (Usable | NotUsable);

interface Usable extends StatedBuild {
	readonly usable: true;
	readonly sha256: string;
	/** Key of its record. */
	readonly key: string;
}

interface NotUsable extends Misfit {
	readonly usable: false;
}

/** How it is looked at. */
export interface ExamineOptions extends ProbeOptions {
	/** Try it again, whatever earlier probes gave. @default false */
	readonly anew?: boolean | undefined;
	/** Try again, with more time, what did not answer before. @default false */
	readonly patient?: boolean | undefined;
	/** Without a process of its own: it counts as usable if its file does and its processor's features are known. @default false */
	readonly unprobed?: boolean | undefined;
}

/** Milliseconds for which a probe that did not answer is not repeated. */
const WHILE = 3_600_000;

/**
 * Finds out whether a binary can be used. What a probe gave is kept in the cache folder, so the next start takes a few milliseconds.
 * @throws the signal's reason once it is aborted
 */
export async function examine(candidate: BinaryCandidate, system: SystemFacts, options: ExamineOptions = {}): Promise<Examination> {
	const not = (misfit: Misfit): Examination => ({ candidate, usable: false, ...misfit });
	const { kind, path } = candidate;
	// Whoever names a binary knows what it is: it is only tried.
	const facts = kind === "named" ? undefined : candidate.facts;
	if (!facts && kind !== "named") return not(withoutFacts(kind));
	const misfit = facts && misfitOf(facts, system);
	if (misfit) return not(misfit);
	const exposed = kind === "named" ? undefined : await exposedBy(path);
	// What an earlier probe gave says nothing then, and a probe would run it.
	if (exposed !== undefined)
		return not({ why: "broken", reason: `${exposed}: it may be their work. Build it again with prune-gguf build` });
	const key = await probeKey(path, system);
	if (key === undefined) return not({ why: "broken", reason: "there is no such file" });
	const limit = options.limit ?? (options.patient ? probeLimits.patient : probeLimits.usual);
	const last = options.anew ? undefined : await recordOf(key);
	const known = options.patient && isLate(last) && (last.limit ?? 0) < limit ? undefined : last;
	if (known?.passed) return { candidate, usable: true, sha256: known.sha256, key, level: known.level, compiler: known.compiler };
	if (known) return not({ why: "broken", reason: known.reason ?? "it does not load", lasting: !isLate(known), late: isLate(known) });
	const systemMisfit = facts && systemMisfitOf(facts, system);
	if (systemMisfit) return not(systemMisfit);
	const fault = await fileFault(path, facts?.bytes);
	if (fault !== undefined) return not({ why: "broken", reason: fault, damaged: true });
	const sha256 = await hashFile(path, options.signal);
	if (facts && facts.sha256 !== sha256) return not({ ...changed, why: kind === "prebuilt" ? "broken" : "stale" });
	return tried({ candidate, sha256, key }, system, { ...options, limit });
}

/** Only a trial that had no answer is remembered for a while. */
const isLate = (known: ProbeRecord | undefined): known is ProbeRecord => known !== undefined && known.until !== undefined;

const changed = { reason: "it is not the file that its binary.json describes: it was changed, or is damaged", damaged: true };

function withoutFacts(kind: BinaryCandidate["kind"]): Misfit {
	const reason = "its binary.json is missing or damaged";
	if (kind === "prebuilt") return { why: "broken", reason, damaged: true };
	return { why: "stale", reason: `${reason}, so an earlier version may have built it` };
}

async function tried(
	found: { readonly candidate: BinaryCandidate; readonly sha256: string; readonly key: string },
	{ cpu }: SystemFacts,
	options: ExamineOptions & { readonly limit: number },
): Promise<Examination> {
	const { candidate, sha256, key } = found;
	const usable = { usable: true, ...found } as const;
	const result = options.unprobed ? ({ verdict: "not possible" } as const) : await probe(candidate.path, options);
	if (result.verdict === "passed") {
		const build = statedBuild(result.info);
		await record({ key, sha256, passed: true, ...build });
		return { ...usable, ...build };
	}
	if (result.verdict === "failed") {
		const { reason, lasts, lasting = false } = result;
		const late = lasts === "a while";
		// Another try may pass, and what an earlier one gave no longer holds: a run that trusted it would end with the binary.
		if (lasts === "once") await forget(key);
		else await record({ key, sha256, passed: false, reason, ...(late ? { until: Date.now() + WHILE, limit: options.limit } : {}) });
		return { candidate, usable: false, why: "broken", reason, lasting, late };
	}
	// Nothing was tried: that speaks against one whose needs nobody has checked.
	const needs = candidate.facts?.needs ?? [];
	if (cpu.flags || needs.length === 0) return usable;
	const reason = `it needs ${needs.join(", ")}, and whether this processor has them could not be tried`;
	return { candidate, usable: false, why: "broken", reason };
}
