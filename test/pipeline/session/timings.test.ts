import { expect, it } from "vitest";
import { type Timings, timedIn } from "../../../src/pipeline/session/timings.js";

it("adds up the seconds of a step, of one that fails too", async () => {
	const timings: Timings = { write: 100 };
	expect(await timedIn(timings, "load", async () => 7)).toBe(7);
	await expect(timedIn(timings, "write", () => Promise.reject(new Error("no room")))).rejects.toThrow("no room");
	expect(timings.load).toBeGreaterThanOrEqual(0);
	expect(timings.write).toBeGreaterThanOrEqual(100);
});
