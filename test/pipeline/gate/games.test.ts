import { expect, it } from "vitest";
import { Gate } from "../../../src/pipeline/gate/gate.js";
import type { Coalition } from "../../../src/game/coalition.js";
import type { Session } from "../../../src/pipeline/session/session.js";

it("a limit is measured after its game could not be opened once", async () => {
	const game = {
		players: 4,
		measure: async (sets: Coalition[]) =>
			sets.map((coalition) => ({ coalition, losses: Float64Array.of(2, 2), figures: { divergence: Float64Array.of(0.1, 0.3) } })),
	};
	let opened = 0;
	const session = {
		calibration: { splits: { validation: { count: 2, length: 8 }, heldOut: { count: 2, length: 8 } } },
		model: { facts: { vocabulary: 100 } },
		comparedOn: async () => {
			if (opened++ === 0) throw new Error("the ledger is in use");
			return game;
		},
	} as unknown as Session;
	const gate = Gate.open(session, [{ kind: "divergence", name: "max-kl", limit: 1 }], {});
	await expect(gate.figures("heldOut", [2])).rejects.toThrow("the ledger is in use");
	expect(await gate.figures("heldOut", [2])).toEqual([expect.objectContaining({ name: "max-kl", value: expect.closeTo(0.2), met: true })]);
	await gate.figures("heldOut", [3]);
	expect(opened).toBe(2);
});
