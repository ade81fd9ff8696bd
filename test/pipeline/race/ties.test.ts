import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { Game, Measurement } from "../../../src/game/game.js";
import type { SourceShare } from "../../../src/game/sources.js";
import { beats, replaces } from "../../../src/pipeline/race/beats.js";
import { type Field, furtherAtMost, mostTied, tellApart, tieRounds } from "../../../src/pipeline/race/ties.js";

const players = 6;
const windows = 10;
/** Windows that differ, so that only pairs distinguish sets; `set` shifts their order. */
const noise = (part: number, set: number, size: number) =>
	Array.from({ length: windows }, (_, i) => size * (((i * 7 + part * 3 + set * 3) % 10) - 4.5));
const measured = (removed: readonly number[], losses: readonly number[], sources?: readonly SourceShare[]): Measurement => ({
	coalition: Coalition.ofRemoved(players, removed),
	losses: Float64Array.from(losses),
	...(sources ? { sources } : {}),
});

/** Sets with one true loss each, seen through noise; the requests for each part are recorded. */
function text(truth: ReadonlyMap<string, number>, { size = 0.1, parts = 7 } = {}) {
	const asked: string[][] = [];
	const names = [...truth.keys()];
	const lossOf = (removed: readonly number[], part: number) => {
		const name = removed.join();
		return noise(part, names.indexOf(name), size).map((x) => truth.get(name)! + x);
	};
	const further = async (part: number): Promise<Game | undefined> => {
		if (part >= parts) return undefined;
		return {
			players,
			frozen: new Map(),
			allows: () => true,
			measure: async (sets) => {
				asked[part] = sets.map((set) => set.removed().join());
				return sets.map((set) => measured(set.removed(), lossOf(set.removed(), part + 1)));
			},
		};
	};
	return { asked, further, first: (...removed: number[]) => measured(removed, lossOf(removed, 0)) };
}
const mean = (losses: Float64Array) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
const removedOf = (sets: readonly Measurement[]) => sets.map(({ coalition }) => coalition.removed().join());

describe("sets that are tied on the validation split", () => {
	it("get twice, four, eight times its text, until the surely worse ones are out", async () => {
		const { asked, further, first } = text(
			new Map([
				["1,2", 2.0],
				["1,3", 2.06],
				["2,3", 2.6],
				["2,4", 2.002],
			]),
			{ size: 0.03 },
		);
		const field = [first(1, 3), first(1, 2), first(2, 3), first(2, 4)];
		const { fields, parts } = await tellApart([field], { further, rounds: 3, masks: 100 });
		// The worst was out on the split; the second after a round, for 0.06 beside an error of 0.04 there.
		expect(asked.every((sets) => !sets.includes("2,3"))).toBe(true);
		expect(asked[0]).toHaveLength(3);
		expect(parts.length).toBe(7);
		expect(asked.at(-1)!.sort()).toEqual(["1,2", "2,4"]);
		expect(removedOf(fields[0]!)).toEqual(["1,2", "2,4"]);
		expect(fields[0]![0].losses.length).toBe(80);
		expect(parts.map((sets) => sets.length)).toEqual(asked.map((sets) => sets.length));
	});

	it("ask for nothing where one is surely best, all are the same, or none can matter", async () => {
		const { further, first } = text(
			new Map([
				["1,2", 2],
				["1,3", 2.5],
			]),
			{ size: 0.01 },
		);
		const same = measured([2, 3], Array.from(first(1, 2).losses));
		const near = measured(
			[2, 4],
			Array.from(first(1, 2).losses, (x, i) => x + (i % 2 ? -0.001 : 0.002)),
		);
		const sizes = [[first(1, 2), first(1, 3)], [first(1, 2), same], [first(1, 2), near], [first(1, 3)]];
		const { fields, parts } = await tellApart(sizes, { further, rounds: 3, masks: 100 });
		expect(parts).toEqual([]);
		expect(fields.map(removedOf)).toEqual([["1,2"], ["1,2", "2,3"], ["1,2", "2,4"], ["1,3"]]);
	});

	it("keep to the masks, to the rounds and to the text that there is, sizes with fewer sets first", async () => {
		const truth = new Map([
			["1", 2],
			["2", 2.01],
			["3", 2.02],
			["1,2", 2],
			["1,3", 2.01],
		]);
		const run = async (masks: number, rounds: number, parts: number) => {
			const { asked, further, first } = text(truth, { size: 0.2, parts });
			await tellApart(
				[
					[first(1), first(2), first(3)],
					[first(1, 2), first(1, 3)],
				],
				{ further, rounds, masks },
			);
			return asked.map((sets) => sets.length);
		};
		expect(await run(100, 1, 7)).toEqual([5]);
		// Two of the three of the other size.
		expect(await run(4, 3, 7)).toEqual([4]);
		expect(await run(3, 3, 7)).toEqual([2]);
		expect(await run(1, 3, 7)).toEqual([]);
		expect(await run(9, 2, 7)).toEqual([5, 2, 2]);
		expect(await run(100, 3, 2)).toEqual([5, 5]);
		expect(await run(100, 0, 7)).toEqual([]);
	});

	it("are cut to the best ones where the masks do not reach for all of them", async () => {
		const truth = new Map([
			["1", 2],
			["2", 2.01],
			["3", 2.02],
			["4", 2.03],
		]);
		const { asked, further, first } = text(truth, { size: 0.2 });
		const field = [first(4), first(3), first(2), first(1)];
		const order = removedOf([...field].sort((a, b) => mean(a.losses) - mean(b.losses)));
		const { fields, stopped } = await tellApart([field], { further, rounds: 1, masks: 3 });
		expect([...asked[0]!].sort()).toEqual(order.slice(0, 3).sort());
		expect(stopped).toBe("masks");
		// All that are left were measured on the same windows; the fourth is named no more.
		expect(fields[0]!.every(({ losses }) => losses.length === 2 * windows)).toBe(true);
		expect(removedOf(fields[0]!)).not.toContain(order[3]);
		// Where there is no text, nothing was measured further, and all stay.
		const none = await tellApart([field], { further: async () => undefined, rounds: 1, masks: 3 });
		expect(none.fields[0]).toHaveLength(4);
		expect(none.stopped).toBe("text");
	});

	it("are halved in each round; those left out are named with the sets that they left", async () => {
		const truth = new Map(["1", "2", "3", "4", "5", "1,2"].map((name, i) => [name, 2 + i / 100]));
		const { asked, further, first } = text(truth, { size: 0.2 });
		const field = [first(4), first(3), first(2), first(1), first(5)];
		const order = removedOf([...field].sort((a, b) => mean(a.losses) - mean(b.losses)));
		const { fields, leftOut, stopped } = await tellApart([field, [first(1, 2)]], { further, rounds: 3, masks: 100, most: mostTied });
		expect(asked.map((sets) => sets.length)).toEqual([4, 2, 2, 2, 2, 2, 2]);
		expect([...asked[0]!].sort()).toEqual(order.slice(0, 4).sort());
		// It was the masks that ended nothing.
		expect(stopped).toBeUndefined();
		expect(removedOf(fields[0]!)).toEqual([...asked[6]!].sort());
		const kept = new Set(asked[6]);
		expect(removedOf(leftOut.map(({ set }) => set)).sort()).toEqual(order.filter((name) => !kept.has(name)).sort());
		for (const left of leftOut) {
			expect(left.among).toContain(left.set);
			expect(left.among.every(({ losses }) => losses.length === left.set.losses.length)).toBe(true);
		}
		expect(leftOut.map(({ set }) => set.losses.length)).toEqual([1, 2, 2].map((parts) => parts * windows));
		// Without more text nobody is left out.
		expect((await tellApart([field], { further: async () => undefined, rounds: 3, masks: 100, most: mostTied })).leftOut).toEqual([]);
	});

	it("go on by all that is known of them, not by the text of the race alone", async () => {
		const truth = new Map(["1", "2", "3", "4", "5"].map((name, i) => [name, 2 + i / 1000]));
		const { asked, further, first } = text(truth, { size: 0.2 });
		const field = [1, 2, 3, 4, 5].map((block) => first(block));
		const last = removedOf([...field].sort((a, b) => mean(a.losses) - mean(b.losses))).at(-1)!;
		const supported = (sets: Field): Field => {
			const [one] = sets.filter((set) => set.coalition.removed().join() === last);
			return one ? [one, ...sets.filter((set) => set !== one)] : sets;
		};
		const { leftOut } = await tellApart([field], { further, rounds: 1, masks: 100, most: () => 2, supported });
		expect(asked[0]).toContain(last);
		expect(leftOut).toHaveLength(3);
	});

	it("go on beside the lowest mean and the whole blocks that a cut must beat", async () => {
		const names = ["1.5,3", "2.5,4", "3.5,5", "1,2"];
		const { asked, further } = text(new Map(names.map((name, i) => [name, 2 + i / 1000])), { size: 0.2 });
		const first = (removed: number[], at: number) =>
			measured(
				removed,
				noise(0, at, 0.2).map((x) => 2 + x + at / 1000),
			);
		const field = [first([1.5, 3], 0), first([2.5, 4], 1), first([3.5, 5], 2), first([1, 2], 3)];
		// The one with the lowest mean is the last by all that is known.
		const supported = (sets: Field): Field => [...sets].reverse() as unknown as Field;
		await tellApart([field], { further, rounds: 2, masks: 100, most: () => 2, supported });
		const lowest = removedOf([...field].sort((a, b) => mean(a.losses) - mean(b.losses)))[0]!;
		expect(asked[0]).toContain(lowest);
		expect(asked[0]).toContain("1,2");
		for (const sets of asked) expect(sets.length).toBeGreaterThan(1);
	});

	it("get none where the best of them are as good as each other, and no limit is named", async () => {
		const { asked, further, first } = text(new Map([["1", 2]]), { size: 0.2 });
		const like = (block: number, by: number, swing = 0) =>
			measured(
				[block],
				Array.from(first(1).losses, (x, i) => x + by + (i % 2 ? swing : -swing)),
			);
		// The first two differ by 0.001 in every window; nothing is sure of the third.
		const field = [first(1), like(2, 0.001, 0.0015), like(3, 0.02, 0.1)];
		const { leftOut, stopped, fields } = await tellApart([field], { further, rounds: 1, masks: 100, most: () => 2 });
		expect([asked.length, leftOut.length, stopped, fields[0]!.length]).toEqual([0, 0, undefined, 3]);
	});

	it("come back where all that went on break on further text", async () => {
		const truth = new Map([
			["1", Number.POSITIVE_INFINITY],
			["2", Number.POSITIVE_INFINITY],
			["3", 2.02],
		]);
		const { further, first } = text(truth, { size: 0.2 });
		const sound = first(3);
		const like = (block: number, by: number, at: number) =>
			measured(
				[block],
				noise(0, at, 0.2).map((x) => 2 + by + x),
			);
		const field = [like(1, 0, 5), like(2, 0.01, 8), sound];
		const { fields, leftOut } = await tellApart([field], { further, rounds: 1, masks: 100, most: () => 2 });
		expect(removedOf(fields[0]!)).toEqual(["3"]);
		expect(leftOut).toEqual([]);
	});

	it("come back tied with each other alone where those that went on break in a later round", async () => {
		const { asked, further, first } = text(new Map(["1", "2", "3", "4"].map((name, i) => [name, 2 + i / 100])), { size: 0.2 });
		const breaking = async (part: number) => {
			const game = (await further(part))!;
			const measure = async (sets: readonly Coalition[]) => {
				const found = await game.measure(sets);
				return part === 0 ? found : found.map((set) => ({ ...set, losses: set.losses.fill(Number.POSITIVE_INFINITY) }));
			};
			return { measure };
		};
		const field = [1, 2, 3, 4].map((block) => first(block));
		const { fields, leftOut } = await tellApart([field], { further: breaking, rounds: 2, masks: 100, most: () => 2 });
		expect(asked).toEqual(Array(3).fill(["1", "2"]));
		expect(fields.map(removedOf)).toEqual([["3", "4"]]);
		expect(leftOut).toEqual([]);
	});

	it.each<[string, boolean, readonly number[][], readonly number[]]>([
		["of whole blocks", false, [[1], [2], [3], [4], [5]], [4, 8, 16]],
		[
			"with half-block cuts",
			true,
			[
				[1.5, 3],
				[2.5, 4],
				[3.5, 5],
				[0.5, 2],
				[1, 2],
			],
			[4, 10, 22],
		],
		["that are three", false, [[1], [2], [3]], [3, 7, 15]],
	])("take as much as announced at most, %s", async (_, cuts, sets, most) => {
		for (const [i, effort] of (["quick", "standard", "thorough"] as const).entries()) {
			// All stay tied, and the whole blocks, which no cut beats, are last of all.
			const { asked, further, first } = text(new Map(sets.map((set, at) => [set.join(), 2 + at / 1000])), { size: 0.2 });
			const field = sets.map((set) => first(...set));
			const { parts } = await tellApart([field], { further, rounds: tieRounds[effort], masks: 100, most: mostTied });
			expect(parts.flat().length).toBe(most[i]);
			expect(asked.flat()).toHaveLength(most[i]!);
			expect(furtherAtMost(effort, sets.length, cuts)).toBe(most[i]);
		}
		expect(furtherAtMost("thorough", 0, cuts)).toBe(0);
	});

	it("keep the best whole blocks among those that they are cut to", async () => {
		const truth = new Map([
			["1.5,3", 2],
			["2.5,4", 2.001],
			["3.5,5", 2.002],
			["1,2", 2.003],
		]);
		const { asked, further } = text(truth, { size: 0.2 });
		// The errors of these differences reach beyond what they are.
		const first = (removed: number[], at: number) =>
			measured(
				removed,
				noise(0, at, 0.2).map((x) => 2 + x + truth.get(removed.join())! - 2),
			);
		const field = [first([1.5, 3], 0), first([2.5, 4], 1), first([3.5, 5], 2), first([1, 2], 3)];
		await tellApart([field], { further, rounds: 1, masks: 2 });
		expect([...asked[0]!].sort()).toEqual(["1,2", "1.5,3"]);
	});

	it("lose when they break on the further text", async () => {
		const { further, first } = text(
			new Map([
				["1,2", Number.POSITIVE_INFINITY],
				["1,3", 2.1],
			]),
		);
		const better = measured(
			[1, 2],
			Array.from(first(1, 3).losses, (x, i) => x + (i % 2 ? -0.3 : 0.2)),
		);
		const { fields } = await tellApart([[better, first(1, 3)]], { further, rounds: 3, masks: 100 });
		expect(removedOf(fields[0]!)).toEqual(["1,3"]);
	});

	it("go on where a source has a single window, which says nothing of chance", async () => {
		const sources = [
			{ name: "a", count: 1, weight: 1 },
			{ name: "b", count: 1, weight: 1 },
		];
		const part = (removed: number[], loss: number) => measured(removed, [loss, loss + 0.1], sources);
		const losses = new Map([
			["1", 2.2],
			["2", 2],
		]);
		const game = {
			measure: async (asked: readonly Coalition[]) => asked.map((set) => part([...set.removed()], losses.get(set.removed().join())!)),
		};
		const field = [part([1], 2), part([2], 2.1)];
		const more = await tellApart([field], { further: async () => game as unknown as Game, rounds: 1, masks: 9 });
		expect(removedOf(more.fields[0]!)).toEqual(["2", "1"]);
		expect(more.stopped).toBeUndefined();
		const none = await tellApart([field], { further: async () => undefined, rounds: 1, masks: 9 });
		expect(removedOf(none.fields[0]!)).toEqual(["1", "2"]);
		expect(none.stopped).toBe("text");
	});

	it("are compared source by source", async () => {
		const sources = [
			{ name: "a", count: 2, weight: 1 },
			{ name: "b", count: 2, weight: 3 },
		];
		const part = (removed: number[], a: number, b: number) => measured(removed, [a, a + 0.1, b, b + 0.1], sources);
		const game = { players, frozen: new Map(), allows: () => true, measure: async () => [part([1], 2, 3.4), part([2], 2.9, 2.9)] };
		const tied = measured([2], [2.2, 1.9, 3.2, 3.0], sources);
		const { fields } = await tellApart([[part([1], 2, 3), tied]], { further: async () => game as Game, rounds: 1, masks: 9 });
		const [best] = fields[0]!;
		expect(best.coalition.removed()).toEqual([2]);
		expect(Array.from(best.losses)).toEqual([2.2, 1.9, 2.9, 3.0, 3.2, 3.0, 2.9, 3.0]);
		expect(best.sources!.map(({ count }) => count)).toEqual([4, 4]);
	});
});

describe("sets with half-block cuts", () => {
	const none = async () => undefined;
	const fieldsOf = async (sets: readonly Measurement[], more: Partial<Parameters<typeof tellApart>[1]> = {}) =>
		(await tellApart([sets], { further: none, rounds: 3, masks: 100, ...more })).fields.map(removedOf);
	/** Better than 2 nats by so much, seen with an error of about 0.0048 of the mean. */
	const better = (removed: readonly number[], by: number, size = 0.005) =>
		measured(
			removed,
			noise(0, 0, 0.1).map((x, i) => 2 + x - by + (i % 2 === 0 ? size : -size) * 2.87),
		);
	const whole = measured(
		[1, 2],
		noise(0, 0, 0.1).map((x) => 2 + x),
	);

	it("win by more than the standard error of the difference, else the best whole blocks do", async () => {
		// The error is 0.0048 nats.
		expect(await fieldsOf([whole, better([1.5, 3], 0.0053)])).toEqual([["1.5,3", "1,2"]]);
		expect(await fieldsOf([whole, better([1.5, 3], 0.0043)])).toEqual([["1,2", "1.5,3"]]);
		// Among whole blocks the lowest mean wins, whatever its error.
		expect(await fieldsOf([whole, better([1, 3], 0.0001)])).toEqual([["1,3", "1,2"]]);
	});

	it("take the place of whole blocks, and give it up, by the same rule", () => {
		const [ahead, close, behind] = [0.0053, 0.0043, -0.001].map((by) => better([1.5, 3], by));
		expect([ahead, close, behind].map((set) => beats(set!, whole))).toEqual([true, false, false]);
		expect([ahead, close, behind].map((set) => beats(whole, set!))).toEqual([false, true, true]);
		// Sets of one kind: the lower mean.
		expect([beats(better([1, 3], 0.0001), whole), beats(whole, better([1, 3], 0.0001))]).toEqual([true, false]);
		expect(beats(better([1.5, 3], 0.0002), better([2.5, 4], 0.0001))).toBe(true);
		// Attention parts are no cuts: with a cut among them a set is one that holds cuts.
		const attention = measured([3, 5.25], Array.from(whole.losses));
		expect([0.0043, 0.0053].map((by) => beats(better([3.5, 5.25], by), attention))).toEqual([false, true]);
		expect([beats(better([4.25, 5.25], 0.0001), whole), beats(whole, better([4.25, 5.25], 0.0001))]).toEqual([true, false]);
		expect(replaces(better([4.25, 5.25], 0.0043), whole)).toBe(false);
		// The place of a set that was chosen by more than this text is taken by more than the error alone, of one kind too.
		expect([0.0053, 0.0043].map((by) => replaces(better([1, 3], by), whole))).toEqual([true, false]);
		expect([ahead, close, behind].map((set) => replaces(set!, whole))).toEqual([true, false, false]);
		expect([ahead, close, behind].map((set) => replaces(whole, set!))).toEqual([false, true, true]);
		// One that breaks the model takes no place.
		const broken = measured([1.5, 3], Array(windows).fill(Number.NaN));
		expect([beats(broken, whole), beats(whole, broken)]).toEqual([false, true]);
		expect([replaces(broken, whole), replaces(whole, broken)]).toEqual([false, true]);
	});

	it("that are surely better leave whole blocks behind", async () => {
		expect(await fieldsOf([whole, better([1.5, 3], 0.1)])).toEqual([["1.5,3"]]);
	});

	it("are held against the best set of whole blocks, not against one whose error is larger", async () => {
		const noisy = better([2, 4], 0.002, 0.003);
		expect(await fieldsOf([whole, better([1.5, 3], 0.0038), noisy])).toEqual([["2,4", "1.5,3", "1,2"]]);
		// Differs from the half-block cut by 0.002 in every window.
		expect(await fieldsOf([whole, better([1.5, 3], 0.004), better([2, 4], 0.002)])).toEqual([["1.5,3", "1,2"]]);
	});

	it("that come first by what else is known are held against the whole blocks with the lowest mean, not against those that come first", async () => {
		const [cut, wholes] = [better([1.5, 3], 0.006), better([2, 4], 0.004, 0.03)];
		const supported = (order: readonly number[]) => (field: Field) => order.map((i) => field[i]!) as unknown as Field;
		// In order of the mean: the half-block cut, 2 4, 1 2. The cut beats 1 2 but not 2 4.
		expect([beats(cut, whole), beats(cut, wholes)]).toEqual([true, false]);
		expect(await fieldsOf([whole, cut, wholes], { supported: supported([0, 2, 1]) })).toEqual([["1,2", "1.5,3", "2,4"]]);
	});

	it("that come first are held against whole blocks that were surely worse than another cut", async () => {
		const best = better([1.5, 3], 0.1);
		const [behind, level] = [-0.001, 0.02].map((by) => better([2.5, 4], by, 0.15));
		const supported = ([first, second]: Field): Field => [second!, first];
		// Nothing is known of the second cut but that it may be as good as the best: it must beat the whole blocks itself.
		expect(await fieldsOf([whole, best, behind!], { supported })).toEqual([["1.5,3", "2.5,4"]]);
		expect(beats(level!, whole)).toBe(false);
		const good = better([2.5, 4], 0.09, 0.05);
		expect(beats(good, whole)).toBe(true);
		expect(await fieldsOf([whole, best, good], { supported })).toEqual([["2.5,4", "1.5,3"]]);
	});

	it("are held against whole blocks that another cut ousted, on all text that they are measured on", async () => {
		// The first cut ousts the whole blocks on the split, where the second one does not beat them; on further text the first one falls.
		const [first, second] = [better([1.5, 3], 0.02, 0.006), better([2.5, 4], 0.003, 0.017)];
		expect(beats(second, whole)).toBe(false);
		const losses = new Map([
			["1,2", whole],
			["1.5,3", better([1.5, 3], -0.04, 0.006)],
			["2.5,4", better([2.5, 4], 0.001, 0.006)],
		]);
		const asked: string[][] = [];
		const measure = async (sets: readonly Coalition[]) => {
			asked.push(sets.map((set) => set.removed().join()));
			return sets.map((set) => losses.get(set.removed().join())!);
		};
		const further = async () => ({ measure });
		expect(await fieldsOf([whole, first, second], { further, rounds: 1 })).toEqual([["1,2", "2.5,4", "1.5,3"]]);
		expect(asked).toEqual([["1.5,3", "2.5,4", "1,2"]]);
		// Where the masks hold two, the second cut drops out: it is worth nothing without the whole blocks beside it.
		expect(await fieldsOf([whole, first, second], { further, rounds: 1, masks: 2 })).toEqual([["1.5,3", "2.5,4"]]);
		expect(asked).toHaveLength(1);
		// Whole blocks that every cut of the field beats need no more text.
		await fieldsOf([whole, first, better([2.5, 4], 0.015, 0.013)], { further, rounds: 1 });
		expect(asked[1]).toEqual(["1.5,3", "2.5,4"]);
	});

	it("do not win on a single window, which has no error", async () => {
		const once = (removed: readonly number[], loss: number) => measured(removed, [loss]);
		expect(await fieldsOf([once([1.5, 3], 1), once([1, 2], 2), once([1, 3], 1.5)])).toEqual([["1,3", "1.5,3", "1,2"]]);
		expect(await fieldsOf([once([1.5, 3], 1), once([1, 2], Number.NaN)])).toEqual([["1.5,3"]]);
	});

	it("are held against the best whole blocks that further text leaves", async () => {
		// The best whole blocks of the split turn out worse; others are as good as the half-block cut.
		const truth = new Map([
			["1,2", 2.5],
			["2,4", 2.0],
			["1.5,3", 1.9999],
		]);
		const { further, first } = text(truth, { size: 0.03 });
		const lucky = { ...first(1, 2), losses: first(1.5, 3).losses.map((loss) => loss + 0.0001) };
		const [field] = await fieldsOf([lucky, first(2, 4), first(1.5, 3)], { further });
		expect(field![0]).toBe("2,4");
		expect(field).not.toContain("1,2");
	});

	it("get further text as any set that is tied", async () => {
		const truth = new Map([
			["1,2", 2.0],
			["1.5,3", 1.95],
		]);
		const { asked, further, first } = text(truth, { size: 0.03 });
		expect(await fieldsOf([first(1, 2), first(1.5, 3)], { further })).toEqual([["1.5,3"]]);
		expect(asked.length).toBeGreaterThan(0);
	});
});
