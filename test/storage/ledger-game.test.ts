import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EvaluationError, InvalidCandidateError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { Ledger, ledgerKey } from "../../src/storage/ledger.js";
import { type Evaluate, LedgerGame } from "../../src/storage/ledger-game.js";

const players = 6;
const header = {
	key: ledgerKey({ model: "m", windows: "w", backend: "CPU", settings: {} }),
	players,
	windows: { count: 2, length: 8 },
	settings: {},
};

/** Losses that depend on the mask alone; the model with nothing kept breaks down. */
const lossesOf = (coalition: Coalition) =>
	coalition.size === 0
		? Float64Array.from([Number.NaN, Number.POSITIVE_INFINITY])
		: Float64Array.from([1 / coalition.size, Math.sqrt(Number.parseInt(coalition.key, 2))]);

let path: string;
let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "prune-gguf-game-"));
	path = join(folder, "x.ledger.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An evaluator that logs its requests and dies after `lives` masks. */
function evaluator(log: string[], lives = Number.POSITIVE_INFINITY): Evaluate {
	return async function* (coalitions) {
		for (const coalition of coalitions) {
			if (lives-- <= 0) throw new Error("killed");
			log.push(coalition.key);
			await Promise.resolve();
			yield { coalition, losses: lossesOf(coalition) };
		}
	};
}

const mask = fc.integer({ min: 0, max: 2 ** players - 1 }).map((bits) => Coalition.parse(bits.toString(2).padStart(players, "0")));
const batches = fc.array(fc.array(mask, { maxLength: 8 }), { maxLength: 5 });

async function straightRun(asked: Coalition[][]) {
	const game = new LedgerGame({ ledger: Ledger.inMemory(header), evaluate: evaluator([]) });
	const results = [];
	for (const batch of asked) results.push(await game.measure(batch));
	return results;
}

describe("LedgerGame", () => {
	it("measures duplicates once, known ones never, and answers in the order asked", async () => {
		const log: string[] = [];
		const game = new LedgerGame({ ledger: Ledger.inMemory(header), evaluate: evaluator(log) });
		const [a, b] = [Coalition.full(players), Coalition.ofRemoved(players, [2])];
		expect((await game.measure([b, a, b])).map((m) => m.coalition.key)).toEqual([b.key, a.key, b.key]);
		expect((await game.measure([a, b])).map((m) => m.losses)).toEqual([lossesOf(a), lossesOf(b)]);
		expect(log).toEqual([b.key, a.key]);
		expect(game.counts).toEqual({ measured: 2, saved: 3 });
		expect(await game.measure([])).toEqual([]);
	});

	it("measures once what two concurrent batches share", async () => {
		const log: string[] = [];
		const game = new LedgerGame({ ledger: Ledger.inMemory(header), evaluate: evaluator(log) });
		const all = [1, 2, 3].map((block) => Coalition.ofRemoved(players, [block]));
		const [first, second] = await Promise.all([game.measure(all), game.measure([...all].reverse())]);
		expect(log).toHaveLength(3);
		expect(first.map((m) => m.coalition.key)).toEqual(second.map((m) => m.coalition.key).reverse());
	});

	it("takes results through the callback as well", async () => {
		const game = new LedgerGame({
			ledger: Ledger.inMemory(header),
			evaluate: async (coalitions, { onMeasurement }) => {
				for (const coalition of [...coalitions].reverse()) onMeasurement({ coalition, losses: lossesOf(coalition) });
			},
		});
		const asked = [Coalition.full(players), Coalition.ofRemoved(players, [0])];
		expect((await game.measure(asked)).map((m) => m.losses)).toEqual(asked.map(lossesOf));
	});

	it("equals the uninterrupted run when killed after any mask and resumed", async () => {
		await fc.assert(
			fc.asyncProperty(batches, fc.array(fc.nat(6), { maxLength: 4 }), async (asked, kills) => {
				rmSync(path, { force: true });
				const log: string[] = [];
				for (const lives of kills) await attempt(asked, evaluator(log, lives)).catch(() => {});
				const resumed = await attempt(asked, evaluator(log));
				expect(resumed).toEqual(await straightRun(asked));
				expect(new Set(log).size, "no finished mask is repeated").toBe(log.length);
			}),
			{ numRuns: 60 },
		);
	});

	it("equals the uninterrupted run when the file is cut at any byte and resumed", async () => {
		await fc.assert(
			fc.asyncProperty(batches, fc.double({ min: 0, max: 1, noNaN: true }), async (asked, share) => {
				rmSync(path, { force: true });
				await attempt(asked, evaluator([]));
				const bytes = readFileSync(path);
				writeFileSync(path, bytes.subarray(0, Math.floor(share * bytes.length)));
				expect(await attempt(asked, evaluator([]))).toEqual(await straightRun(asked));
			}),
			{ numRuns: 60 },
		);
	});

	async function attempt(asked: Coalition[][], evaluate: Evaluate) {
		const ledger = await Ledger.open(path, header);
		try {
			const game = new LedgerGame({ ledger, evaluate });
			const results = [];
			for (const batch of asked) results.push(await game.measure(batch));
			return results;
		} finally {
			await ledger.close();
		}
	}

	it("stops at the signal, keeps what was finished and continues with the rest", async () => {
		const log: string[] = [];
		const ledger = await Ledger.open(path, header);
		const controller = new AbortController();
		const evaluate: Evaluate = async function* (coalitions) {
			for (const coalition of coalitions) {
				if (log.length === 2) controller.abort(new Error("stop"));
				log.push(coalition.key);
				yield { coalition, losses: lossesOf(coalition) };
			}
		};
		const game = new LedgerGame({ ledger, evaluate });
		const asked = [0, 1, 2, 3, 4].map((block) => Coalition.ofRemoved(players, [block]));
		await expect(game.measure(asked, { signal: controller.signal })).rejects.toThrow("stop");
		expect((await Ledger.read(path)).measurements).toHaveLength(3);
		await expect(game.measure(asked, { signal: controller.signal })).rejects.toThrow("stop");
		expect(log).toHaveLength(3);
		expect(await game.measure(asked)).toHaveLength(5);
		expect(log).toHaveLength(5);
		await ledger.close();
	});

	it("refuses what cannot be run, and an evaluator that leaves out or invents a mask", async () => {
		const ledger = Ledger.inMemory(header);
		const full = Coalition.full(players);
		const game = new LedgerGame({ ledger, evaluate: async () => {}, allows: (c) => c.has(0) });
		expect(game.allows(full)).toBe(true);
		expect(game.allows(Coalition.full(5))).toBe(false);
		await expect(game.measure([Coalition.full(5)])).rejects.toThrow(InvalidCandidateError);
		await expect(game.measure([full.without(0)])).rejects.toThrow(InvalidCandidateError);
		await expect(game.measure([full])).rejects.toThrow(EvaluationError);
		const inventing = new LedgerGame({
			ledger,
			evaluate: async (_, { onMeasurement }) => onMeasurement({ coalition: full.without(1), losses: Float64Array.of(1, 2) }),
		});
		await expect(inventing.measure([full])).rejects.toThrow(EvaluationError);
	});
});
