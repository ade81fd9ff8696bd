import { describe, expect, it } from "vitest";
import { attentionShare, attentionsFor, attentionsRange, partTimes, speedupWithout } from "../../../src/pipeline/speed/part-times.js";

/** Seconds per token of a model whose parts take these times: what a measurement would give. */
function turnsOf(
	{ blocks, without, rest, still, perToken }: { blocks: number; without: number; rest: number; still: number; perToken: number },
	tokens: number,
) {
	const model = (count: number) => rest + count * (still + perToken * tokens);
	return {
		whole: [1, 1.1, 0.9].map((noise) => model(blocks) * noise),
		fewer: [1, 1.1, 0.9].map((noise) => model(blocks - without) * noise),
		tokens,
	};
}

const model = { blocks: 30, without: 15, rest: 0.004, still: 0.001, perToken: 4e-7 };
const timesAt = (context: number, tokens = 4000, start = 0) =>
	partTimes(context, {
		...{ blocks: model.blocks, without: model.without, attentionBytes: 0.25 },
		atStart: turnsOf(model, start),
		far: turnsOf(model, tokens),
	});

describe("times of parts", () => {
	it("gives the feed-forward part its bytes' share of a block's time, and attention what grows with the context", () => {
		const times = timesAt(4096);
		expect(times.feedForward).toBeCloseTo(0.00075, 9);
		expect(times.attention).toBeCloseTo(0.00025 + 4e-7 * 4096, 9);
		expect(times.model).toBeCloseTo(0.004 + 30 * (0.001 + 4e-7 * 4096), 9);
		expect(attentionShare(times)).toBeCloseTo((0.00025 + 4e-7 * 4096) / (0.001 + 4e-7 * 4096), 6);
	});

	it("counts what grows from the middle of the tokens at the start", () => {
		const [first, later] = [timesAt(256, 240), timesAt(256, 240, 13)];
		for (const name of ["model", "attention", "feedForward"] as const) expect(later[name]).toBeCloseTo(first[name], 12);
		expect(timesAt(256, 13, 13).attention).toBeGreaterThan(0);
	});

	it("gives what grows to the blocks that have attention", () => {
		// 30 blocks, 20 of them with attention; 15 were left out, 12 of them with attention.
		const [rest, attention, feedForward, perToken] = [0.004, 0.00025, 0.00075, 4e-7];
		const seconds = (blocks: number, attentions: number, tokens: number) =>
			rest + blocks * feedForward + attentions * (attention + perToken * tokens);
		const turns = (tokens: number) => ({ whole: [seconds(30, 20, tokens)], fewer: [seconds(15, 8, tokens)], tokens });
		const times = partTimes(4096, {
			...{ blocks: 30, without: 15, attentions: { all: 20, without: 12 }, attentionBytes: 0.25 },
			...{ atStart: turns(0), far: turns(4000) },
		});
		expect(times.attention).toBeCloseTo(attention + perToken * 4096, 9);
		expect(times.feedForward).toBeCloseTo(feedForward, 9);
		expect(times.model).toBeCloseTo(seconds(30, 20, 4096), 9);
		const none = { atStart: turns(0), far: turns(4000), attentions: { all: 20, without: 0 } };
		expect(() => partTimes(4096, { blocks: 30, without: 10, attentionBytes: 0.25, ...none })).toThrow(RangeError);
	});

	it("goes on in a straight line beyond what was measured", () => {
		expect(timesAt(8192, 1000).attention).toBeCloseTo(timesAt(8192, 8000).attention, 9);
		expect(timesAt(8192, 1000).measuredAt).toBe(1000);
	});

	it("gives the same by each pair of repetitions, which shows what a speed-up may need", () => {
		const { turns } = timesAt(4096);
		expect(turns).toHaveLength(9);
		const [alike, , , , , , , fast] = turns;
		const { model, attention, feedForward } = timesAt(4096);
		expect(alike).toEqual({
			model: expect.closeTo(model, 9),
			attention: expect.closeTo(attention, 9),
			feedForward: expect.closeTo(feedForward, 9),
		});
		// The third repetition at the start, the second one far from it.
		expect(fast!.feedForward).toBeCloseTo(0.9 * feedForward, 9);
		expect(fast!.attention).toBeGreaterThan(1.1 * attention);
		const needed = turns.map((times) => attentionsFor(times, 1.2, { blocks: 30 }));
		const range = { least: Math.min(...needed), most: Math.max(...needed) };
		expect(range.most).toBeGreaterThan(range.least);
		expect(attentionsRange(turns, 1.2, { blocks: 30, most: 29 })).toEqual(range);
		expect(attentionsRange(turns, 1.2, { blocks: 30, most: range.least })).toEqual({ least: range.least, most: range.least });
	});

	it("is nothing negative where noise is larger than what is measured", () => {
		const times = partTimes(4096, {
			...{ blocks: 4, without: 2, attentionBytes: 0.5 },
			atStart: { whole: [1, 1, 1], fewer: [1.1, 1.1, 1.1], tokens: 0 },
			far: { whole: [1, 1, 1], fewer: [1.2, 1.2, 1.2], tokens: 4000 },
		});
		expect(times).toMatchObject({ attention: 0, feedForward: 0, model: 1 });
		expect(speedupWithout(times, { attention: 4, feedForward: 0 })).toBe(1);
		expect(attentionShare(times)).toBe(0);
		expect(attentionsFor(times, 1.1, { blocks: 4 })).toBe(Number.POSITIVE_INFINITY);
	});

	it("needs the fewest attention parts that reach a speed-up, fewer beside removed blocks, more at a short context", () => {
		const [far, near] = [timesAt(4096), timesAt(256)];
		const needed = attentionsFor(far, 1.2, { blocks: 30 });
		expect(speedupWithout(far, { attention: needed, feedForward: 0 })).toBeGreaterThanOrEqual(1.2);
		expect(speedupWithout(far, { attention: needed - 1, feedForward: 0 })).toBeLessThan(1.2);
		expect(attentionsFor(far, 1.2, { blocks: 30, removedBlocks: 2 })).toBeLessThan(needed);
		expect(attentionsFor(near, 1.2, { blocks: 30 })).toBeGreaterThan(needed);
		expect(attentionsFor(far, 100, { blocks: 30 })).toBe(Number.POSITIVE_INFINITY);
	});
});
