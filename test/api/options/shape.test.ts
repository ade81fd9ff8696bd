import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import type { CommandOptions, OptionCommand } from "../../../src/api/options/row.js";
import { optionsFrom, percentOf, settingsFrom } from "../../../src/api/options/shape.js";
import { optionTable, rowsOf } from "../../../src/api/options/table.js";
import { InvalidOptionError } from "../../../src/errors.js";

const commands: readonly OptionCommand[] = ["prune", "rank", "compare", "frontier", "apply", "evaluate", "speed", "build", "clean"];

describe("the table of options", () => {
	it.each(commands)("names each flag of %s once", (command) => {
		const flags = rowsOf(command).map(({ flag }) => flag);
		expect(flags.length).toBeGreaterThan(0);
		expect(new Set(flags).size).toBe(flags.length);
		expect(flags.filter((flag) => !/^[a-z]+(-[a-z]+)*$/.test(flag))).toEqual([]);
	});

	it("places rows after existing rows", () => {
		const places = Object.values(optionTable).flatMap((row) => {
			const { after, printedAfter, per = {} } = row as { after?: string; printedAfter?: string; per?: Record<string, { after?: string }> };
			return [after, printedAfter, ...Object.values(per).map((one) => one.after)];
		});
		expect(places.filter((name) => name !== undefined && !(name in optionTable))).toEqual([]);
	});
});

describe("options and settings", () => {
	it("are two forms of the same", () => {
		const options = {
			...{ removeBlocks: "25%" as const, targetSize: 1e6, windows: 4 },
			...{ limits: { maxKl: 0.5, questions: ["a.jsonl"], ignore: true }, heal: { tokens: 2048, heads: true } },
			...{ quantize: { type: "Q8_0" as const, from: "f16.gguf" }, search: { maxEvaluations: 60, seed: 3 }, metric: "kl" as const },
		};
		const settings = settingsFrom("prune", options);
		expect(settings).toEqual({
			...{ removeFraction: 0.25, targetSize: 1e6, windows: 4, maxKl: 0.5, limitQuestions: ["a.jsonl"], ignoreLimits: true },
			...{
				heal: true,
				healTokens: 2048,
				healHeads: true,
				quantize: "Q8_0",
				quantizeFrom: "f16.gguf",
				maxEvaluations: 60,
				seed: 3,
				metric: "kl",
			},
		});
		expect(optionsFrom("prune", settings)).toEqual(options);
	});

	it("take the short forms", () => {
		expect(settingsFrom("prune", { heal: true, quantize: "Q4_0", targetSpeedup: 1.3, removeBlocks: 2 })).toEqual({
			...{ heal: true, quantize: "Q4_0", targetSpeedup: 1.3, removeBlocks: 2 },
		});
		expect(settingsFrom("prune", { targetSpeedup: { prompt: 1.3 } })).toEqual({ targetSpeedup: 1.3, speedupOf: "prompt" });
		expect(settingsFrom("rank", { removeBlocks: 4 })).toEqual({ removeBlocks: [4] });
		expect(settingsFrom("rank", { removeBlocks: [3, 6] })).toEqual({ removeBlocks: [3, 6] });
		expect(settingsFrom("compare", { removeBlocks: [3, "25%"] })).toEqual({ removeBlocks: [3], removeFraction: [0.25] });
		expect(optionsFrom("prune", { quantize: "Q4_0", heal: false })).toEqual({ quantize: "Q4_0", heal: false });
	});

	it("keep every share exactly", () => {
		const shares = [...Array.from({ length: 999 }, (_, i) => (i + 1) / 1000), 1 / 3, 1 / 12, 0.07, 11.6 / 100, 1e-7, 1.5e-9];
		const kept = shares.map((removeFraction) => settingsFrom("prune", optionsFrom("prune", { removeFraction })).removeFraction);
		expect(kept).toEqual(shares);
		expect([0.25, 0.116, 0.07, 1 / 3].map(percentOf)).toEqual(["25%", "11.6%", "7%", "33.33333333333333%"]);
	});

	it("say that a model is healed if something says how", () => {
		const settingsOf = (heal: PruneOptions["heal"]) => settingsFrom("prune", { heal });
		expect(settingsOf({})).toEqual({ heal: true });
		expect(settingsOf({ heads: false })).toEqual({ heal: true, healHeads: false });
		expect(settingsOf({ tokens: 2048 })).toEqual({ heal: true, healTokens: 2048 });
		expect(settingsOf({ heads: true })).toEqual({ heal: true, healHeads: true });
		expect(settingsFrom("prune", optionsFrom("prune", { healTokens: 2048 }))).toEqual({ heal: true, healTokens: 2048 });
		for (const heal of [true, false]) expect(settingsFrom("prune", optionsFrom("prune", { heal }))).toEqual({ heal });
	});

	it("take null for nothing", () => {
		const options = {
			search: { method: null, seed: 0 },
			limits: null,
			heal: { tokens: null },
			removeBlocks: null,
		} as unknown as PruneOptions;
		expect(settingsFrom("prune", options)).toEqual({ seed: 0, heal: true });
	});

	it.each([
		["compare", "25%", 'removeBlocks must be a list of numbers of blocks and of shares of them such as [3, "25%"], got "25%"'],
		["prune", ["25%"], 'removeBlocks must be a number of blocks or a share of them such as "25%", got ["25%"]'],
		["prune", "a quarter", 'removeBlocks must be a number of blocks or a share of them such as "25%", got "a quarter"'],
		["rank", "25%", 'removeBlocks must be a number of blocks or a list of such numbers, got "25%"'],
	] as const)("of %s refuse %j as a number of blocks", (command, removeBlocks, message) => {
		const settings = () => settingsFrom(command, { removeBlocks } as CommandOptions[typeof command]);
		expect(settings).toThrow(InvalidOptionError);
		expect(settings).toThrow(message);
	});

	it.each([
		[{ heal: false, healTokens: 4096 }, /leave them out with --no-heal/],
		[{ heal: false, healKind: "map" }, /leave them out with --no-heal/],
		[{ speedupOf: "prompt" }, /a kind of speed-up without a number/],
	] as const)("%j has no options", (settings, message) => {
		expect(() => optionsFrom("prune", settings)).toThrow(InvalidOptionError);
		expect(() => optionsFrom("prune", settings)).toThrow(message);
	});
});
