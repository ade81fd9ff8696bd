import { parse } from "valibot";
import { expect, it } from "vitest";
import { contextOfPlan } from "../../../src/pipeline/planning/context.js";
import { contextSchema } from "../../../src/storage/plan-speed.js";

const times = {
	measured: "2026-01-02T03:04:05.000Z",
	context: 4096,
	measuredAt: 4000,
	model: 0.02,
	attention: 0.001,
	feedForward: 0.0005,
	attentionBytes: 0.3,
};

it("a removed block that has no attention saves the time of its feed-forward part alone", () => {
	const kv = [100, 0, 100, 100];
	const of = (removed: readonly number[]) => contextOfPlan({ context: 4096, times, kv }, removed);
	expect(of([1]).milliseconds!.after).toBeCloseTo(19.5, 9);
	expect(of([2]).milliseconds!.after).toBeCloseTo(18.5, 9);
	expect(of([2.25]).milliseconds!.after).toBeCloseTo(19, 9);
	expect(of([1, 3.25])).toMatchObject({ kvCache: { before: 300, after: 200 } });
	expect(of([1, 3.25]).milliseconds!.after).toBeCloseTo(18.5, 9);
	// With their date: an earlier run may have measured them.
	expect(of([1]).times).toEqual(times);
});

it("a plan of an earlier state, whose times have no date, still reads", () => {
	const { measured: _, ...undated } = times;
	const plan = contextOfPlan({ context: 4096, times, kv: [100, 100] }, [1]);
	expect(parse(contextSchema, { ...plan, times: undated }).times).toEqual(undated);
});
