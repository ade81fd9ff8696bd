import { expect, test } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { FunctionGame } from "../../src/game/function-game.js";
import { LossMeter } from "../../src/game/loss-meter.js";
import { disjointMovesOf, movesOf } from "../../src/game/moves.js";
import { toRows, toSamples } from "../../src/game/sample.js";
import { TableGame } from "../../src/game/table-game.js";
import { fixtureGame } from "../helpers/games.js";
import { tiedSets } from "../../src/game/search/tied.js";

test("the fixture's table is the complete game except for the empty coalition", async () => {
	const game = fixtureGame();
	expect(game.players).toBe(12);
	expect(game.size).toBe(4095);
	expect(game.allows(Coalition.empty(12))).toBe(false);
	await expect(game.measure([Coalition.empty(12)])).rejects.toThrow(/not in the table/);
	const meter = new LossMeter(game);
	expect(await meter.originalLoss()).toBeCloseTo(3.2927, 4);
	expect(game.evaluated).toBe(1);
});

test.each([
	["no JSON", "{"],
	["no mask", '{"nll": 1}'],
	["a mask of other characters", '{"mask": "012", "nll": 1}'],
	["text for a loss", '{"mask": "01", "nll": "1"}'],
	["no windows", '{"mask": "01", "seq": []}'],
	["two lengths", '{"mask": "01", "nll": 1}\n{"mask": "011", "nll": 1}'],
	["nothing", "\n"],
])("a table with %s is refused", (_, text) => {
	expect(() => TableGame.parse(text)).toThrow(RangeError);
});

test("a function game measures each coalition once, keeps the order and refuses what it does not allow", async () => {
	let calls = 0;
	const game = new FunctionGame({
		players: 3,
		loss: (coalition) => {
			calls++;
			return [coalition.size, 2];
		},
		frozen: new Map([[2, "why not"]]),
		allows: (coalition) => coalition.size !== 2,
	});
	const [a, b] = [Coalition.parse("111"), Coalition.parse("001")];
	const measured = await game.measure([a, b, a]);
	expect(measured.map((m) => [...m.losses])).toEqual([
		[3, 2],
		[1, 2],
		[3, 2],
	]);
	expect(calls).toBe(2);
	expect(game.evaluated).toBe(2);
	expect(game.allows(Coalition.parse("110"))).toBe(false);
	await expect(game.measure([Coalition.parse("011")])).rejects.toThrow(/cannot be run/);
	await expect(game.measure([a], { signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow("stop");
});

test("the meter batches, counts distinct coalitions and hands broken models on as Infinity", async () => {
	const batches: number[] = [];
	const inner = new FunctionGame({ players: 2, loss: (coalition) => (coalition.size === 0 ? [1, Number.NaN] : [4 - coalition.size, 2]) });
	const meter = new LossMeter({
		players: 2,
		frozen: new Map(),
		allows: () => true,
		measure: (coalitions) => {
			batches.push(coalitions.length);
			return inner.measure(coalitions);
		},
	});
	const asked = [Coalition.parse("01"), Coalition.parse("00"), Coalition.parse("01")];
	expect([...(await meter.addedLosses(asked))]).toEqual([0.5, Number.POSITIVE_INFINITY, 0.5]);
	await meter.addedLosses(asked);
	expect(batches).toEqual([3]);
	expect(meter.measured).toBe(3);
	expect((await meter.samples()).map((sample) => [sample.coalition.key, sample.value])).toEqual([
		["11", 1],
		["01", Math.exp(-0.5)],
		["00", 0],
	]);
	const broken = new LossMeter(new FunctionGame({ players: 2, loss: () => Number.POSITIVE_INFINITY }));
	await expect(broken.addedLosses([Coalition.parse("01")])).rejects.toThrow(/original model's loss/);
});

test("sets of attention parts alone have all blocks, and are not the original model", async () => {
	const game = new FunctionGame({ players: 3, loss: (coalition) => 2 + 0.1 * coalition.removals });
	const sets = ["111", "ff1", "1f1", "f1f", "0f1"].map((key) => Coalition.parse(key));
	expect(sets.map(({ size }) => size)).toEqual([3, 3, 3, 3, 2]);
	expect(sets.map(({ removals }) => removals)).toEqual([0, 2, 1, 2, 2]);
	expect(sets.map(({ isFull }) => isFull)).toEqual([true, false, false, false, false]);
	const tied = tiedSets(await game.measure(sets));
	expect([...tied.keys()]).toEqual([1, 2]);
	expect(tied.get(2)!.map(({ removed }) => removed.join())).toEqual(["0.25,1.25", "0.25,2.25", "0,1.25"]);
});

test("samples and rows", () => {
	expect(() => toSamples([], Number.NaN)).toThrow(RangeError);
	expect([...toRows([Coalition.parse("101"), Coalition.parse("010")], 3)]).toEqual([1, 0, 1, 0, 1, 0]);
	expect(() => toRows([Coalition.parse("10")], 3)).toThrow(RangeError);
	// Block 0, the attention part of block 1, and 2f-3a.
	expect([...toRows([Coalition.parse("0faf")], 4, "half-block")]).toEqual([0, 0, 0, 1, 1, 0, 0, 1]);
});

test("moves are units, and single blocks for the rest; frozen blocks are in none", () => {
	const game = new FunctionGame({ players: 6, loss: () => 0, frozen: new Map([[0, "x"]]) });
	expect(movesOf(game)).toEqual([[1], [2], [3], [4], [5]]);
	expect(movesOf(game, [[3, 2]])).toEqual([[1], [2, 3], [4], [5]]);
	expect(
		movesOf(game, [
			[0, 1],
			[1, 2],
		]),
	).toEqual([[1, 2], [3], [4], [5]]);
	expect(() => movesOf(game, [[6]])).toThrow(/block 6/);
	expect(() => movesOf(game, [[]])).toThrow(RangeError);
	expect(() =>
		disjointMovesOf(game, [
			[1, 2],
			[2, 3],
		]),
	).toThrow(/block 2/);
});
