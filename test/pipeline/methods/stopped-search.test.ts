import { describe, expect, it } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
import { BestSoFar } from "../../../src/pipeline/methods/best-so-far.js";
import { choose } from "../../../src/pipeline/methods/registry.js";
import { finalists, sizesFound } from "../../../src/pipeline/race/finalists.js";
import type { Coalition } from "../../../src/game/coalition.js";
import type { Method } from "../../../src/api/methods.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { Ledger } from "../../../src/storage/ledger.js";
import { LedgerGame } from "../../../src/storage/ledger-game.js";
import { quadraticGame } from "../../helpers/games.js";
import type { ChoosingSettings } from "../../../src/api/options/settings.js";

const players = 8;

/** A session on a game with a known answer; `measured` receives each mask. */
function sessionOn(measured: (count: number) => void = () => {}, pairs = false): Session {
	const inner = quadraticGame(players, 3);
	const allows = (set: Coalition) => !pairs || [0, 2, 4, 6].every((i) => set.has(i) === set.has(i + 1));
	let count = 0;
	const search = new LedgerGame({
		ledger: Ledger.inMemory({ key: "k", players, windows: { count: 1, length: 8 }, settings: {} }),
		allows,
		evaluate: async (sets, { onMeasurement, signal }) => {
			for (const set of sets) {
				signal?.throwIfAborted();
				for (const measurement of await inner.measure([set])) onMeasurement(measurement);
				measured(++count);
			}
		},
	});
	const units = pairs ? { units: [0, 2, 4, 6].map((i) => [i, i + 1]) } : {};
	const check = (removed: readonly number[]) =>
		pairs && removed.some((block) => !removed.includes(block % 2 === 0 ? block + 1 : block - 1)) ? "tied" : undefined;
	const own = {
		...{ seed: 1, timings: {}, tokens: { search: 8, validation: 8, heldOut: 8 } },
		games: { search },
		exactSearch: true,
		model: { facts: { architecture: "llama", blocks: players }, blocks: { blocks: players, frozen: new Map(), check, ...units } },
	};
	return Object.create(Session.prototype, Object.getOwnPropertyDescriptors(own)) as Session;
}

/** Aborts after so many masks, and returns the sets found so far. */
async function aborted(method: Method, after: number, options: ChoosingSettings = {}, pairs = false) {
	const controller = new AbortController();
	const reason = new Error("stopped");
	const best = new BestSoFar();
	const session = sessionOn((count) => count === after && controller.abort(reason), pairs);
	const run = choose(session, { method, kmax: 4 }, { ...options, signal: controller.signal }, { onStep: best.onStep });
	await expect(run).rejects.toBe(reason);
	return best;
}

describe("an aborted search", () => {
	const rounds = { rounds: 2 };

	it("in rounds leaves the sets of the rounds that were done, and what the one that was aborted has measured", async () => {
		// The original model, 8 single removals, a set of 2 blocks; then 6 removals in addition to these.
		const second = await aborted("leave-one-out", 13, rounds);
		expect(second.sets().map(({ count }) => count)).toEqual([1, 2, 3]);
		const first = await aborted("leave-one-out", 5, rounds);
		expect(first.sets().map(({ count }) => count)).toEqual([1]);
	});

	it.each<[Method, number, ChoosingSettings]>([
		["random", 30, { maxEvaluations: 60 }],
		["first", 4, {}],
		["paper", 40, { maxEvaluations: 60 }],
		["paper-repaired", 40, { maxEvaluations: 60 }],
		["contiguous", 20, {}],
		["auto", 30, {}],
	])("by %s leaves the best of what it measured", async (method, after, options) => {
		const notes: LogEvent[] = [];
		const best = await aborted(method, after, options);
		const sets = best.sets();
		expect(sets.length).toBeGreaterThanOrEqual(2);
		for (const { count, removed } of sets) expect(removed).toHaveLength(count);
		expect(Math.max(...sets.map(({ count }) => count))).toBeLessThanOrEqual(4);
		best.tell("loss", { onLog: (event) => notes.push(event), command: String });
		expect(notes.map(({ sets }) => sets)).toEqual([sets.map(({ removed, addedLoss }) => ({ removed, added: addedLoss }))]);
	});

	it.each<[string, Method, number, boolean]>([
		["1 of 8 blocks was", "auto", 2, false],
		["7 of 8 blocks were", "greedy", 8, false],
		["3 of 4 groups of blocks were", "auto", 4, true],
	])("names no candidate where only %s measured alone", async (what, method, after, pairs) => {
		const notes: LogEvent[] = [];
		const best = await aborted(method, after, {}, pairs);
		expect(best.sets()).toHaveLength(1);
		best.tell("loss", { onLog: (event) => notes.push(event), command: String });
		expect(notes).toEqual([{ level: "note", message: `Only ${what} measured alone: too few to name a good candidate.` }]);
	});

	it("names the best block once all are measured alone", async () => {
		const notes: LogEvent[] = [];
		const best = await aborted("auto", 9);
		best.tell("loss", { onLog: (event) => notes.push(event), command: String });
		expect(notes[0]!.message).toMatch(/^Best candidates so far.*\n {2}1: \d \(/s);
		expect(notes[0]!.sets).toHaveLength(1);
	});

	it("leaves nothing before the original model is measured, and what was chosen where only the race is aborted", async () => {
		const controller = new AbortController();
		controller.abort(new Error("at once"));
		const none = new BestSoFar();
		const run = choose(sessionOn(), { method: "last", kmax: 3 }, { signal: controller.signal }, { onStep: none.onStep });
		await expect(run).rejects.toThrow("at once");
		expect(none.sets()).toEqual([]);
		const all = new BestSoFar();
		const { found } = await choose(sessionOn(), { method: "last", kmax: 3 }, {}, { onStep: all.onStep });
		expect(all.sets().map(({ removed }) => removed)).toEqual([...found.byCount.values()].map(({ removed }) => removed));
	});
});

it("finalists are listed once for each method that proposes them", async () => {
	const session = sessionOn();
	const choices = await choose(session, { method: "auto", kmax: 4 }, {});
	const sets = finalists(session, choices, sizesFound(choices)).map(({ method, removed }) => `${method}: ${removed.join()}`);
	expect(sets.length).toBeGreaterThan(4);
	expect(sets).toEqual([...new Set(sets)]);
});

describe("a search whose time is over after single removals", () => {
	it.each([
		["each alone", false, [1, 2, 3, 4]],
		["in pairs", true, [2, 4]],
	])("still has a set of every size, blocks %s", async (_, pairs, sizes) => {
		const session = sessionOn(undefined, pairs);
		const choices = await choose(session, { method: "auto", kmax: 4 }, { maxTime: 1e-9 });
		expect([...choices.found.byCount.keys()]).toEqual(sizes.slice(0, 1));
		expect(choices.found.notes.join()).toContain("the search was stopped before sets of ");
		expect(sizesFound(choices)).toEqual(sizes);
		const sets = finalists(session, choices, sizesFound(choices));
		for (const size of sizes) expect(sets.some(({ removed }) => removed.length === size)).toBe(true);
		expect(sets.every(({ removed }) => session.model.blocks.check(removed) === undefined)).toBe(true);
	});
});
