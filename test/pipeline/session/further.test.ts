import { writeFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { Model } from "../../../src/model/runtime/model.js";
import { askedWork } from "../../../src/pipeline/pruning/estimate.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { f16Fixture } from "../../helpers/f16.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";
import { madeUpQuestions, writeQuestions } from "../../helpers/questions.js";

const { folder, fresh } = ownHomes();
const plan = { masks: 0, weights: "own" } as const;
const sets = [Coalition.full(12), Coalition.ofRemoved(12, [5])];

/** The first parts of further text of a session, measured; and how many masks its ledger knew before. */
async function measured(options: Parameters<typeof Session.open>[1], parts = 2) {
	const session = await Session.open(fixturePath, { windows: 4, windowLength: 32, threads: 2, ...options }, plan);
	try {
		const all = [];
		for (let part = 0; part < parts; part++) {
			const game = await session.races.further(part);
			all.push(game && { known: game.ledger.size, sets: await game.measure(sets) });
		}
		return { all, validation: await session.games.validation.measure(sets) };
	} finally {
		await session.close();
	}
}

describe("further text of a session", () => {
	it("is measured as the validation split is, kept in ledgers, and the same in the next run", async () => {
		const { all, validation } = await measured({});
		expect(all.map((part) => part?.known)).toEqual([0, 0]);
		for (const part of all) expect(part!.sets.map(({ losses }) => losses.length)).toEqual([4, 4]);
		const fulls = [validation, ...all.map((part) => part!.sets)].map(([full]) => Array.from(full!.losses).join());
		expect(new Set(fulls).size).toBe(3);
		const again = await measured({});
		expect(again.all.map((part) => part?.known)).toEqual([2, 2]);
		expect(again.all.map((part) => part?.sets)).toEqual(all.map((part) => part?.sets));
	});

	it.each([
		["own", false],
		["Q8_0", true],
	] as const)("is drawn by what the search runs on: %s", async (workingWeights, byCopy) => {
		const session = await Session.open(fixturePath, { windows: 4, windowLength: 32, threads: 2, workingWeights }, { ...plan, masks: 2 });
		const sampled = vi.spyOn(Model.prototype, "sample");
		try {
			await session.races.further(0);
			expect(sampled.mock.contexts.length).toBeGreaterThan(0);
			for (const model of sampled.mock.contexts) expect(model !== session.model).toBe(byCopy);
		} finally {
			sampled.mockRestore();
			await session.close();
		}
	});

	it("is another one if a copy draws it, whatever was drawn before", async () => {
		const model = await f16Fixture(folder);
		const shared = { windows: 4, windowLength: 32, threads: 2 } as const;
		const hashOf = async (workingWeights: "own" | "Q8_0") => {
			const session = await Session.open(model, { ...shared, workingWeights }, { ...plan, masks: 2 });
			try {
				const [before] = await session.races.toDraw();
				await session.races.further(0);
				return { hash: session.races.hashOf(0), before, after: (await session.races.toDraw())[0] };
			} finally {
				await session.close();
			}
		};
		const own = await hashOf("own");
		const copied = await hashOf("Q8_0");
		expect([own, copied]).toMatchObject([
			{ before: 128, after: 0 },
			{ before: 128, after: 0 },
		]);
		// In an empty cache it is the same as beside what the model drew.
		process.env.PRUNE_GGUF_HOME = fresh("home");
		expect(await hashOf("Q8_0")).toEqual(copied);
	});

	it("that is still to be drawn is known, and how fast that goes by what drew the splits, in the next run too", async () => {
		const options = { windows: 4, windowLength: 32, threads: 2 };
		const part = 4 * 32;
		const first = await Session.open(fixturePath, options, plan);
		const speed = first.secondsPerDrawn!;
		try {
			expect(speed).toBeGreaterThan(0);
			expect(await first.races.toDraw()).toEqual([part, 2 * part, 4 * part]);
			await first.races.further(0);
			expect(await first.races.toDraw()).toEqual([0, 2 * part, 4 * part]);
		} finally {
			await first.close();
		}
		const again = await Session.open(fixturePath, options, plan);
		try {
			expect(again.secondsPerDrawn).toBe(speed);
			const { drawing } = await askedWork(again, { kmax: 2, named: undefined, planned: 20, sizes: 1 }, { ...options, effort: "standard" });
			expect(drawing).toEqual([0, 2 * part * speed, 4 * part * speed]);
		} finally {
			await again.close();
		}
		const text = fresh("prose.txt");
		writeFileSync(text, "The whale rose out of the sea, and the captain called all hands on deck before the wind turned. ".repeat(40));
		// Other threads draw in another time, and files are not drawn.
		for (const [other, left] of [
			[{ threads: 1 }, 3],
			[{ calibration: [text] }, 0],
		] as const) {
			const session = await Session.open(fixturePath, { ...options, ...other }, plan);
			try {
				expect([session.secondsPerDrawn, (await session.races.toDraw()).length]).toEqual([undefined, left]);
				const { drawing, secondsPerToken } = await askedWork(session, { kmax: 2, named: undefined, planned: 20, sizes: 1 }, options);
				// Nobody measured it: as long as reading five tokens.
				expect(drawing).toEqual([0, 2, 4].slice(0, left).map((parts) => parts * part * 5 * secondsPerToken!));
			} finally {
				await session.close();
			}
		}
	});

	it("is one game a part, however often races of a session ask for it", async () => {
		const session = await Session.open(fixturePath, { windows: 4, windowLength: 32, threads: 2 }, plan);
		try {
			const [first, again] = [await session.races.further(1), await session.races.further(1)];
			expect(again).toBe(first);
			await first!.measure(sets);
			await again!.measure(sets);
			expect(first!.counts.measured).toBe(2);
		} finally {
			await session.close();
		}
	});

	it("is compared with the original model where the divergence is the metric", async () => {
		const { all } = await measured({ metric: "kl" }, 1);
		const [full, removed] = all[0]!.sets;
		for (const loss of full!.losses) expect(Math.abs(loss)).toBeLessThan(1e-3);
		for (const loss of removed!.losses) expect(loss).toBeGreaterThan(0.01);
		expect(Object.keys(removed!.figures!)).toEqual(["loss", "agreement"]);
	});

	it("and the validation split are compared with the original model for a race on self-generated text, if the memory budget allows", async () => {
		const notes: string[] = [];
		const open = (options: Parameters<typeof Session.open>[1]) =>
			Session.open(
				fixturePath,
				{ windows: 4, windowLength: 32, threads: 2, onLog: ({ message }) => notes.push(message), ...options },
				plan,
			);
		const session = await open({});
		try {
			const { game, byDivergence } = await session.races.first();
			expect(byDivergence).toBe(true);
			expect((await session.races.first()).game).toBe(game);
			expect(await session.comparedOn("validation")).toBe(game);
			for (const each of [game, (await session.races.further(0))!]) {
				const [full, removed] = await each.measure(sets);
				expect(Math.max(...full!.figures!.divergence!.map(Math.abs))).toBeLessThan(1e-3);
				expect(Math.min(...removed!.figures!.divergence!)).toBeGreaterThan(0.01);
			}
			// The losses have the same bits that the split gives without a comparison; a race passes them on.
			const plain = session.games.validation;
			const compared = (await game.measure(sets)).map(({ losses }) => losses);
			expect((await plain.measure(sets)).map(({ losses }) => losses)).toEqual(compared);
			const [other] = await game.measure([Coalition.ofRemoved(12, [6])]);
			await plain.know([{ coalition: other!.coalition, losses: other!.losses }]);
			await plain.measure([other!.coalition]);
			expect(plain.counts.measured).toBe(2);
			// Freed after a race, and made again when needed.
			session.races.end();
			expect((await game.measure([Coalition.ofRemoved(12, [7])]))[0]!.figures!.divergence!.length).toBe(4);
		} finally {
			await session.close();
		}
		const text = fresh("prose.txt");
		writeFileSync(text, "The whale rose out of the sea, and the captain called all hands on deck before the wind turned. ".repeat(40));
		for (const options of [{ calibration: [text] }, { metric: "kl" as const }, { referenceBytes: 1000 }]) {
			const other = await open(options);
			try {
				const { game, byDivergence } = await other.races.first();
				expect(byDivergence).toBe(false);
				expect(game).toBe(other.games.validation);
			} finally {
				await other.close();
			}
		}
		expect(notes.filter((note) => /are compared by loss/.test(note))).toEqual([expect.stringContaining("--reference-bytes ")]);
	});

	it("is not to be had of questions", async () => {
		const model = await Model.load(fixturePath, { threads: 2 });
		const questions = writeQuestions(fresh("questions.jsonl"), madeUpQuestions(model, 14));
		await model.dispose();
		const { all } = await measured({ metric: "accuracy", questions }, 1);
		expect(all).toEqual([undefined]);
	});
});
