import * as v from "valibot";
import { InvalidPlanError } from "../errors.js";
import { blocksAsText, positionsNamed } from "../notation.js";
import { openInput } from "./input-file.js";
import { writeAtomically } from "./atomic-file.js";
import { PLAN_FORMAT, PLAN_VERSION, PLAN_VERSIONS, planSchema } from "./plan-schema.js";
import { planFromV1 } from "./plan-v1.js";
import { shownText } from "./shown-text.js";

export { type ImportanceUnit, PLAN_FORMAT, PLAN_VERSION } from "./plan-schema.js";

/**
 * What to remove, why, and what it cost: the interface between measuring and writing. Everything before a plan only measures and
 * decides, everything after only executes. Losses are nats per token; null stands for a loss that is not finite.
 */
export type Plan = v.InferOutput<typeof planSchema>;
/** A plan as given: the same, before it is checked. */
export type PlanInput = v.InferInput<typeof planSchema>;
/** Text of one split. */
export type PlanSplit = NonNullable<Plan["calibration"]["search"]>;
/** Losses before and after on one split. */
export type PlanLosses = NonNullable<Plan["losses"]["search"]>;
/** The metric before and after on one split. */
export type PlanMetricLosses = NonNullable<NonNullable<Plan["metric"]>["splits"]["search"]>;
/** Importance of one block. */
export type PlanImportance = NonNullable<Plan["importance"]>[number];
/** How good the surrogate was. */
export type PlanSurrogate = NonNullable<Plan["surrogate"]>;

/** At most this many faults are listed in one message. */
const MAX_FAULTS = 5;
/** Characters of what is said of a fault: it may quote the plan. */
const MAX_MESSAGE = 200;
/** Values in a plan at most: three splits of 100,000 windows have 700,000 losses. */
const MAX_VALUES = 1_000_000;
/** From so many values on only the first fault is looked for: to collect all of them takes seconds. */
const MANY_VALUES = 100_000;
/** How deep lists and objects may be nested: those of the schema go to about 10. */
const MAX_DEPTH = 50;
/** Bytes of a plan's file at most: more than so many values take, and what is made of them as JSON stays below 1 GB. */
const MAX_BYTES = 24 * 2 ** 20;

/**
 * Checks a plan. One of version 1 becomes one of version 2, with the same facts.
 * @param name how messages name the document
 * @throws InvalidPlanError that names the places that are wrong, and what was expected there; or if it holds more than 1,000,000
 * values, which are then not looked at
 */
export function parsePlan(value: unknown, name = "the plan"): Plan {
	const format = property(value, "format");
	if (format !== PLAN_FORMAT) throw new InvalidPlanError(`${name} is not a plan of prune-gguf: expected "format": "${PLAN_FORMAT}".`);
	const version = property(value, "version");
	if (!PLAN_VERSIONS.includes(version as (typeof PLAN_VERSIONS)[number])) {
		const known = PLAN_VERSIONS.join(" and ");
		throw new InvalidPlanError(`${name} is a plan of version ${shown(version, 80)}; this program reads versions ${known}.`);
	}
	const values = countValues(value, name);
	const plan = version === PLAN_VERSION ? value : planFromV1(value, name);
	const parsed = v.safeParse(planSchema, plan, { abortEarly: values > MANY_VALUES });
	if (parsed.success) return parsed.output;
	const faults = parsed.issues.slice(0, MAX_FAULTS).map(describeIssue);
	const more = parsed.issues.length > MAX_FAULTS ? [`and ${parsed.issues.length - MAX_FAULTS} more`] : [];
	const read = version === PLAN_VERSION ? "" : " (version 1, with keys named as in version 2)";
	throw new InvalidPlanError(`${name} is not valid${read}:\n${[...faults, ...more].map((fault) => `  ${fault}`).join("\n")}`);
}

/** Numbers, texts, lists and objects in a value, and blocks that texts of sets name. @throws InvalidPlanError if there are more than any plan has, or too deep ones */
function countValues(value: unknown, name: string): number {
	let count = 0;
	let depth = 0;
	for (let level = [value]; level.length > 0; level = level.flatMap(childrenOf)) {
		count += level.length;
		for (const text of level) if (typeof text === "string") count += positionsNamed(text);
		if (count > MAX_VALUES)
			throw new InvalidPlanError(
				`${name} holds more than ${MAX_VALUES.toLocaleString("en-US")} values: no plan does. Check what wrote it.`,
			);
		if (++depth > MAX_DEPTH)
			throw new InvalidPlanError(`${name} nests lists or objects more than ${MAX_DEPTH} deep: no plan does. Check what wrote it.`);
	}
	return count;
}

function childrenOf(value: unknown): readonly unknown[] {
	return typeof value === "object" && value !== null ? Object.values(value) : [];
}

/**
 * Reads a plan.
 * @throws FileError if the file cannot be read
 * @throws InvalidPlanError if it is not JSON, not a plan, or longer than 24 MiB
 */
export async function readPlan(path: string): Promise<Plan> {
	const { handle, size } = await openInput(path, { what: "the plan", give: "a plan of prune-gguf" });
	let text: string;
	try {
		if (size > MAX_BYTES) throw new InvalidPlanError(`${path} has ${size} bytes: a plan has at most ${MAX_BYTES}. Check that it is one.`);
		text = await handle.readFile("utf8");
	} finally {
		await handle.close();
	}
	let value: unknown;
	try {
		// Editors on Windows may put a byte order mark first.
		value = JSON.parse(text.replace(/^\uFEFF/, ""));
	} catch (error) {
		throw new InvalidPlanError(`${path} is not JSON: ${shownText((error as Error).message)}`, { cause: error });
	}
	return parsePlan(value, path);
}

/** How a plan is written. */
export interface WritePlanOptions {
	/** Replace an existing file. @default false */
	readonly overwrite?: boolean;
	/** Files that must never be replaced, whatever `overwrite` says. @default none */
	readonly inputs?: readonly string[];
}

/**
 * Writes a plan, whole or not at all, as JSON that a person can read.
 * @throws InvalidPlanError if the plan is not valid
 * @throws OutputExistsError if the file exists and `overwrite` was not given
 */
export async function writePlan(path: string, plan: PlanInput, options: WritePlanOptions = {}): Promise<Plan> {
	const checked = parsePlan(plan);
	await writeAtomically(path, options, (handle) => handle.writeFile(formatPlan(checked)));
	return checked;
}

/** A plan as JSON text: indented, but lists of numbers on one line each, and sets of blocks as people write them. */
export function formatPlan(plan: Plan): string {
	return `${formatJson(plan, "")}\n`;
}

function formatJson(value: unknown, indent: string): string {
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	const inner = `${indent}\t`;
	if (Array.isArray(value)) {
		if (value.every((item) => typeof item !== "object" || item === null))
			return `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
		return `[\n${value.map((item) => inner + formatJson(item, inner)).join(",\n")}\n${indent}]`;
	}
	const entries = Object.entries(value)
		.filter(([, item]) => item !== undefined)
		.map(([key, item]): [string, unknown] => [key, blocksAsText(key, item)]);
	if (entries.length === 0) return "{}";
	return `{\n${entries.map(([key, item]) => `${inner}${JSON.stringify(key)}: ${formatJson(item, inner)}`).join(",\n")}\n${indent}}`;
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
	const path = pathOf(issue);
	if (issue.type === "strict_object" && issue.expected === "never") return `${shownText(path)}: unknown key`;
	if (issue.received === "undefined") return `${shownText(path)}: missing`;
	const message = shownText(issue.message, MAX_MESSAGE);
	return path ? `${shownText(path)}: ${message}, got ${shown(issue.input)}` : message;
}

/** `losses.heldOut.original.windows[3]`: the way to a value, as one would write it. */
function pathOf(issue: v.BaseIssue<unknown>): string {
	let path = "";
	for (const { key } of issue.path ?? []) path += typeof key === "number" ? `[${key}]` : `${path ? "." : ""}${String(key)}`;
	return path;
}

function shown(value: unknown, most = 60): string {
	const text = JSON.stringify(value) ?? String(value);
	return shownText(text, text.length > most ? most - 3 : most);
}

function property(value: unknown, key: string): unknown {
	return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
