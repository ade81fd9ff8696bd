import { LimitsNotMetError, InvalidCandidateError, InvalidOptionError, PruneGgufError } from "./api.js";

/** Exit codes of every command. */
export const exitCodes = { done: 0, failed: 1, usage: 2, gateNotMet: 3, interrupted: 130 } as const;

/** A command line that cannot be understood. */
export class UsageError extends InvalidOptionError {}

/** The exit code of an error. */
export function exitCodeOf(error: unknown, interrupted = false): number {
	if (interrupted || isAbort(error)) return exitCodes.interrupted;
	if (error instanceof InvalidOptionError || error instanceof InvalidCandidateError) return exitCodes.usage;
	if (error instanceof PruneGgufError && error.code === "LIMITS_NOT_MET") return exitCodes.gateNotMet;
	return exitCodes.failed;
}

/** An error as data. That of quality limits has every limit and the closest plan that would meet them. */
interface ErrorFacts extends Partial<Pick<LimitsNotMetError, "figures" | "closest">> {
	readonly code: string;
	readonly message: string;
}

/** The document that `--json` prints for an error. */
export function errorDocument(error: unknown, interrupted = false): { error: ErrorFacts } {
	if (interrupted || isAbort(error)) return { error: { code: "INTERRUPTED", message: "interrupted" } };
	const code = error instanceof PruneGgufError ? error.code : "UNEXPECTED";
	const gate = error instanceof LimitsNotMetError ? { figures: error.figures, ...(error.closest ? { closest: error.closest } : {}) } : {};
	return { error: { code, message: messageOf(error), ...gate } };
}

/**
 * An error for people: `error: ...`; with `verbose` its causes (llama.cpp's log lines among them).
 * What was not thrown on purpose is a fault of the program: its stack is shown.
 */
export function errorText(error: unknown, verbose: boolean): string {
	const lines = [`error: ${messageOf(error)}`];
	if (!(error instanceof PruneGgufError) && error instanceof Error && error.stack) lines.push(...stackLines(error));
	if (verbose) lines.push(...causeLines(error));
	else if (hasTellingCause(error)) lines.push("(--verbose shows what llama.cpp printed)");
	return `${lines.join("\n")}\n`;
}

function isAbort(error: unknown): boolean {
	return error instanceof Error && error.name === "AbortError";
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

function hasTellingCause(error: unknown): boolean {
	return (
		error instanceof PruneGgufError &&
		(error.code === "MODEL_LOAD_FAILED" || error.code === "EVALUATION_FAILED") &&
		error.cause !== undefined
	);
}

function causeLines(error: unknown): string[] {
	const lines: string[] = [];
	// A chain of causes could be a ring.
	const seen = new Set<unknown>([error]);
	for (let cause = causeOf(error); cause !== undefined && !seen.has(cause); cause = causeOf(cause)) {
		seen.add(cause);
		lines.push("caused by:", ...indent(messageOf(cause)));
	}
	return lines;
}

function causeOf(error: unknown): unknown {
	return error instanceof Error ? error.cause : undefined;
}

function stackLines(error: Error): string[] {
	const lines = (error.stack ?? "").split("\n").filter((line) => line.startsWith("    at "));
	return ["This is a fault of prune-gguf. Please report it with these lines:", ...lines];
}

function indent(text: string): string[] {
	return text.split("\n").map((line) => `  ${line}`);
}
