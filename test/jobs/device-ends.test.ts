import { rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../src/api/index.js";
import { DeviceError } from "../../src/errors.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { measureSpeed } from "../../src/pipeline/speed/speed.js";
import { useFakeDevices } from "../helpers/fake-devices.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { thorough } from "../helpers/slow.js";

// A run on a device whose driver ends the process.
const { folder, out, newHome } = ownHomes();
const marker = join(folder, "ended");
useFakeDevices([64, 64]);
const fail = (graphs: number) => {
	rmSync(marker, { force: true });
	process.env.PRUNE_GGUF_FAKE_FAULT = `abort:${graphs}:${marker}`;
};
const neverFail = () => {
	process.env.PRUNE_GGUF_FAKE_FAULT = "";
};

const warnings: string[] = [];
const notes: string[] = [];
const onLog = ({ level, message }: LogEvent) => void (level === "warning" ? warnings : notes).push(message);
const options = { ...small, removeBlocks: 3, search: { method: "leave-one-out", workingWeights: "own" } } satisfies PruneOptions;
const prune = (more: PruneOptions = {}) => pruneGguf(fixturePath, out(), { ...options, onLog, ...more });
beforeEach(() => {
	warnings.length = 0;
	notes.length = 0;
});

describe("a run on devices", () => {
	it.runIf(thorough)(
		"whose driver ends the process loses what was being computed; a second end is an error, and the same command goes on",
		async () => {
			// The process is the first one of this file, so it counts from its first graph.
			fail(250);
			const onWarning = (event: LogEvent) => {
				onLog(event);
				if (event.level === "warning") fail(5);
			};
			const failed = await prune({ onLog: onWarning }).catch((error: unknown) => error);
			expect(failed).toBeInstanceOf(DeviceError);
			expect(warnings).toEqual([
				expect.stringMatching(
					/^the process that computes on FAKE0 \(Fake device 0\) and FAKE1 \(Fake device 1\) ended \(.*fake driver ends the process.*\); it is started again, and \d+ candidates? of this batch measured again$/,
				),
			]);
			expect((failed as DeviceError).message).toMatch(
				/ended 2 times at the same place .*What was measured is in the cache: the same command goes on\./,
			);
			neverFail();
			warnings.length = 0;
			notes.length = 0;
			const again = await prune();
			expect(warnings).toEqual([]);
			expect(notes).toContainEqual(expect.stringMatching(/^[1-9]\d* candidates are cached from an earlier run/));
			newHome();
			const anew = await prune();
			expect(again.plan!.removed).toEqual(anew.plan!.removed);
			expect(again.plan!.losses).toEqual(anew.plan!.losses);
		},
	);

	it.runIf(thorough)("heals there, and measures speed", async () => {
		neverFail();
		const { plan } = await prune({ heal: { tokens: 1024 } });
		expect(plan!.heal).toBeDefined();
		const speed = await measureSpeed(fixturePath, {
			against: fixturePath,
			promptTokens: 8,
			generatedTokens: 2,
			repetitions: 1,
			threads: 1,
		});
		expect(JSON.stringify(speed)).toContain("FAKE0 (Fake device 0)+FAKE1 (Fake device 1)");
	});
});
