import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../../src/api/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

// What is kept of a target's measurement. How fast the machine is, plays no part: other tests may run at the same time.

ownHomes();
const { speed: _speed, samples: _samples, ...asUsual } = { ...small, threads: 1, search: { workingWeights: "own" } } satisfies PruneOptions;

it.runIf(thorough)("a target's number of blocks is the one that an earlier run or dry run measured, and the run says when", async () => {
	const run = async (options: PruneOptions) => {
		const messages: string[] = [];
		const onLog = ({ message }: LogEvent) => void messages.push(message);
		await pruneGguf(fixturePath, undefined, { ...asUsual, dryRun: true, targetSpeedup: 1.2, onLog, ...options });
		return messages.find((message) => message.includes("target speed-up 1.2: "))!;
	};
	const first = await run({});
	expect(first).toMatch(/^target speed-up 1\.2: removing \d+ of 12 blocks/);
	const again = await run({});
	const [, path] = /^speed measured earlier \(\d{4}-\d\d-\d\d \d\d:\d\d UTC; delete (\S+) to measure again\): /.exec(again)!;
	expect(again.endsWith(first)).toBe(true);
	writeFileSync(path!, "{");
	expect(await run({})).not.toMatch(/^speed measured earlier/);
	// Other threads have another speed.
	if (thorough) expect(await run({ threads: 2 })).not.toMatch(/^speed measured earlier/);
});
