import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { SessionSettings } from "../../../src/api/options/settings.js";
import type { Measurement } from "../../../src/game/game.js";
import { DivergenceGame } from "../../../src/pipeline/session/divergence-game.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath, fullSet, removing } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

const { newHome } = ownHomes();
const text = fileURLToPath(new URL("../../../docs/limits.md", import.meta.url));
const small = { windows: 4, windowLength: 32, threads: 1 } as const;
const plan = { masks: 4, weights: "own" } as const;

async function withSession<T>(options: SessionSettings, work: (session: Session) => Promise<T>): Promise<T> {
	newHome();
	const session = await Session.open(fixturePath, options, plan);
	try {
		return await work(session);
	} finally {
		await session.close();
	}
}

const isByDivergence = (options: SessionSettings) => withSession(options, async ({ games }) => games.search instanceof DivergenceGame);

describe("a search on the model's own text", () => {
	it("plays the original model's loss and the divergence from it; the text's own losses are beside it", async () => {
		const sets = [removing(3), removing(5, 6), fullSet];
		const kl = await withSession({ ...small, metric: "kl" }, ({ games }) => games.search.measure(sets));
		const { played, losses, singles, divergences, counts } = await withSession(small, async (session) => {
			const { games, finals, exactSearch } = session;
			expect(exactSearch).toBe(true);
			// The original model is not asked for, and measured all the same.
			const [first] = await games.search.measure(sets.slice(0, 1));
			const played = await games.search.measure(sets);
			expect(first).toEqual(played[0]);
			const counts = { ...games.search.counts };
			const { contributions } = await session.singleRemovals(mean(played[2]!), undefined);
			return {
				...{ played, counts, singles: contributions, losses: await finals.search.measure(sets) },
				divergences: played.map((set) => set.losses.map((loss, window) => loss - played[2]!.losses[window]!)),
			};
		});
		expect(counts.measured).toBe(3);
		for (const [i, { losses: own, figures }] of kl.entries()) {
			expect(figures!.loss).toEqual(losses[i]!.losses);
			expect(played[i]!.figures!.loss).toEqual(losses[i]!.losses);
			for (const [window, divergence] of own.entries()) expect(divergences[i]![window]).toBeCloseTo(divergence, 5);
		}
		expect(played[2]!.losses[0]).toBeCloseTo(losses[2]!.losses[0]!, 5);
		expect(singles[3]).toBeCloseTo(mean(kl[0]!), 5);
	});

	it("goes by the loss where there is no room for the original model's distributions, with --racing, and on other text", async () => {
		expect(await isByDivergence(small)).toBe(true);
		const notes: string[] = [];
		const onLog: SessionSettings["onLog"] = ({ message }) => notes.push(message);
		expect(await isByDivergence({ ...small, referenceBytes: 1000, onLog })).toBe(false);
		expect(notes.join("\n")).toMatch(/the search goes by the loss.* --reference-bytes \d+ allows them/);
		expect(await isByDivergence({ ...small, calibration: [text] })).toBe(false);
		expect(await isByDivergence({ ...small, metric: "kl" })).toBe(false);
		expect(await isByDivergence({ ...small, windows: 10, ubatch: 128, racing: true })).toBe(false);
	});

	it("reads half as many windows, unless a number is given", async () => {
		const { windows: _, ...usual } = small;
		const counts = (options: SessionSettings) =>
			withSession(options, async ({ calibration: { splits } }) => [splits.search.count, splits.validation.count, splits.heldOut.count]);
		expect(await counts(usual)).toEqual([5, 10, 15]);
		expect(await counts({ ...usual, calibration: [text] })).toEqual([10, 10, 15]);
		expect(await counts(small)).toEqual([4, 4, 6]);
	});
});

const mean = ({ losses }: Measurement) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
