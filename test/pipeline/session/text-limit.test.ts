import { describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../../src/errors.js";
import { SlowTextError, watchDrawing } from "../../../src/pipeline/session/text-limit.js";

describe("text that is drawn within a time", () => {
	const clock = () => {
		let time = 1_000_000;
		return { now: () => time, pass: (seconds: number) => (time += 1000 * seconds) };
	};

	it("is given up once its pace says that it takes longer, with the time that it needs", () => {
		const { now, pass } = clock();
		const { signal, onProgress } = watchDrawing({ until: now() + 5000 }, undefined, now);
		pass(0.5);
		// Too early to say.
		onProgress(1, 1000);
		expect(signal!.aborted).toBe(false);
		pass(1.5);
		onProgress(50, 1000);
		expect(signal!.reason).toBeInstanceOf(InvalidOptionError);
		expect(signal!.reason.message).toMatch(/text alone takes about 40s here, and 5s were left for it. Give at least 40s/);
	});

	it("is given up for less text where it takes more of the time than it should", () => {
		const { now, pass } = clock();
		const { signal, onProgress } = watchDrawing({ until: now() + 60_000, most: 10 }, undefined, now);
		pass(2);
		onProgress(250, 1000);
		expect(signal!.aborted).toBe(false);
		pass(2);
		onProgress(300, 1000);
		expect(signal!.reason).toBeInstanceOf(SlowTextError);
		// A third of it is there: less would take as long.
		const late = watchDrawing({ until: now() + 60_000, most: 10 }, undefined, now);
		pass(20);
		late.onProgress(400, 1000);
		expect(late.signal!.aborted).toBe(false);
	});

	it("goes on as long as it fits, and ends by the signal of the run", () => {
		const { now, pass } = clock();
		const run = new AbortController();
		const { signal, onProgress } = watchDrawing({ until: now() + 60_000 }, run.signal, now);
		pass(2);
		onProgress(50, 1000);
		pass(30);
		onProgress(900, 1000);
		expect(signal!.aborted).toBe(false);
		run.abort("Ctrl+C");
		expect(signal!.reason).toBe("Ctrl+C");
		const free = watchDrawing({}, run.signal, now);
		expect(free.signal).toBe(run.signal);
		expect(() => free.onProgress(1, 1e9)).not.toThrow();
	});
});
