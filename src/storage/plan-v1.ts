// Plans of version 1 as plans of version 2: the same facts under other names.
import { InvalidPlanError } from "../errors.js";
import { shownText } from "./shown-text.js";

type Fields = Readonly<Record<string, unknown>>;
/** What becomes of a value. */
type Change = (value: unknown) => unknown;
/** New name of a key, what becomes of its value, or both. */
type Rule = string | Change | readonly [name: string, change: Change];

/** What version 1 called text that the model generated itself. */
const selfGeneratedBefore = "the model's own samples";

/**
 * A plan of version 1 in the shape of version 2, unchecked. Values of the wrong kind stay as they are, for the check to name.
 * @param name how messages name the document
 * @throws InvalidPlanError for a key or word that only version 2 has, and for options that version 1 could not have
 */
export function planFromV1(plan: unknown, name = "the plan"): unknown {
	try {
		return renamed(planRules)(plan);
	} catch (error) {
		if (error instanceof Fault) throw new InvalidPlanError(`${name} is not valid:\n  ${shownText(error.place)}: ${error.message}`);
		throw error;
	}
}

/** The healing section of version 1, as plans and the cache hold it, in the shape of version 2, unchecked. */
export function healFromV1(section: unknown): unknown {
	return renamed({ report: "heldOut" })(section);
}

/** Something that no plan of version 1 has. */
class Fault extends Error {
	/** The way to it. */
	place: string;

	constructor(place: string, message: string) {
		super(message);
		this.place = place;
	}
}

const unknownKey = (key: string) => new Fault(key, "unknown key in a plan of version 1");

/** Renames keys and changes values of an object; other keys stay. A key that is only a new name is an error. */
function renamed(rules: Readonly<Record<string, Rule>>): Change {
	const fresh = new Set(
		Object.values(rules).flatMap((rule) => (typeof rule === "function" ? [] : [typeof rule === "string" ? rule : rule[0]])),
	);
	return (value) => {
		if (!isFields(value)) return value;
		const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
			const rule = Object.hasOwn(rules, key) ? rules[key]! : undefined;
			if (rule === undefined && fresh.has(key)) throw unknownKey(key);
			if (rule === undefined) return [key, inner];
			if (typeof rule === "string") return [rule, inner];
			return typeof rule === "function" ? [key, within(key, rule, inner)] : [rule[0], within(key, rule[1], inner)];
		});
		return Object.fromEntries(entries);
	};
}

/** The change of a value, with the way to it in errors. */
function within(key: string | number, change: Change, value: unknown): unknown {
	try {
		return change(value);
	} catch (error) {
		if (error instanceof Fault) error.place = error.place === "" ? `${key}` : `${key}.${error.place}`;
		throw error;
	}
}

const each =
	(change: Change): Change =>
	(value) =>
		Array.isArray(value) ? value.map((item, index) => within(index, change, item)) : value;

const eachField =
	(change: Change): Change =>
	(value) =>
		isFields(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, within(key, change, inner)])) : value;

const instead =
	(old: string, now: string): Change =>
	(value) =>
		value === old ? now : value;

/** A word of a fixed list, of which version 1 did not have the new one. */
const word =
	(old: string, now: string): Change =>
	(value) => {
		if (value === now) throw new Fault("", `unknown in a plan of version 1, got ${now}`);
		return value === old ? now : value;
	};

const perSplit = (change: Change): Change => renamed({ search: change, validation: change, report: ["heldOut", change] });
const pair = { full: "original", removed: "pruned" } as const;
const losses = { ...pair, sources: each(renamed(pair)) } as const;
const figures = (value: unknown) => renamed({ nll: "loss" })(eachField(renamed(pair))(value));

const planRules: Readonly<Record<string, Rule>> = {
	version: () => 2,
	options: optionsFromV1,
	calibration: perSplit(renamed({ source: instead(selfGeneratedBefore, "self-generated text") })),
	losses: perSplit(renamed(losses)),
	objective: ["metric", renamed({ folds: ["splits", perSplit(renamed({ ...losses, figures }))] })],
	contributions: "importance",
	surrogate: renamed({ trainMasks: "trainCandidates", heldOutMasks: "heldOutCandidates" }),
	alternatives: each(renamed({ k: "count" })),
	race: ["finalComparison", renamed({ by: word("objective", "metric") })],
	equivalent: "tied",
	gate: ["limits", renamed({ measured: word("mask", "memory") })],
	heal: healFromV1,
	speed: renamed({ through: word("mask", "memory") }),
	timings: renamed({
		"quality gate": "quality limits",
		"healed race": "healed final comparison",
		"quantised alternatives": "quantized alternatives",
	}),
};

/** Options by the places where programs give them; those of version 1 were in one list. */
const places: Readonly<Record<string, string>> = {
	...Object.fromEntries(
		["method", "effort", "maxTime", "maxTokens", "strata", "strataPreset", "epochs", "rounds"].map((name) => [name, `search.${name}`]),
	),
	...Object.fromEntries(["workingWeights", "ubatch", "scoreShare", "stateType"].map((name) => [name, `search.${name}`])),
	masks: "search.maxEvaluations",
	attributionMasks: "search.attributionSamples",
	objective: "metric",
	limit: "maxQuestions",
	maxPplRatio: "limits.maxPplRatio",
	maxKl: "limits.maxKl",
	minAccuracy: "limits.minAccuracy",
	ignoreGate: "limits.ignore",
	healTokens: "heal.tokens",
	healKind: "heal.kind",
	healType: "heal.type",
	healHeads: "heal.heads",
};

/** Options that version 1 wrote in two keys, or in another form. */
const apart = ["removeBlocks", "removeFraction", "targetSpeedup", "speedupOf", "heal", "quantize", "quantizeFrom"];

function optionsFromV1(value: unknown): unknown {
	if (!isFields(value)) return value;
	checkOptions(value);
	const options: Record<string, unknown> = {};
	const { removeBlocks, removeFraction, targetSpeedup, speedupOf, heal, quantize, quantizeFrom } = value;
	if (removeBlocks !== undefined) options.removeBlocks = removeBlocks;
	if (removeFraction !== undefined) options.removeBlocks = typeof removeFraction === "number" ? percentOf(removeFraction) : removeFraction;
	if (targetSpeedup !== undefined) options.targetSpeedup = typeof speedupOf === "string" ? { [speedupOf]: targetSpeedup } : targetSpeedup;
	for (const [name, given] of Object.entries(value)) if (!apart.includes(name)) place(options, name, given);
	// An object heals, and says how.
	if (heal !== undefined && options.heal === undefined) options.heal = heal;
	if (quantizeFrom !== undefined) options.quantize = { ...(quantize === undefined ? {} : { type: quantize }), from: quantizeFrom };
	else if (quantize !== undefined) options.quantize = quantize;
	return options;
}

const isSetting = (value: unknown) => value === null || ["string", "number", "boolean"].includes(typeof value);
/** Keys of options that only version 2 has. */
const freshOptions: ReadonlySet<string> = new Set(Object.values(places).map((way) => way.split(".")[0]!));

/** Options were single values and lists of them: what is put into groups here must not be a group already. */
function checkOptions(options: Fields): void {
	for (const [name, given] of Object.entries(options)) {
		if (freshOptions.has(name) && name !== "heal") throw unknownKey(name);
		if (!isSetting(given) && !(Array.isArray(given) && given.every(isSetting)))
			throw new Fault(name, "expected text, a number, true, false, null or a list of these");
	}
	const { removeBlocks, removeFraction, targetSpeedup, speedupOf, heal } = options;
	if (removeBlocks !== undefined && removeFraction !== undefined) throw new Fault("removeFraction", "not beside removeBlocks");
	if (speedupOf !== undefined && targetSpeedup === undefined) throw new Fault("speedupOf", "only beside targetSpeedup");
	const how = Object.keys(options).find((name) => Object.hasOwn(places, name) && places[name]!.startsWith("heal."));
	if (heal === false && how !== undefined) throw new Fault(how, "not beside heal: false");
}

function place(options: Record<string, unknown>, name: string, given: unknown): void {
	const [group, field] = (Object.hasOwn(places, name) ? places[name]! : name).split(".") as [string, string | undefined];
	const value = name === "minAccuracy" ? accuracies(given) : name === "objective" ? instead("nll", "loss")(given) : given;
	if (field === undefined) options[group] = value;
	else options[group] = { ...(options[group] as Fields | undefined), [field]: value };
}

/** `["arc=0.45"]` as `{ arc: 0.45 }`. */
function accuracies(given: unknown): unknown {
	if (!Array.isArray(given) || !given.every((text) => typeof text === "string" && /.=[^=]+$/.test(text))) return given;
	return Object.fromEntries(
		given.map((text: string) => [text.slice(0, text.lastIndexOf("=")), Number(text.slice(text.lastIndexOf("=") + 1))]),
	);
}

/** A share as people write it, with as few digits as read back exactly. */
function percentOf(share: number): string {
	const written = [15, 16, 17].map((digits) => Number((100 * share).toPrecision(digits)));
	return `${written.find((percent) => Number(`${percent}e-2`) === share) ?? written[2]}%`;
}

function isFields(value: unknown): value is Fields {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
