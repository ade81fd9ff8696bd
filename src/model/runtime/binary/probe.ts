// A binary is tried in a process of its own before it is loaded: what it does wrong ends that process, not the user's.
import { fileURLToPath } from "node:url";
import type { AddonInfo } from "../addon.js";
import { type ChildEnd, childEnv, noDevices, runChild } from "../child.js";
import { faultInWords, type Lasts } from "./fault-words.js";

/** How a probe is made. */
export interface ProbeOptions {
	/** Milliseconds that the child has from its begin. @default 20 s */
	readonly limit?: number | undefined;
	/** Milliseconds that it has to begin: a program other than Node.js never does. @default 15 s */
	readonly start?: number | undefined;
	/** Whether graphics devices are looked for. They may be exclusive to one process, or full. @default false */
	readonly devices?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** What a probe gave. */
export type ProbeResult =
	| { readonly verdict: "passed"; readonly info: AddonInfo }
	| { readonly verdict: "failed"; readonly reason: string; readonly lasts: Lasts; readonly lasting?: true }
	/** No process could be made that runs JavaScript. */
	| { readonly verdict: "not possible" };

const ENTRY = fileURLToPath(new URL("./probe-child.mjs", import.meta.url));
/** Milliseconds for a probe, and for one whose answer is waited for. @internal */
export const probeLimits = { usual: 20_000, patient: 120_000 } as const;
const START = 15_000;

/**
 * Loads a binary, asks it what it is, and computes a little with it, in a process of its own.
 * @throws the signal's reason once it is aborted
 */
export async function probe(addon: string, options: ProbeOptions = {}): Promise<ProbeResult> {
	const { limit = probeLimits.usual, start = START, signal } = options;
	const late = new AbortController();
	let timer = setTimeout(() => late.abort(), start);
	let stage: string | undefined;
	let answer: ProbeResult | undefined;
	const onLine = (line: string) => {
		const [word, rest] = [line.split(" ", 1)[0], line.slice(line.indexOf(" ") + 1)];
		if (word === "begun") {
			stage = "loading it";
			clearTimeout(timer);
			timer = setTimeout(() => late.abort(), limit);
		}
		if (word === "stage") stage = rest;
		if (word === "passed") answer = { verdict: "passed", info: JSON.parse(rest) as AddonInfo };
		if (word === "failed") answer = { verdict: "failed", ...faultInWords({ message: JSON.parse(rest) as string }) };
		return answer !== undefined;
	};
	const env = { ...childEnv, ...(options.devices ? {} : noDevices) };
	try {
		const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
		const end = await runChild({ entry: ENTRY, request: { addon }, env, signal: either, onLine });
		return answer ?? ended(end, stage);
	} catch (error) {
		if (!late.signal.aborted || signal?.aborted) throw error;
		if (stage === undefined) return { verdict: "not possible" };
		return { verdict: "failed", lasts: "a while", reason: `it did not answer within ${limit / 1000} s while ${stage}` };
	} finally {
		clearTimeout(timer);
	}
}

function ended({ cause, log }: ChildEnd, stage: string | undefined): ProbeResult {
	if (cause === undefined || stage === undefined) return { verdict: "not possible" };
	return { verdict: "failed", ...faultInWords({ cause, stage, log }) };
}
