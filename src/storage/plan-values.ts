import * as v from "valibot";
import { isPosition } from "../game/parts.js";
import { parseWritten } from "../notation.js";

// The values that plans are made of, with what is said where one is not as it should be.

export const someText = v.pipe(v.string(), v.nonEmpty("expected text, got an empty string"));
export const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected a SHA-256: 64 lower-case hexadecimal digits"));
export const wholeNumber = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(0, "expected a number of at least 0"));
export const positiveWhole = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(1, "expected a number of at least 1"));
export const finiteNumber = v.pipe(v.number(), v.finite("expected a finite number"));
/** JSON has no number for a loss that is not finite: null stands for it. */
export const finiteOrNull = v.nullable(finiteNumber);

/** i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1. */
const positionNumber = v.pipe(
	v.number(),
	v.check(isPosition, "expected a whole number, or one and a quarter for an attention part, or one and a half for a shifted pair"),
	v.minValue(0, "expected a number of at least 0"),
);
const positions = v.array(positionNumber);
const blocksText = v.pipe(
	v.string(),
	v.rawTransform(({ dataset: { value }, addIssue, NEVER }): number[] => {
		const read = parseWritten(value);
		if ("positions" in read) return read.positions;
		addIssue({ message: read.problem });
		return NEVER;
	}),
);
const positionText = v.pipe(
	v.string(),
	v.rawTransform(({ dataset: { value }, addIssue, NEVER }): number => {
		const read = parseWritten(value);
		if ("positions" in read && read.positions.length === 1) return read.positions[0]!;
		addIssue({ message: "problem" in read ? read.problem : "expected one block, one attention part or one shifted pair, such as 12f-13a" });
		return NEVER;
	}),
);
/** One position as a plan has it: a block by its number, a shifted pair as text such as `12f-13a`, or 12.5 as plans had it before. */
export const position = v.lazy(
	(value): v.GenericSchema<string | number, number> => (typeof value === "string" ? positionText : positionNumber),
);
/** A set of blocks as a plan has it: text such as `3, 12f-15a`, or positions as plans had them before. Read as ascending positions. */
export const blockSet = v.lazy(
	(value): v.GenericSchema<string | number[], number[]> => (typeof value === "string" ? blocksText : positions),
);

/** What JSON text says, if it is by the schema; undefined for what is torn. @param change what is done to it before */
export function parsedAs<T extends v.GenericSchema>(
	schema: T,
	text: string,
	change = (value: unknown): unknown => value,
): v.InferOutput<T> | undefined {
	try {
		const parsed = v.safeParse(schema, change(JSON.parse(text)));
		return parsed.success ? parsed.output : undefined;
	} catch {
		return undefined;
	}
}
