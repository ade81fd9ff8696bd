import * as v from "valibot";

// The values that plans are made of, with what is said where one is not as it should be.

export const someText = v.pipe(v.string(), v.nonEmpty("expected text, got an empty string"));
export const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected a SHA-256: 64 lower-case hexadecimal digits"));
export const wholeNumber = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(0, "expected a number of at least 0"));
export const positiveWhole = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(1, "expected a number of at least 1"));
export const finiteNumber = v.pipe(v.number(), v.finite("expected a finite number"));
/** JSON has no number for a loss that is not finite: null stands for it. */
export const finiteOrNull = v.nullable(finiteNumber);
