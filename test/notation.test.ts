import { describe, expect, it } from "vitest";
import { Coalition } from "../src/game/coalition.js";
import {
	amountText,
	askedAmount,
	countedText,
	beyondBlocks,
	blocksArgument,
	blocksAsText,
	formatBlocks,
	parseBlocks,
	readBlocks,
	removedText,
} from "../src/notation.js";

describe("how sets of blocks are written", () => {
	it.each([
		[[], "none"],
		[[3], "3"],
		[[3, 7, 8, 9, 12.5, 13.5, 14.5], "3, 7-9, 12f-15a"],
		[[2.5], "2f-3a"],
		[[0, 1.5, 3, 4.5], "0, 1f-2a, 3, 4f-5a"],
		[[14.25], "14a"],
		[[3, 6.25, 7.25, 8.25, 9.25, 12.5, 13.5, 14.5, 20], "3, 6-9a, 12f-15a, 20"],
	])("%j is %s", (positions, text) => {
		expect(formatBlocks(positions)).toBe(text);
	});

	it("what is written is read again, for every set of six blocks", () => {
		const sets = new Set<string>();
		const tryAll = (positions: number[], from: number) => {
			const one = Coalition.ofRemoved(6, positions).removed();
			if (positions.length > 0) expect(parseBlocks(blocksArgument(positions))).toEqual({ positions: one });
			sets.add(one.join());
			// In quarters, from which on a part is free: an attention part takes one, a block or a shifted pair two.
			for (let next = from; next <= 5.25; next += 0.25) {
				if (next % 1 === 0.75 || (next % 1 === 0.25 && next - 0.25 < from)) continue;
				if (next > 5 && next % 1 !== 0.25) continue;
				tryAll([...positions, next], next % 1 === 0.25 ? next + 0.25 : next + 1);
			}
		};
		tryAll([], 0);
		const whole = [...sets].filter((set) => !set.includes(".25"));
		expect(whole.length).toBe(233);
		expect(sets.size).toBeGreaterThan(233);
	});

	it.each([
		["12f-15a, 3", [3, 12.5, 13.5, 14.5]],
		["12f - 13a", [12.5]],
		["9,7-8", [7, 8, 9]],
		["14a, 6 - 9a", [6.25, 7.25, 8.25, 9.25, 14.25]],
		["14-14a", [14.25]],
		["3a, 3f-5a", [3, 4, 5.25]],
	])("reads %s", (text, positions) => {
		expect(parseBlocks(text)).toEqual({ positions });
	});

	it.each([
		["12f", "The nearest is 12f-13a, or 11f-12a if block 12 is the last"],
		["12f-12f", "The nearest is 12f-13a, or 11f-12a if block 12 is the last"],
		["12f-15f", "The nearest is 12f-15a"],
		["12f-15", "The nearest is 12f-15a"],
		["12a-15a", "write 12-15a for the attention parts alone"],
		["12a-15", "is blocks as a whole: write 12-15"],
		["12-15f", "is blocks as a whole: write 12-15"],
		["12-12f", "is blocks as a whole: write 12"],
		["12f-12a", "The nearest is 12"],
		["9f-7", "write 7-9"],
		["9-7a", "write 7-9"],
		["3,3a", "3 and 3a share a part"],
		["3a,3a", "3a is named twice"],
		["2f-3a,3a", "2f-3a and 3a share a part"],
		["12a-15f", "write 12-15"],
		["15-12", "write 12-15"],
		["15a-12f", "write 12f-15a"],
		["9f-7a", "write 7-9"],
		["15f-12", "write 12-15"],
		["3,3", "block 3 is named twice"],
		["2f-3a,2f-3a", "2f-3a is named twice"],
		["3,3f-4a", "3 and 3f-4a share a part"],
		["2f-3a,3", "2f-3a and 3 share a part"],
		["x", "expected block numbers"],
		["", "expected block numbers"],
		["1,,2", "expected block numbers"],
		["-1", "expected block numbers"],
		["1.5", "expected block numbers"],
		["12345", "expected block numbers"],
	])("%s is refused and says what is near", (text, problem) => {
		const read = parseBlocks(text);
		expect("problem" in read && read.problem).toContain(problem);
	});
});

it.each([
	[[3], "1 of 12 blocks"],
	[[3, 7.5, 8.5], "3 of 12 blocks"],
	[[6.25, 7.25], "the attention of 2 of 12 blocks"],
	[[1, 3.25], "1 of 12 blocks and the attention of 1 other"],
	[[1, 2.5, 6.25, 7.25], "2 of 12 blocks and the attention of 2 others"],
])("%j is %s", (positions, text) => {
	expect(amountText(positions, 12)).toBe(text);
});

describe("the nearest range that a refusal names", () => {
	const parts = ["", "a", "f"];
	const ranges = (blocks: readonly number[]) =>
		blocks.flatMap((from) => blocks.flatMap((to) => parts.flatMap((first) => parts.map((last) => `${from}${first}-${to}${last}`))));
	it("is in a model whose last block is the last one named, or another is", () => {
		for (const text of [...ranges([7, 10, 11]), "11f", "0f"]) {
			const read = parseBlocks(text);
			if ("positions" in read) continue;
			const named = [...read.problem.matchAll(/(?:nearest is|, or|write) ([\daf-]+)/g)].map(([, range]) => range!);
			const blocks = text === "0f" ? 2 : 12;
			const good = named.filter((range) => {
				const advised = parseBlocks(range);
				return "positions" in advised && beyondBlocks(advised.positions, blocks) === undefined;
			});
			expect(good, `${text}: ${read.problem}`).not.toEqual([]);
			expect(named.length - good.length, read.problem).toBeLessThanOrEqual(good.length);
		}
	});
});

describe("a range that ends before it begins", () => {
	const parts = ["", "a", "f"];
	it.each(parts.flatMap((first) => parts.map((last) => `9${first}-7${last}`)))("%s gets advice that is read without a problem", (text) => {
		const read = parseBlocks(text);
		const advice = /^\S+ ends before it begins: write (\S+)$/.exec("problem" in read ? read.problem : "")?.[1];
		expect(parseBlocks(advice!)).toHaveProperty("positions");
	});
});

describe("sets of blocks as options give them", () => {
	it.each([
		[
			[9, 12.5, 3, 9],
			[3, 9, 12.5],
		],
		["9, 12f-14a", [9, 12.5, 13.5]],
		[[], []],
		[
			[3.5, 3.25],
			[3, 4.25],
		],
	])("%j", (given, positions) => {
		expect(readBlocks(given)).toEqual({ positions });
	});

	it.each([
		[[3.75], "expected block numbers from 0, such as 3, 3.25 for 3a, or 3.5 for 3f-4a, got 3.75"],
		[[3, 3.25], "3 and 3a share a part"],
		[[-1], "got -1"],
		[[Number.NaN], "got NaN"],
		[["3"], 'got "3"'],
		[3, "expected block numbers such as [3, 7] or a text such as"],
		[undefined, "got undefined"],
		[[2.5, 3], "2f-3a and 3 share a part"],
		["12f", "The nearest is 12f-13a"],
	])("refuses %j", (given, problem) => {
		const read = readBlocks(given);
		expect("problem" in read && read.problem).toContain(problem);
	});
});

describe("sets that go beyond the end of a model of 12 blocks", () => {
	it.each([
		["0-11", undefined],
		["3, 10f-11a", undefined],
		["7-40", "there is no block 12: the blocks are 0 to 11; the nearest range is 7-11"],
		["9f-15a", "there is no block 12: the blocks are 0 to 11; the nearest range is 9f-11a"],
		["3, 11f-12a", "there is no block 12: the blocks are 0 to 11; the nearest range is 10f-11a"],
		["20f-22a", "there is no block 21: the blocks are 0 to 11; the nearest range is 10f-11a"],
		["3, 40", "there is no block 40: the blocks are 0 to 11"],
		["9-14a", "there is no block 12: the blocks are 0 to 11; the nearest range is 9-11a"],
		["40a", "there is no block 40: the blocks are 0 to 11"],
	])("%s", (text, problem) => {
		expect(beyondBlocks((parseBlocks(text) as { positions: number[] }).positions, 12)).toBe(problem);
	});

	it("of one block name no shifted pair, which it lacks", () => {
		expect(beyondBlocks([0.5], 1)).toBe("there is no block 1: the blocks are 0 to 0");
	});
});

it("sets of blocks are text in JSON, and nothing else is changed", () => {
	const value = { removed: [3, 4, 6.5, 9.25], chosen: true, better: [], units: [[0, 1], [4]], sizes: [{ removed: 3 }], windows: [1, 2] };
	expect(JSON.parse(JSON.stringify(value, blocksAsText))).toEqual({
		...{ removed: "3-4, 6f-7a, 9a", chosen: true, better: "none", units: ["0-1", "4"] },
		...{ sizes: [{ removed: 3 }], windows: [1, 2] },
	});
});

it.each([
	[[3], "1 block", "-n 1", "block 3"],
	[[3, 4.5], "2 blocks", "-n 2", "blocks 3, 4f-5a"],
	[[6.25], "1 attention part", "--remove-attention 1", "6a"],
	[[3, 6.25, 7.25], "1 block and 2 attention parts", "-n 1 --remove-attention 2", "3, 6-7a"],
])("%j is asked for and named in a sentence", (positions, words, options, text) => {
	expect(askedAmount(positions)).toEqual({ words, options });
	expect(removedText(positions)).toBe(text);
});

it("a set with how many it is names no attention part a block", () => {
	expect(countedText([3])).toBe("block 3");
	expect(countedText([3.25])).toBe("3a");
	expect(countedText([3, 6])).toBe("2 blocks, 3, 6");
	expect(countedText([3, 6.25, 7.25])).toBe("1 block and 2 attention parts, 3, 6-7a");
});
