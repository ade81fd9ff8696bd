import type { Outcome, Print, StepError } from "./job.js";
import type { RemovalSet } from "./sets.js";

/**
 * `exact`: zeroed original, view (alone and resumed in a batch) and written file gave the same bits; `no-oracle`: view and file
 * did, and no zeroed original can be made; `refused`: nothing was written. Anything else is a fault.
 */
export type Verdict = "exact" | "no-oracle" | "refused" | "mismatch" | "does-not-load" | "crash" | "error";

/**
 * The result of a refused set that was written nevertheless: another model than the zeroed original (`differs`), a file that does not load
 * or crashes llama.cpp, or the same bits (the rule is stricter than this model needs). `unknown` if nothing can be compared.
 */
export type Forced = "differs" | "does-not-load" | "crash" | "same" | "unknown";

export interface Finding {
	kind: string;
	removed: readonly number[];
	verdict: Verdict;
	/** Why it was refused, or what went wrong. */
	detail?: string;
	/** Result of a refused set. */
	forced?: Forced;
	/** The zeroed original computes the same as the original: the removed blocks did nothing, so nothing is shown. */
	idle?: boolean;
}

export type QuantizeVerdict = "right" | "wrong" | "does-not-load" | "crash" | "not-written" | "unknown";

export interface QuantizeFinding {
	removed: readonly number[];
	verdict: QuantizeVerdict;
	detail?: string;
}

type Outcomes = Partial<Record<"oracle" | "view" | "shared" | "written" | "forced", Outcome | undefined>>;

type Measured = Exclude<keyof Outcomes, "oracle" | "forced">;

/** @param measured what is compared with the zeroed original. @default all */
export function findingOf(
	set: RemovalSet,
	refusal: string | undefined,
	original: string | undefined,
	outcomes: Outcomes,
	measured: readonly Measured[] = ["view", "shared", "written"],
): Finding {
	const base = { kind: set.kind, removed: set.removed };
	if (refusal !== undefined) return { ...base, verdict: "refused", detail: refusal, forced: forcedOf(outcomes) };
	const oracle = outcomes.oracle;
	const none = oracle !== undefined && "error" in oracle && oracle.error.code === "NO_ORACLE";
	const needed = none ? measured : (["oracle", ...measured] as const);
	for (const name of needed) {
		const fault = faultOf(name, outcomes[name]);
		if (fault) return { ...base, ...fault };
	}
	const misread = Object.entries(readersOf(outcomes.written)).flatMap(([reader, faults]) => faults.map((fault) => `${reader}: ${fault}`));
	if (misread.length > 0) return { ...base, verdict: "mismatch", detail: `as read by ${misread.slice(0, 5).join("; ")}` };
	const prints = needed.map((name) => [name, bitsOf(outcomes[name])] as const);
	const [reference, expected] = prints[0]!;
	const others = prints.filter(([, bits]) => bits !== expected).map(([name]) => name);
	if (others.length > 0) return { ...base, verdict: "mismatch", detail: `${others.join(", ")} differ from ${reference}` };
	return { ...base, verdict: none ? "no-oracle" : "exact", ...(expected === original ? { idle: true } : {}) };
}

function forcedOf({ forced, oracle }: Outcomes): Forced {
	if (forced && "crash" in forced) return "crash";
	if (forced && "error" in forced) return forced.error.code === "MODEL_LOAD_FAILED" ? "does-not-load" : "unknown";
	const [ours, expected] = [bitsOf(forced), bitsOf(oracle)];
	if (ours === undefined || expected === undefined) return "unknown";
	return ours === expected ? "same" : "differs";
}

/** Faults that foreign readers found in a written file; empty lists if there are none. */
export function readersOf(written: Outcome | undefined): Readonly<Record<string, readonly string[]>> {
	return (written && "result" in written && (written.result as Print).readers) || {};
}

/** The empty set: the view of no block compared with the original with all blocks zeroed. */
export interface EmptyFinding {
	verdict: "exact" | "not-measured" | Extract<Verdict, "mismatch" | "crash" | "error" | "does-not-load">;
	detail?: string;
}

/** No block can be made the identity, or none that can runs by itself. */
function cannotBe({ code, message }: StepError): boolean {
	return ["INVALID_CANDIDATE", "NO_ORACLE"].includes(code) || message.includes("cannot run on their own");
}

export function emptyFindingOf(view: Outcome | undefined, oracle: Outcome | undefined): EmptyFinding | undefined {
	if (!view && !oracle) return undefined;
	for (const [name, outcome] of [["view", view] as const, ["oracle", oracle] as const]) {
		if (outcome && "error" in outcome && cannotBe(outcome.error))
			return { verdict: "not-measured", detail: withoutFolders(outcome.error.message) };
		const fault = faultOf(name, outcome);
		if (fault) return fault as EmptyFinding;
	}
	return bitsOf(view) === bitsOf(oracle) ? { verdict: "exact" } : { verdict: "mismatch", detail: "view differs from oracle" };
}

export function quantizeFindingOf(
	set: RemovalSet,
	made: { path: string } | { failed: string },
	loaded: Outcome | undefined,
	oracle: Outcome | undefined,
	view: Outcome | undefined,
): QuantizeFinding {
	const base = { removed: set.removed };
	if ("failed" in made) return { ...base, verdict: "not-written", detail: made.failed };
	if (!loaded) return { ...base, verdict: "unknown" };
	const fault = faultOf("foreign", loaded);
	if (fault) return { ...base, verdict: fault.verdict === "crash" ? "crash" : "does-not-load", detail: fault.detail };
	const expected = bitsOf(oracle) ?? bitsOf(view);
	if (expected === undefined) return { ...base, verdict: "unknown" };
	return { ...base, verdict: bitsOf(loaded) === expected ? "right" : "wrong" };
}

function bitsOf(outcome: Outcome | undefined): string | undefined {
	if (!outcome || !("result" in outcome)) return undefined;
	return [outcome.result as Print | Print[]].flat()[0]?.bits;
}

function faultOf(name: string, outcome: Outcome | undefined): { verdict: Verdict; detail: string } | undefined {
	if (!outcome) return { verdict: "error", detail: `${name} was not measured` };
	if ("crash" in outcome) return { verdict: "crash", detail: `${name}: ${outcome.crash}` };
	if (!("error" in outcome)) return undefined;
	const { code, message, cause } = outcome.error;
	const detail = withoutFolders(`${name}: ${message}${cause ? ` (${cause.trim().split("\n").at(-1)})` : ""}`);
	return { verdict: code === "MODEL_LOAD_FAILED" ? "does-not-load" : "error", detail };
}

/** Paths cut to their file names: a record must not depend on the machine. */
export function withoutFolders(text: string): string {
	return text.replace(/(^|[\s"(])\/[^\s":]*\/([^\s"/:]+)/g, "$1$2");
}
