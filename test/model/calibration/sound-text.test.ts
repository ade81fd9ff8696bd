import { describe, expect, it } from "vitest";
import { openingKinds, openings } from "../../../src/model/calibration/openings.js";
import { isBroken, isForeign, isLoop } from "../../../src/model/calibration/sound-text.js";

describe("text that a model wrote", () => {
	it("is a loop if more than half of its runs of four tokens were there before", () => {
		const fresh = Array.from({ length: 40 }, (_, i) => i);
		expect(isLoop(fresh)).toBe(false);
		expect(isLoop(Array.from({ length: 40 }, (_, i) => i % 5))).toBe(true);
		expect(isLoop(Array(40).fill(7))).toBe(true);
		// A list repeats itself a little.
		expect(isLoop([...fresh, ...fresh.slice(0, 20)])).toBe(false);
		expect(isLoop([...fresh.slice(0, 10), ...Array(40).fill(3)])).toBe(true);
		expect([isLoop([]), isLoop([1, 1, 1])]).toEqual([false, false]);
	});

	it("is foreign if it goes on in a script that its opening does not have", () => {
		expect(isForeign("The ferry had left", " when Нина came, и было темно.")).toBe(true);
		expect(isForeign("The ferry had left", " when Нина came to the pier with all of her luggage.")).toBe(false);
		expect(isForeign("Река замерзла", " раньше обычного, и жители вышли на лёд.")).toBe(false);
		// Latin letters belong to every text, and kana to Chinese characters.
		expect(isForeign("Река замерзла", ". The river froze.")).toBe(false);
		expect(isForeign("駅前の", "小さなカフェ")).toBe(false);
		expect(isForeign("図書館", "には本があります")).toBe(false);
		expect(isForeign("图书馆", "한국어로 계속")).toBe(true);
		expect([isForeign("List:", "1. 2. 3."), isForeign("", "")]).toEqual([false, false]);
		// A script that has no name here is foreign too.
		expect(isForeign("The ferry", " ႠႡႢႣႤ")).toBe(true);
	});

	it("is broken if more than one in twenty characters are bytes that are no text", () => {
		const broken = "\uFFFD";
		expect(isBroken(broken.repeat(40))).toBe(true);
		// It has no letters at all: nothing is foreign to any opening.
		expect(isForeign("The ferry", broken.repeat(40))).toBe(false);
		const text = (count: number) => `${"a".repeat(50)}${broken.repeat(count)}${"b".repeat(50 - count)}`;
		expect([5, 6].map((count) => isBroken(text(count)))).toEqual([false, true]);
		// An end cuts a character of up to four bytes.
		expect(isBroken(`${broken.repeat(3)}short${broken.repeat(3)}`)).toBe(false);
		expect(isBroken(`short${broken.repeat(4)}`)).toBe(true);
		expect([isBroken(""), isBroken("1. 2. 3."), isBroken("𝒳".repeat(10))]).toEqual([false, false, false]);
	});
});

describe("openings", () => {
	it("take turns by kind, so that a few of them hold many kinds", () => {
		expect(openings.slice(0, openingKinds.length).map(({ kind }) => kind)).toEqual(openingKinds);
		for (const kind of openingKinds) expect(openings.filter((opening) => opening.kind === kind).length).toBeGreaterThanOrEqual(4);
		expect(new Set(openings.map(({ text }) => text)).size).toBe(openings.length);
		for (const { text } of openings) expect(text.length).toBeLessThan(200);
	});
});
