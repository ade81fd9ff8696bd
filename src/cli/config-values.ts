// What the values of a config file may be, by kind: as a JSON Schema, in words, and as words of a command line.
import type { CommandRow, OptionValue } from "./api.js";

type Json = unknown;
export type JsonSchema = Readonly<Record<string, unknown>>;

interface ValueKind {
	readonly schema: JsonSchema;
	/** For people. */
	readonly expected: string;
	/** As it is written on a command line, one word each time that it is given; undefined for another type. */
	readonly words: (value: Json) => string[] | undefined;
}

const isText = (value: Json): value is string => typeof value === "string" && value !== "";
const isNumber = (value: Json): value is number => typeof value === "number" && Number.isFinite(value);
const one = (test: (value: Json) => boolean) => (value: Json) => (test(value) ? [String(value)] : undefined);
const joinedList = (test: (value: Json) => boolean) => (value: Json) =>
	Array.isArray(value) && value.length > 0 && value.every(test) ? [value.join(",")] : undefined;
const eachOf = (value: Json) => (Array.isArray(value) && value.length > 0 && value.every(isText) ? [...value] : undefined);

const text = { type: "string", minLength: 1 };
const share = { type: "string", pattern: "^\\s*(\\d+\\.?\\d*|\\.\\d+)%$" };
const time = { type: "string", pattern: "^\\s*(\\d+\\.?\\d*|\\.\\d+)\\s*[smhSMH]$" };
const listOf = (items: JsonSchema) => ({ type: "array", items, minItems: 1 });
const either = (...anyOf: readonly JsonSchema[]) => ({ anyOf });
const amount = either({ type: "integer", minimum: 1 }, share);

function rangeOf({ min, max }: { readonly min?: number; readonly max?: number }): JsonSchema {
	return { ...(min === undefined ? {} : { minimum: min }), ...(max === undefined ? {} : { maximum: max }) };
}

function rangeWords({ min, max }: { readonly min?: number; readonly max?: number }): string {
	if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
	return min === undefined ? (max === undefined ? "" : ` of at most ${max}`) : ` of at least ${min}`;
}

/** What a value of each kind may be. */
const kinds: { readonly [Kind in OptionValue["kind"]]: (value: OptionValue & { readonly kind: Kind }) => ValueKind } = {
	switch: () => ({ schema: { type: "boolean" }, expected: "true or false", words: one((given) => typeof given === "boolean") }),
	integer: (value) => {
		const range = { min: value.min ?? 0, ...(value.max === undefined ? {} : { max: value.max }) };
		return { schema: { type: "integer", ...rangeOf(range) }, expected: `a whole number${rangeWords(range)}`, words: one(isNumber) };
	},
	number: (value) => ({
		schema: { type: "number", ...rangeOf(value) },
		expected: `a number${rangeWords(value)}`,
		words: one(isNumber),
	}),
	integers: () => ({
		schema: either({ type: "integer", minimum: 1 }, listOf({ type: "integer", minimum: 1 })),
		expected: "a whole number or a list of them such as [3, 6]",
		words: (given) => (isNumber(given) ? [String(given)] : joinedList(isNumber)(given)),
	}),
	amount: () => ({
		schema: amount,
		expected: 'a number such as 4 or a share such as "25%"',
		words: one((given) => isNumber(given) || isShare(given)),
	}),
	amounts: () => ({
		schema: listOf(amount),
		expected: 'a list of numbers and shares such as [3, "25%"]',
		words: joinedList((given) => isNumber(given) || isShare(given)),
	}),
	share: () => ({ schema: share, expected: 'a share such as "25%"', words: one((given) => isShare(given)) }),
	duration: () => ({ schema: time, expected: 'a time such as "10m"', words: one((given) => isTime(given)) }),
	size: (value) => ({
		schema: either({ type: "integer", minimum: value.min ?? 1 }, text),
		expected: 'a size such as "3.5GB" or a number of bytes',
		words: one((given) => isNumber(given) || isText(given)),
	}),
	speedup: (value) => ({
		schema: either({ type: "number", ...rangeOf(value) }, { type: "string", pattern: "^(prompt|generation):" }),
		expected: 'a number such as 1.3 or "prompt:1.3"',
		words: one((given) => isNumber(given) || isText(given)),
	}),
	heal: (value) => ({
		schema: either({ type: "boolean" }, { type: "integer", ...rangeOf(value) }, time),
		expected: 'true, false, a time such as "10m" or a number of tokens such as 25600',
		words: one((given) => typeof given === "boolean" || isNumber(given) || isTime(given)),
	}),
	blocks: () => ({
		schema: either(listOf({ type: "integer", minimum: 0 }), text),
		expected: 'a list of whole numbers such as [3, 7] or a text such as "3, 12f-15a"',
		words: (given) => (isText(given) ? [given] : joinedList(isNumber)(given)),
	}),
	counts: () => ({
		schema: listOf({ type: "integer", minimum: 0 }),
		expected: "a list of whole numbers such as [3, 7]",
		words: joinedList(isNumber),
	}),
	choice: (value) => ({ schema: { enum: [...value.of] }, expected: `one of ${value.of.join(", ")}`, words: one(isText) }),
	choices: (value) => ({
		schema: listOf({ enum: [...value.of] }),
		expected: `a list of ${value.of.join(", ")}`,
		words: joinedList(isText),
	}),
	fileType: () => ({ schema: text, expected: 'a type such as "Q4_K_M"', words: one(isText) }),
	fileTypes: () => ({ schema: listOf(text), expected: 'a list of types such as ["Q8_0", "Q4_K_M"]', words: joinedList(isText) }),
	files: () => fileNames,
	weightedFiles: () => fileNames,
	eachFile: () => fileNames,
	accuracies: () => ({ schema: listOf(text), expected: 'a list such as ["arc_easy=45%"]', words: eachOf }),
	layers: (value) => ({
		schema: either({ type: "integer", ...rangeOf({ min: 0, ...value }) }, { enum: ["all", "auto"] }),
		expected: 'a whole number, "all" or "auto"',
		words: one((given) => isNumber(given) || isText(given)),
	}),
	names: () => ({
		schema: either(text, listOf(text)),
		expected: "a name or a list of names",
		words: (given) => (isText(given) ? [given] : joinedList(isText)(given)),
	}),
	text: () => ({ schema: text, expected: "a text", words: one(isText) }),
};

const fileNames: ValueKind = { schema: listOf(text), expected: 'a list of file names such as ["a.txt"]', words: eachOf };

/** What a value of an option may be. */
export function valueKind(value: OptionValue): ValueKind {
	// Each function takes the values of its own kind.
	const of = kinds as unknown as Readonly<Record<OptionValue["kind"], (value: OptionValue) => ValueKind>>;
	return of[value.kind](value);
}

const isShare = (value: Json): boolean => isText(value) && new RegExp(share.pattern).test(value);
const isTime = (value: Json): boolean => isText(value) && new RegExp(time.pattern).test(value);

/** The schema of an option, with what switches it off. */
export function schemaOf({ value, off, help }: Pick<CommandRow, "value" | "off" | "help">): JsonSchema {
	const { schema } = valueKind(value);
	return { description: help, ...(off === undefined ? schema : either(schema, { const: false })) };
}
