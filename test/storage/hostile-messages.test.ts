import { describe, expect, it } from "vitest";
import { InvalidLedgerError, InvalidPlanError } from "../../src/errors.js";
import { parseLedger } from "../../src/storage/ledger-format.js";
import { parsePlan } from "../../src/storage/plan.js";
import { quotedText, shownText } from "../../src/storage/shown-text.js";

// What a message quotes of a file can neither steer a terminal nor fill it.

const obeyed = "\u001b]52;c;eA==\u0007\u009b31m\u202e\u2028";
const hostile = [obeyed, "x".repeat(5000), `${"x".repeat(150)}${obeyed}`, "__proto__"];

const thrown = (action: () => unknown): Error => {
	try {
		action();
	} catch (error) {
		return error as Error;
	}
	throw new Error("nothing was thrown");
};

const checkMessage = ({ message }: Error) => {
	expect(message).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
	expect(message.length).toBeLessThan(2500);
};

const header = {
	...{ format: "prune-gguf-ledger", version: 1, key: "0".repeat(64), players: 3, windows: { count: 2, length: 8 } },
	...{ settings: {}, created: "2026-01-01" },
};
const ledger = (...lines: unknown[]) => Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));

describe.each(hostile)("%j", (text) => {
	it.each([
		["a value of a plan", { format: "prune-gguf-plan", version: 2, created: text, removed: text, kept: text, method: { [text]: text } }],
		["a key of a plan", { format: "prune-gguf-plan", version: 2, [text]: 1, model: { [text]: text } }],
		["the version of a plan", { format: "prune-gguf-plan", version: text }],
		["a plan of version 1", { format: "prune-gguf-plan", version: 1, options: { [text]: text }, removed: text }],
	])("%s", (_, plan) => {
		const error = thrown(() => parsePlan(plan));
		expect(error).toBeInstanceOf(InvalidPlanError);
		checkMessage(error);
	});

	it.each([
		["the version of a cache", ledger({ ...header, version: text })],
		["a value of its header", ledger({ ...header, windows: text })],
		["a value of a measurement", ledger(header, { mask: text, losses: text }, {})],
		["the name of a figure", ledger(header, { mask: "101", losses: [1, 2], figures: { [text]: [1] } }, {})],
	])("%s", (_, bytes) => {
		const error = thrown(() => parseLedger(bytes, "the cache"));
		expect(error).toBeInstanceOf(InvalidLedgerError);
		checkMessage(error);
	});
});

it("names are quoted as JSON quotes them, and cut", () => {
	expect(quotedText('a "name"\n')).toBe('"a \\"name\\"\\n"');
	expect(quotedText("\u009b\u202e")).toBe('"\\u009b\\u202e"');
	expect(quotedText("k".repeat(200))).toBe(`"${"k".repeat(100)}..."`);
	expect(shownText("k".repeat(200), 150)).toBe(`${"k".repeat(150)}...`);
});
