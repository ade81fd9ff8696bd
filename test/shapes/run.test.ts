import { expect, it } from "vitest";

// A program that counts and ends when it is told to, in the place of the command line.

interface Measured {
	readonly code: number | string;
	readonly seconds: number;
	readonly endedIn?: number;
	readonly peak: Record<string, number>;
	readonly timings?: Record<string, number>;
	readonly lines: readonly { readonly line: string }[];
}

const { runMeasured } = (await import(new URL("../../scripts/shapes/run.mjs", import.meta.url).href)) as {
	runMeasured(program: readonly string[], how: object): Promise<Measured>;
};

const counts = `
	process.on("SIGINT", () => process.exit(130));
	process.stderr.write("[1/5] Preparing text\\n[2/5] Searching  1/9\\n[2/5] Searching  2/9\\n");
	setTimeout(() => {
		process.stdout.write(JSON.stringify({ plan: { timings: { search: 1 } }, report: { timings: [{ phase: "search", seconds: 2 }] } }));
		process.exit(0);
	}, Number(process.argv[1]));
`;
const run = (milliseconds: number, stopAfter?: number) =>
	runMeasured([process.execPath, "-e", counts, String(milliseconds)], { env: process.env, stopAfter, echo: false });

it("a run is timed, and what it says of its steps is kept", async () => {
	const { code, seconds, endedIn, timings, lines } = await run(300);
	expect({ code, endedIn, timings }).toEqual({ code: 0, endedIn: undefined, timings: { search: 2 } });
	expect(seconds).toBeGreaterThan(0.3);
	expect(lines.map(({ line }) => line)).toEqual(["[1/5] Preparing text", "[2/5] Searching  1/9"]);
});

it.runIf(process.platform === "linux")("Ctrl+C comes when it is asked for, and memory is watched until the end", async () => {
	const { code, endedIn, timings, peak } = await run(60_000, 0.5);
	expect({ code, timings }).toEqual({ code: 130, timings: undefined });
	expect(endedIn).toBeLessThan(30);
	expect(peak.resident).toBeGreaterThan(2 ** 20);
});
