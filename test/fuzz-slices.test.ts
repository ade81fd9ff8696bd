import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "./helpers/temp-folder.js";

// What lets a long run be stopped and go on: scripts/fuzz/slices.mjs, scripts/faults/state.mjs.

interface Result {
	readonly cases: number;
	readonly slowest?: number;
	readonly codes?: Record<string, number>;
	readonly faults: object[];
}
type Found = Record<string, { minutes: number; slices: number; result: Result }>;
interface Slices {
	inSlices(options: {
		shares: Record<string, number>;
		minutes: number;
		seed: number;
		folder?: string;
		slice?: number;
		run(target: string, slice: { minutes: number; seed: number; corpus?: string }): Promise<Result>;
	}): Promise<Found>;
	merged(a: object | undefined, b: object): Result;
}
const { inSlices, merged } = (await import(new URL("../scripts/fuzz/slices.mjs", import.meta.url).href)) as Slices;
const folder = tempFolder();

it("what two slices found is one result", () => {
	const a = {
		target: "x",
		cases: 3,
		accepted: { inspect: 2 },
		corpus: 5,
		slowest: 1,
		most: { bytes: 9, seconds: 1 },
		codes: { A: 1 },
		faults: [{ a: 1 }],
	};
	const b = {
		target: "x",
		cases: 4,
		accepted: { inspect: 1 },
		corpus: 4,
		slowest: 2,
		most: { bytes: 3, seconds: 2 },
		codes: { A: 1, B: 2 },
		faults: [],
	};
	expect(merged(a, b)).toEqual({
		...{ target: "x", cases: 7, accepted: { inspect: 3 }, corpus: 5, slowest: 2, most: { bytes: 9, seconds: 2 } },
		...{ codes: { A: 2, B: 2 }, faults: [{ a: 1 }] },
	});
	expect(merged(undefined, b)).toBe(b);
	// One that ended the process counts no inputs.
	expect(merged(a, { target: "x", cases: 0, faults: [{ fault: "it ended" }] })).toMatchObject({
		cases: 3,
		faults: [{ a: 1 }, { fault: "it ended" }],
	});
});

describe("a run that was stopped", () => {
	const place = join(folder, "state");
	const shares = { a: 0.75, b: 0.25 };
	const pause = (minutes: number) => new Promise((resolve) => setTimeout(resolve, minutes * 60_000));
	const ran: [string, number][] = [];
	const run =
		(most: number) =>
		async (target: string, { minutes, seed }: { minutes: number; seed: number }) => {
			if (ran.length === most) throw new Error("stopped");
			ran.push([target, seed]);
			await pause(minutes);
			return { cases: 10, faults: target === "b" ? [{ seed }] : [] };
		};
	const options = { shares, minutes: 0.1, slice: 0.025, seed: 7, folder: place };

	it("goes on with what it had found, gives each target its share, and never the same seed twice", async () => {
		await expect(inSlices({ ...options, run: run(2) })).rejects.toThrow("stopped");
		expect(ran).toHaveLength(2);
		const kept = JSON.parse(readFileSync(join(place, "state.json"), "utf8")).found as Found;
		expect(kept.a!.slices + kept.b!.slices).toBe(2);
		const found = await inSlices({ ...options, run: run(99) });
		expect(found.a!.slices).toBe(3);
		expect(found.a!.result.cases).toBe(30);
		expect(found.b!.result.faults).toEqual([{ seed: 7 }]);
		expect(found.a!.minutes).toBeGreaterThan(0.074);
		expect(ran.filter(([target]) => target === "a").map(([, seed]) => seed)).toEqual([7, 1007, 2007]);
		// It is done: nothing is run again.
		const before = ran.length;
		await inSlices({ ...options, run: run(99) });
		expect(ran).toHaveLength(before);
	});

	it("does not go on with other settings, nor silently with a state that is no JSON", async () => {
		await expect(inSlices({ ...options, seed: 8, run: run(99) })).rejects.toThrow(
			/state\.json is of a run with .*"seed":7.*delete it, or name another/,
		);
		writeFileSync(join(place, "state.json"), "torn");
		await expect(inSlices({ ...options, run: run(99) })).rejects.toThrow(/state\.json.*(no JSON|not JSON)/);
	});
});
