import { expect, it, vi } from "vitest";
import type { HealingSettings, MethodSettings } from "../../../src/api/options/settings.js";
import { NotEnoughMemoryError } from "../../../src/errors.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath } from "../../helpers/fixture.js";
import { racedFromWorst } from "../../helpers/healed-race.js";
import { ownHomes } from "../../helpers/home.js";

// What a race of healed sets says of attention parts, which are no blocks. Memory is too short for all of them, so nothing is healed.

vi.mock(import("../../../src/pipeline/healing/memory.js"), async (original) => ({
	...(await original()),
	checkHealMemory: () => {
		throw new NotEnoughMemoryError("too little memory");
	},
}));

ownHomes();

it("names attention parts as such", async () => {
	const measuring = { windows: 6, windowLength: 64, threads: 2 };
	const session = await Session.open(fixturePath, measuring, { masks: 8, weights: "own", compared: false });
	const said: string[] = [];
	const options: HealingSettings & Pick<MethodSettings, "granularity"> = {
		...{ ...measuring, granularity: "attention", heal: true, healTokens: 2048 },
	};
	const onLog = ({ message }: { message: string }) => said.push(message);
	try {
		const sets = [
			[3.25, 6.25],
			[1.25, 2.25],
		];
		await racedFromWorst(session, sets, options, { onLog });
	} finally {
		await session.close();
	}
	expect(said.filter((message) => /\bblocks? \d/.test(message))).toEqual([]);
	expect(said).toContain("the candidate without 3a, 6a is compared unhealed: too little memory");
	expect(said.at(-1)).toMatch(
		/^healed, removing [\d,a -]+a is (better than|as good, within the error, as) removing [\d,a -]+a on the validation/,
	);
});
