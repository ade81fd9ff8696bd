import { describe, expect, it, vi } from "vitest";
import { openInTime } from "../../../src/pipeline/pruning/less-text.js";
import { SlowTextError } from "../../../src/pipeline/session/text-limit.js";

type Open = Parameters<typeof openInTime>[1];

describe("the text of a run that is limited in time", () => {
	const session = {} as Awaited<ReturnType<Open>>;

	it("may take a sixth of the limit; less is drawn where it takes longer", async () => {
		const notes: string[] = [];
		const open = vi.fn<Open>().mockRejectedValueOnce(new SlowTextError()).mockResolvedValueOnce(session);
		const options = { maxTime: 60, onLog: ({ message }: { message: string }) => void notes.push(message) };
		const opened = await openInTime(options as never, open);
		expect(open.mock.calls).toEqual([[options, 10], [{ ...options, windows: 5, asked: { windows: 5 } }]]);
		// What comes after goes by the text that there is.
		expect(opened.options.windows).toBe(5);
		expect(notes).toEqual(["--max-time is short for the usual amount of self-generated text: the run has --windows 5"]);
	});

	it("is as it was asked for, and without a limit of time", async () => {
		for (const options of [{ maxTime: 60, windows: 20 }, {}]) {
			const open = vi.fn<Open>().mockResolvedValue(session);
			expect(await openInTime(options as never, open)).toEqual({ session, options });
			expect(open.mock.calls).toEqual([[options]]);
		}
	});

	it("hides no other error", async () => {
		const open = vi.fn<Open>().mockRejectedValue(new Error("no memory"));
		await expect(openInTime({ maxTime: 60 } as never, open)).rejects.toThrow("no memory");
		expect(open).toHaveBeenCalledOnce();
	});
});
