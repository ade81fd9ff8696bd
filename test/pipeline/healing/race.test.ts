import { describe, expect, it } from "vitest";
import { comparedText } from "../../../src/pipeline/healing/reference-text.js";
import { whileRoughlyHealed } from "../../../src/pipeline/healing/race.js";
import { tuningFigure } from "../../../src/model/fitting/tuning.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath, removing } from "../../helpers/fixture.js";
import { racedFromWorst } from "../../helpers/healed-race.js";
import { ownHomes } from "../../helpers/home.js";
import type { HealingSettings } from "../../../src/api/options/settings.js";
import { thorough } from "../../helpers/slow.js";

ownHomes();
const plan = { masks: 8, weights: "own" as const, compared: false };
const measuring = { windows: 6, windowLength: 64, threads: 2 };

describe("a race of healed sets", () => {
	it.runIf(thorough)("is won by the set that diverges least, healed or as it is", { timeout: 300_000 }, async () => {
		const session = await Session.open(fixturePath, measuring, plan);
		const notes: string[] = [];
		const options: HealingSettings = { ...measuring, heal: true, healTokens: 2048, onLog: ({ message }) => void notes.push(message) };
		try {
			const sets = [
				[3, 6],
				[6, 7],
				[8, 9],
			];
			const { decided, worst, raced } = await racedFromWorst(session, sets, options);
			const winner = raced.chosen;
			expect(winner.removed).toHaveLength(2);

			const { evaluator, calibration, seed } = session;
			const text = (await comparedText(evaluator, calibration.splits.validation, { seed, reserved: 0 }, {}))!;
			const figure = async (removed: readonly number[]) => {
				const measured = () => tuningFigure(evaluator, removing(...removed), text);
				return Math.min(await measured(), await whileRoughlyHealed(session, removed, options, measured));
			};
			const best = await figure(winner.removed);
			for (const { removed } of decided.finalists) expect(best).toBeLessThanOrEqual(await figure(removed));
			expect(winner.removed).not.toEqual(worst.removed);
			expect(raced.unhealed!.chosen).toEqual(worst);
			expect(winner.method).toMatch(/raced healed$/);
			expect(notes.join("\n")).toContain(
				`(KL divergence ${best.toFixed(3)} and ${(await figure(worst.removed)).toFixed(3)} nats per token`,
			);
		} finally {
			await session.close();
		}
	});
});
