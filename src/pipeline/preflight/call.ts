// How a job is called: programs without types can give anything, and a bare TypeError would say nothing of it.
import { isPlain } from "../../api/options/shape.js";
import { type CommandRow, rowsTaken } from "../../api/options/table.js";
import { InvalidOptionError } from "../../errors.js";
import { functionName, type Taker } from "./option-keys.js";

/** Paths of files that a function takes before its options; `output` may be missing where `model` stands alone. */
type CalledWith = Readonly<Record<string, unknown>>;

/** What a function cannot do without. */
const needed: Readonly<Partial<Record<Taker, string>>> = { evaluate: "text", questions: "questions" };

/** What is called back. */
const callbacks = ["onProgress", "onLog"] as const;

/**
 * Checks the kinds of what a job is called with, before anything is read of it.
 * @param files paths by the names of their parameters
 * @throws InvalidOptionError that names the option, what was expected and what was given
 */
export function checkCall(taker: Taker, files: CalledWith, options: unknown): void {
	const name = functionName(taker);
	checkFiles(name, files);
	if (!isPlain(options)) throw wrong(`${name}: options`, "an object", options);
	const { signal } = options;
	if (isGiven(signal) && !isSignal(signal)) {
		const hint = isSignal((signal as { readonly signal?: unknown }).signal) ? ": give its signal" : "";
		throw wrong(`${name}: signal`, "an AbortSignal", signal, hint);
	}
	for (const callback of callbacks)
		if (isGiven(options[callback]) && typeof options[callback] !== "function")
			throw wrong(`${name}: ${callback}`, "a function", options[callback]);
	const need = needed[taker];
	if (need !== undefined && !isGiven(options[need])) throw wrong(`${name}: ${need}`, "the path of a file", options[need]);
	checkValues(taker, options);
}

/** @throws InvalidOptionError for what is no path */
export function checkFiles(name: string, files: CalledWith): void {
	for (const [parameter, path] of Object.entries(files))
		if (typeof path !== "string" || path === "") throw wrong(`${name}: ${parameter}`, "the path of a file", path);
}

/** Texts and switches; numbers and lists are checked with their ranges. */
function checkValues(taker: Taker, options: Readonly<Record<string, unknown>>): void {
	for (const row of rowsTaken(taker === "questions" ? "evaluate" : taker)) {
		if ("partOf" in row) continue;
		const [group, field] = row.path.split(".") as [string, string | undefined];
		const of = options[group];
		const value = field === undefined ? of : isPlain(of) ? of[field] : undefined;
		if (!isGiven(value) || value === (row as Pick<CommandRow, "off">).off) continue;
		const { kind } = row.value;
		if (kind === "text" && typeof value !== "string") throw wrong(`${functionName(taker)}: ${row.path}`, "a text", value);
		if (kind === "switch" && typeof value !== "boolean") throw wrong(`${functionName(taker)}: ${row.path}`, "true or false", value);
	}
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** One of Node.js, of a browser or of another realm. */
function isSignal(value: unknown): boolean {
	const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
	return typeof aborted === "boolean" && typeof addEventListener === "function";
}

/** @param what function and option */
function wrong(what: string, expected: string, given: unknown, hint = ""): InvalidOptionError {
	return new InvalidOptionError(`${what} must be ${expected}, got ${shownKind(given)}${hint}`);
}

/** A value for people: short ones as they are written, of the others what they are. */
function shownKind(value: unknown): string {
	if (typeof value === "function") return "a function";
	if (Array.isArray(value)) return "a list";
	if (typeof value !== "object" || value === null) return typeof value === "string" ? JSON.stringify(value) : String(value);
	const { name } = (value.constructor ?? Object) as { readonly name: string };
	return name === "Object" || name === "" ? "an object" : `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
}
