import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { knownSpeed } from "../../../src/pipeline/healing/of-session.js";
import { announceWork, askedWork, singlesOf, usefulMasks } from "../../../src/pipeline/pruning/estimate.js";
import type { Removable } from "../../../src/pipeline/pruning/asked-amount.js";
import { threadsNote } from "../../../src/pipeline/session/search-ledger.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { Ledger } from "../../../src/storage/ledger.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

const { fresh } = ownHomes();

it("counts the known candidates of the kind that is measured", () => {
	const ledger = Ledger.inMemory({ key: "k", players: 6, windows: { count: 1, length: 8 }, settings: {} });
	for (const removed of [[], [1], [2], [1, 2], [1, 2, 3], [1.5]])
		ledger.append({ coalition: Coalition.ofRemoved(6, removed), losses: Float64Array.of(2) });
	expect(usefulMasks(ledger, { kmax: 1 }, { method: "leave-one-out" })).toBe(3);
	expect(usefulMasks(ledger, { kmax: 2 }, {})).toBe(4);
	expect(usefulMasks(ledger, { kmax: 1 }, { method: "paper" })).toBe(6);
	expect(usefulMasks(ledger, { kmax: 1 }, { method: "greedy", granularity: "half-block" })).toBe(4);
	expect(usefulMasks(ledger, { kmax: 2 }, { remove: [1, 2] })).toBe(1);
});

it("counts what is known of attention parts: beside blocks, and of mixed candidates if a speed-up says how many", () => {
	const ledger = Ledger.inMemory({ key: "k", players: 6, windows: { count: 1, length: 8 }, settings: {} });
	const own = [[], [1.25], [1.25, 3.25]];
	const besideOne = [[1], [2], [2, 3.25], [2, 3.25, 4.25]];
	const mixed = [[1.5], [1, 2.5], [1, 2]];
	for (const removed of [...own, ...besideOne, ...mixed])
		ledger.append({ coalition: Coalition.ofRemoved(6, removed), losses: Float64Array.of(2) });
	const attention = { method: "auto", granularity: "attention" } as const;
	const time = { seconds: { attention: 1, feedForward: 1 }, save: 2 };
	expect(usefulMasks(ledger, { kmax: 3 }, attention)).toBe(own.length);
	expect(usefulMasks(ledger, { kmax: 3, base: 1 }, attention)).toBe(1 + besideOne.length);
	expect(usefulMasks(ledger, { kmax: 2, base: 1 }, attention)).toBe(besideOne.length);
	expect(usefulMasks(ledger, { kmax: 2, base: 0, time }, attention)).toBe(ledger.size - 1);
});

it("counts the single removals of blocks beside those of attention parts, each in its share of the time", () => {
	expect(singlesOf(12, { kmax: 3 })).toBe(13);
	expect(singlesOf(12, { kmax: 3, base: 0 })).toBe(13);
	expect(singlesOf(12, { kmax: 2, base: 1 })).toBe(26);
	expect(singlesOf(12, { kmax: 8, base: 6 })).toBe(52);
});

it("knows which attention parts were measured alone, and how many finalists a speed-up has beside them", async () => {
	const options = { ...small, method: "auto", granularity: "attention" } as const;
	const session = await Session.open(fixturePath, options, { masks: 20, weights: "own" });
	try {
		const { search } = session.games;
		const task = { kmax: 3, named: undefined, planned: 60, sizes: 1 };
		expect(await askedWork(session, task, options)).toMatchObject({ known: 0, knownSingles: 0 });
		// Two attention parts are no single removal, and half-block cuts none of these.
		await search.measure([[1.25], [2.25], [1.25, 2.25], [4.5]].map((removed) => Coalition.ofRemoved(12, removed)));
		const asked = await askedWork(session, task, options);
		expect(asked).toMatchObject({ known: 4, knownSingles: 3 });
		expect((await askedWork(session, task, { ...options, granularity: "block" })).knownSingles).toBe(0);
		const time = { seconds: { attention: 1, feedForward: 1 }, save: 2 };
		expect((await askedWork(session, { ...task, time }, options)).field).toBe(asked.field + 3);
		// Beside attention parts a speed-up has blocks and cuts searched, but none of these where no time is left.
		await search.measure([[3], [6.5]].map((removed) => Coalition.ofRemoved(12, removed)));
		expect((await askedWork(session, { ...task, time }, options)).knownSingles).toBe(3);
		// A second search has no time of a limited run.
		const limited = { ...options, maxTime: 600 };
		expect((await askedWork(session, { ...task, time }, limited)).field).toBe((await askedWork(session, task, limited)).field);
	} finally {
		await session.close();
	}
});

it("says that a search settled on other threads", () => {
	expect([threadsNote(2, 2), threadsNote(2, 4), threadsNote(2, 1)]).toEqual([
		undefined,
		"The search runs on 4 threads",
		"The search runs on 1 thread",
	]);
});

it.each([
	["the search itself", 1],
	["the held-out split where the search scores a share of the positions", 0.5],
])("knows how fast the model itself is by %s", async (_, scoreShare) => {
	const options = { ...small, scoreShare };
	const session = await Session.open(fixturePath, options, { masks: 20, weights: "own" });
	try {
		expect(session.secondsPerToken).toBeUndefined();
		const asked = await askedWork(session, { kmax: 2, named: undefined, planned: 20, sizes: 1 }, options);
		const { search, heldOut } = session.finals;
		const expected =
			scoreShare === 1 ? asked.secondsPerMask / session.tokens.search : heldOut.ledger.secondsPerMask! / session.tokens.heldOut;
		expect(asked.secondsPerToken).toBe(expected);
		expect(expected).toBeGreaterThan(0);
		// Measured where the figures of the run read it again.
		expect([search.ledger.size, heldOut.ledger.size]).toEqual(scoreShare === 1 ? [1, 0] : [0, 1]);
		expect(knownSpeed(session).pass).toBe(session.secondsPerToken);
	} finally {
		await session.close();
	}
});

it.each<[string, Partial<Parameters<typeof Session.open>[1]>, readonly string[], number]>([
	["self-generated text", {}, ["search", "validation"], 0],
	["a search on a copy", { workingWeights: "Q8_0" }, ["search", "validation"], 4],
	["a search of the loss on self-generated text", { racing: true }, ["validation"], 0],
	["the metric kl", { metric: "kl" }, ["search", "validation", "heldOut"], 0],
	["given text", { calibration: [] }, [], 0],
])("knows what is measured beside candidates: %s", async (_, more, references, confirmed) => {
	const text = fresh("prose.txt");
	writeFileSync(text, "The whale rose out of the sea, and the captain called all hands on deck before the wind turned. ".repeat(40));
	const options = { ...small, ...more, ...(more.calibration ? { calibration: [text] } : {}) };
	const session = await Session.open(fixturePath, options, { masks: 20, weights: "auto" });
	try {
		const asked = await askedWork(session, { kmax: 3, named: undefined, planned: 20, sizes: 3, smaller: 5 }, options);
		expect(asked).toMatchObject({ references, confirmed, smaller: 5, cuts: false });
		// Fewer blocks than are removed in any case are measured for a verdict: none below a curve, or below blocks that are named.
		const smallerOf = async (removable: Pick<Removable, "count" | "counts" | "named">) =>
			(await announceWork(session, { kmax: 3, ...removable }, options)).smaller;
		expect(await smallerOf({ count: 3 })).toBe(10);
		expect(await smallerOf({ count: 2, counts: [2, 3] })).toBe(5);
		expect([await smallerOf({ count: undefined }), await smallerOf({ count: 3, named: [2, 5, 7] })]).toEqual([0, 0]);
	} finally {
		await session.close();
	}
});
