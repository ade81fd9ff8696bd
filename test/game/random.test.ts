import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../../src/game/random.js";

test("equal seeds give equal draws, different seeds different ones", () => {
	const draws = (seed: number | string) => {
		const random = new Random(seed);
		return Array.from({ length: 20 }, () => random.uint32());
	};
	expect(draws(7)).toEqual(draws("7"));
	expect(draws(7)).not.toEqual(draws(8));
	expect(new Set([...draws(0), ...draws(1), ...draws("a"), ...draws("b")]).size).toBe(80);
});

test("draws never change, so that old runs can be replayed", () => {
	const random = new Random(1);
	expect(Array.from({ length: 3 }, () => random.uint32())).toMatchInlineSnapshot(`
		[
		  1818661650,
		  1345086578,
		  681362059,
		]
	`);
});

test("forks do not follow one another", () => {
	const draw = (label: string) => new Random(1).fork(label).uint32();
	expect(draw("a")).toBe(draw("a"));
	expect(draw("a")).not.toBe(draw("b"));
});

test("uniform draws have the right mean, variance and neighbor correlation", () => {
	const random = new Random(3);
	const draws = Array.from({ length: 100_000 }, () => random.uniform());
	const mean = draws.reduce((a, b) => a + b) / draws.length;
	const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
	let neighbors = 0;
	for (let i = 1; i < draws.length; i++) neighbors += (draws[i]! - mean) * (draws[i - 1]! - mean);
	expect(mean).toBeCloseTo(0.5, 2);
	expect(variance).toBeCloseTo(1 / 12, 2);
	expect(neighbors / draws.length / variance).toBeCloseTo(0, 1);
});

test("normal draws have mean 0, variance 1 and a normal fourth moment", () => {
	const random = new Random(4);
	const draws = Array.from({ length: 100_000 }, () => random.normal());
	const moment = (k: number) => draws.reduce((sum, x) => sum + x ** k, 0) / draws.length;
	expect(Math.abs(moment(1))).toBeLessThan(0.02);
	expect(Math.abs(moment(2) - 1)).toBeLessThan(0.03);
	expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2);
});

test("integers are uniform and in range", () => {
	const random = new Random(5);
	const counts = new Array<number>(7).fill(0);
	for (let i = 0; i < 70_000; i++) counts[random.integer(7)]!++;
	for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
	expect(() => random.integer(0)).toThrow(RangeError);
	expect(() => random.integer(1.5)).toThrow(RangeError);
	expect(() => new Random(Number.NaN)).toThrow(RangeError);
});

test("shuffles permute and samples hold different items", () => {
	fc.assert(
		fc.property(fc.integer(), fc.uniqueArray(fc.integer(), { maxLength: 30 }), fc.nat(30), (seed, items, count) => {
			const random = new Random(seed);
			expect([...random.shuffle(items.slice())].sort()).toEqual(items.slice().sort());
			if (count > items.length) expect(() => random.sample(items, count)).toThrow(RangeError);
			else expect(new Set(random.sample(items, count)).size).toBe(count);
		}),
	);
});

test("every order of three is shuffled equally often", () => {
	const random = new Random(6);
	const counts = new Map<string, number>();
	for (let i = 0; i < 12_000; i++) {
		const key = random.shuffle([0, 1, 2]).join("");
		counts.set(key, (counts.get(key) ?? 0) + 1);
	}
	expect(counts.size).toBe(6);
	for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(200);
});
