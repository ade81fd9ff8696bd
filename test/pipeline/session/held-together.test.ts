import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import type { SessionSettings } from "../../../src/api/options/settings.js";
import { healBytes } from "../../../src/pipeline/healing/memory.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { RaceGames } from "../../../src/pipeline/session/race-games.js";
import * as memory from "../../../src/model/runtime/memory.js";
import { Evaluator } from "../../../src/model/runtime/evaluator.js";
import { Model } from "../../../src/model/runtime/model.js";
import { hashWindows } from "../../../src/model/runtime/windows.js";
import { copyFits } from "../../../src/model/runtime/working-copy.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { searchMemory } from "../../../src/pipeline/session/working-weights.js";
import { fixturePath, fixtureWindows, fullSet, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

// What one run holds at the same time is counted together: distributions of the original model, and hidden states.

vi.mock("../../../src/model/runtime/memory.js", { spy: true });
const { out, fresh } = ownHomes();
function text(): string {
	const path = `${fresh("text")}.txt`;
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, `${Array.from({ length: 3000 }, (_, i) => `Word ${i} stands here`).join(". ")}.\n`);
	return path;
}
afterEach(() => {
	vi.mocked(memory.availableMemory).mockReset();
	vi.mocked(memory.memoryBesideWeights).mockClear();
});

const perPosition = 2 * 1024;
/** Positions that predict something: of the splits of 3, 3 and 5 windows of 32 tokens. */
const [search, validation, report] = [3 * 31, 3 * 31, 5 * 31];
const plan = { masks: 1, weights: "own" } as const;

async function heldBy(options: SessionSettings, compared = false): Promise<number> {
	const session = await Session.open(fixturePath, { ...small, ...options }, { ...plan, compared });
	await session.close();
	return session.referenceBytes;
}

describe("distributions that a run keeps", () => {
	it("are those of all splits by kl, of those that decide and report with a limit on it, and none of others", async () => {
		expect(await heldBy({ metric: "kl" })).toBe((search + validation + report) * perPosition);
		expect(await heldBy({}, true)).toBe((validation + report) * perPosition);
		expect(await heldBy({})).toBe(0);
	});
});

describe("distributions that are made", () => {
	it("are counted no more among those to be made", async () => {
		const session = await Session.open(fixturePath, { ...small, metric: "kl" }, plan);
		try {
			expect(session.referenceBytes).toBe((search + validation + report) * perPosition);
			await session.measureOriginal(undefined);
			expect(session.referenceBytes).toBe((validation + report) * perPosition);
			await session.referenceOn("heldOut");
			expect(session.referenceBytes).toBe(validation * perPosition);
		} finally {
			await session.close();
		}
	});

	it("are made once on a split, and counted, by a run that compares a quantized file by them too", async () => {
		const makes = vi.spyOn(Evaluator.prototype, "createReference");
		await pruneGguf(fixturePath, out(), { ...small, metric: "kl", remove: [3], quantize: "Q4_0" });
		const splits = makes.mock.calls.map(([, windows]) => hashWindows(windows));
		expect(new Set(splits).size).toBe(splits.length);

		makes.mockClear();
		vi.mocked(memory.checkMemory).mockClear();
		await pruneGguf(fixturePath, out(), { ...small, remove: [3], quantize: "Q4_0", calibration: [text()] });
		expect(makes.mock.calls.map(([, { count }]) => count)).toEqual([5]);
		expect(vi.mocked(memory.checkMemory).mock.calls[0]![1]).toMatchObject({ referencePositions: report });
		makes.mockRestore();
	});

	it("are made after a frontier has looked whether healing fits", async () => {
		vi.mocked(memory.availableMemory).mockReturnValue(2 ** 40);
		const phases: string[] = [];
		const onProgress: PruneOptions["onProgress"] = ({ phase }) => {
			phases.push(phase);
			if (phase.startsWith("generating")) vi.mocked(memory.availableMemory).mockReturnValue(1e6);
		};
		const options = { ...small, heal: true, quantize: { types: [] }, maxBlocks: 1, onProgress } as const;
		await expect(findFrontier(fixturePath, options)).rejects.toThrow(/^healing needs about/);
		expect(phases).not.toContain("measuring the original model");
	});
});

describe("healing", () => {
	it("is refused where it fits, but not beside the distributions that are made before it", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const shape = { cuts: 1, tokens: 2048, kinds: ["map"] } as const;
		const held = (search + validation + report) * perPosition;
		const free = healBytes(model.file, shape) + held - 1;
		const healed = (options: PruneOptions) => {
			vi.mocked(memory.availableMemory).mockReturnValue(2 ** 40);
			const onProgress: PruneOptions["onProgress"] = ({ phase }) => {
				if (phase.startsWith("generating")) vi.mocked(memory.availableMemory).mockReturnValue(free);
			};
			return pruneGguf(fixturePath, undefined, { ...small, remove: [3], heal: { tokens: 2048, kind: "map" }, onProgress, ...options });
		};
		await expect(healed({ metric: "kl" })).rejects.toThrow(
			/^healing needs about \d+ MiB of memory beside the model \(1 MiB of it for the original model's distributions\) and \d+ MiB are free: give --heal=1024 or less, .*--windows/,
		);
		expect((await healed({ windowLength: 33 })).plan!.heal).toBeDefined();
	});
});

describe("a copy of the model", () => {
	it("needs memory for the distributions that its sets are compared with", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const windows = { count: 3, length: 32 };
		const needed = (metric: "kl" | "loss", scoreShare?: number) => {
			const fits = (available: number) => copyFits(model, "F16", searchMemory(windows, { metric, scoreShare }), available);
			let [low, high] = [0, 2 ** 40];
			while (high - low > 1) {
				const middle = Math.floor((low + high) / 2);
				if (fits(middle)) high = middle;
				else low = middle;
			}
			return high;
		};
		expect(needed("kl") - needed("loss")).toBe(search * perPosition);
		expect(needed("kl", 0.25) - needed("loss", 0.25)).toBe(3 * 8 * perPosition);
	});

	it("keeps fewer hidden states for them, once", async () => {
		const options = { ...small, metric: "kl", workingWeights: "F16" } as const;
		const session = await Session.open(fixturePath, options, { masks: 20, weights: "auto" });
		try {
			await session.games.search.measure([fullSet], { phase: "first" });
			await session.games.search.measure([removing(3)], { phase: "second" });
		} finally {
			await session.close();
		}
		expect(vi.mocked(memory.memoryBesideWeights).mock.calls.map(([, shape]) => shape.referencePositions)).toEqual([search]);
	});
});

describe("a race by divergence", () => {
	it("counts the distributions of the split once where a limit on them keeps them too", async () => {
		const room = async (compared: boolean) => {
			vi.mocked(memory.memoryForStates).mockClear();
			await heldBy({}, compared);
			return vi.mocked(memory.memoryForStates).mock.calls.map(([, shape]) => shape.referencePositions);
		};
		expect(await room(false)).toEqual([2 * validation]);
		expect(await room(true)).toEqual([2 * validation + report]);
	});

	it("needs memory for two parts' distributions and the hidden states that measuring them keeps", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const notes: string[] = [];
		const splits = { validation: fixtureWindows(3, 32) };
		const stateBytes = 100_000;
		const needed = 2 * validation * perPosition + memory.neededBesideWeights(model.file, { windows: 3, windowLength: 32, stateBytes });
		const raceWith = (available: readonly number[], copy?: object) => {
			const memories = vi.mocked(memory.availableMemory).mockReturnValue(available.at(-1)!);
			for (const bytes of available) memories.mockReturnValueOnce(bytes);
			const games = { copy, split: async () => ({}), release: () => {}, make: async () => ({}) };
			const options = { onLog: ({ message }: { message: string }) => void notes.push(message) };
			const setting = { model, folder: "", calibration: { splits }, options, stateBytes, ...games };
			return new RaceGames(setting as unknown as ConstructorParameters<typeof RaceGames>[0]).first();
		};
		const first = (available: number) => raceWith([available]);
		expect((await first(needed)).byDivergence).toBe(true);
		expect((await first(needed - 1)).byDivergence).toBe(false);
		expect(notes).toEqual([
			expect.stringMatching(/compared by loss.*take 1 MiB; twice that and \d+ MiB to measure with .*\(--state-bytes/),
		]);

		// A copy that is still to be made counts; it goes where only one of the two finds room.
		const close = vi.fn(async () => {});
		const copy = { missingBytes: () => 1000, close };
		expect(await raceWith([needed + 1000], copy)).toMatchObject({ byDivergence: true, onCopy: true });
		expect(close).not.toHaveBeenCalled();
		expect(await raceWith([needed + 999], copy)).toMatchObject({ byDivergence: true, onCopy: false });
		expect(close).toHaveBeenCalledOnce();
		expect(await raceWith([needed - 1], copy)).toMatchObject({ byDivergence: false, onCopy: false });
	});
});
